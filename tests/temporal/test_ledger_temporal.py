"""Defects of Oris that a real server shows, each by its number in the ledger. The others are in the conformance kit."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Annotated, TypedDict

import pytest
from questions import asking
from temporal_support import Serve, eventually

from oris_temporal import END, START, CompiledGraph, Context, OrisClient, StateGraph
from oris_temporal.devserver import DevServer
from oris_temporal.graph.errors import DeterminismError
from oris_temporal.testing import ReplayingWorker, check_replay


class Log(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


async def test_b18_a_file_backed_server_works_from_async_code_and_survives_a_kill(tmp_path: Path) -> None:
    async with DevServer(db_filename=tmp_path / "oris.db", ui=False) as server:
        client = await OrisClient.connect(server.address)
        async with ReplayingWorker(client, [asking("left", "right")]) as worker:
            await client.run("asking", "done", {"answers": []})
            await client.resume("done", {"int-done-0": "1", "int-done-1": "2"}, by_id=True)
            await client.run("asking", "waiting", {"answers": []})
            await client.resume("waiting", "1", interrupt_id="int-waiting-0")
            before = [await client.history(thread) for thread in ("done", "waiting")]

            await server.kill()
            await server.start()

            assert [await client.history(thread) for thread in ("done", "waiting")] == before
            assert (await client.result("done")).values == {"answers": ["left=1", "right=2"]}
            finished = await client.resume("waiting", "2")
            assert finished.values == {"answers": ["left=1", "right=2"]}
            assert await worker.check_replay() == 2


async def wait_for_approval(state: Log, ctx: Context) -> dict:
    return {"log": [await ctx.wait_signal("approved")]}


async def test_b36_a_named_signal_wakes_a_wait(client: OrisClient, serve: Serve, thread: str) -> None:
    graph = StateGraph(Log).add_node("wait", wait_for_approval).add_edge(START, "wait").add_edge("wait", END)
    async with serve(graph.compile(name="waiting")):
        await client.start("waiting", thread, {})
        await client.signal(thread, "something else", "not this")
        await client.signal(thread, "approved", "by ada")
        assert (await client.result(thread)).values == {"log": ["by ada"]}

        early = f"{thread}-early"  # a signal that comes before the wait is kept
        await client.temporal.start_workflow(
            "waiting", {}, id=early, task_queue=client.task_queue, start_signal="approved", start_signal_args=["early"]
        )
        assert (await client.result(early)).values == {"log": ["early"]}


async def test_b36_a_budget_stops_a_run(client: OrisClient, serve: Serve, thread: str) -> None:
    async def again(state: Log, ctx: Context) -> dict:
        return {"log": ["again"]}

    graph = StateGraph(Log).add_node("again", again).add_edge(START, "again")
    graph.add_conditional_edges("again", lambda state: "again", ["again", END])
    async with serve(graph.compile(name="endless", recursion_limit=7)):
        result = await client.run("endless", thread, {})
    assert result.error is not None
    assert (result.status, result.error["code"]) == ("failed", "graph_recursion")
    assert result.error["details"] == {"limit": 7}
    assert result.values == {"log": ["again"] * 7}


async def test_b36_nondeterminism_fails_a_replay(client: OrisClient, serve: Serve, thread: str) -> None:
    def deployed(first: str) -> CompiledGraph:
        graph = StateGraph(Log).add_node(first, lambda state: {"log": [first]})
        return graph.add_edge(START, first).add_edge(first, END).compile(name="changing")

    async with serve(deployed("before")):
        await client.run("changing", thread, {})
    assert await check_replay(client, [deployed("before")], [thread]) == 1
    with pytest.raises(DeterminismError, match="/after/"):
        await check_replay(client, [deployed("after")], [thread])


async def test_b42_a_paused_run_verifies(client: OrisClient, serve: Serve, thread: str) -> None:
    graph = asking("left", "right")
    async with serve(graph):
        await client.run("asking", thread, {"answers": []})
        assert await check_replay(client, [graph], [thread]) == 1
        await client.resume(thread, "yes", interrupt_id=f"int-{thread}-0")
        assert await check_replay(client, [graph], [thread]) == 1
        await client.resume(thread, "yes")
        assert await check_replay(client, [graph], [thread]) == 1


async def test_b42_a_hash_of_the_state_is_offered(client: OrisClient, serve: Serve, thread: str) -> None:
    """Of the state, not of the events that led to it: the same state has the same hash in another run."""
    async with serve(asking("left")):
        for name in ("a", "b"):
            await client.run("asking", f"{thread}-{name}", {"answers": []})
            await client.resume(f"{thread}-{name}", "yes")
        await client.run("asking", f"{thread}-c", {"answers": []})
        await client.update_state(f"{thread}-c", {"answers": ["left=yes"]})
        hashes = {name: (await client.checkpoint(f"{thread}-{name}")).state_hash for name in ("a", "b", "c")}
        assert hashes["a"] == hashes["b"] == hashes["c"]
        assert (await client.checkpoint(f"{thread}-a", "0001-000001")).state_hash != hashes["a"]


async def test_b43_each_pause_is_listed_with_its_own_id_and_statuses_are_real(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(asking("left")):

        async def listed() -> list[str]:
            return [item.id for item in await client.interrupts() if item.thread_id == thread]

        for run in range(3):
            paused = await client.run("asking", thread, {"answers": []})
            assert paused.interrupts[0].id == f"int-{thread}-{run}"

            async def as_expected(run: int = run) -> bool:
                return await listed() == [f"int-{thread}-{run}"]

            await eventually(as_expected)
            assert (await client.inspect(thread)).status == "interrupted"
            await client.resume(thread, "yes")
            assert (await client.inspect(thread)).status == "completed"

        replayed = await client.replay(thread)
        assert replayed.status == "interrupted"  # Oris: always "completed"
        await client.cancel(thread)
        assert (await client.inspect(thread)).status == "cancelled"
