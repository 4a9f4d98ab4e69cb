"""SIGKILL of the Temporal server: with a database file, runs go on where they were."""

from __future__ import annotations

import asyncio
import operator
from pathlib import Path
from typing import Annotated, TypedDict

from questions import asking

from oris_temporal import END, START, CompiledGraph, OrisClient, RetryPolicy, StateGraph
from oris_temporal.devserver import DevServer
from oris_temporal.graph.errors import UnavailableError
from oris_temporal.testing import ReplayingWorker


class Log(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


async def test_a_paused_run_survives_and_is_resumed(tmp_path: Path) -> None:
    graph = asking("left", "right")
    async with DevServer(db_filename=tmp_path / "temporal.db", ui=False) as server:
        client = await OrisClient.connect(server.address)
        async with ReplayingWorker(client, [graph]) as worker:
            await client.run("asking", "t", {"answers": []})
            await client.resume("t", "before", interrupt_id="int-t-0")
            before = await client.history("t")

            await server.kill()
            await server.start()

            assert await client.history("t") == before
            [question] = await client.interrupts("t")
            assert question.id == "int-t-1"
            done = await client.resume("t", "after")
            assert done.values == {"answers": ["left=before", "right=after"]}
            assert await worker.check_replay() == 1


async def test_a_node_that_was_running_goes_on(tmp_path: Path) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()
    ran: list[str] = []

    async def first(state: Log) -> dict:
        ran.append("first")
        return {"log": ["first"]}

    async def second(state: Log) -> dict:
        ran.append("second")
        started.set()
        await go_on.wait()
        return {"log": ["second"]}

    graph = StateGraph(Log).add_node("first", first).add_node("second", second, retry=RetryPolicy(maximum_attempts=0))
    graph.add_edge(START, "first").add_edge("first", "second").add_edge("second", END)
    compiled: CompiledGraph = graph.compile(name="steps")
    async with DevServer(db_filename=tmp_path / "temporal.db", ui=False) as server:
        client = await OrisClient.connect(server.address)
        async with ReplayingWorker(client, [compiled]) as worker:
            await client.start("steps", "t", {})
            await started.wait()
            await server.kill()
            go_on.set()  # it finishes while there is nobody to tell
            await server.start()
            assert (await client.result("t")).values == {"log": ["first", "second"]}
            assert ran.count("first") == 1
            assert await worker.check_replay() == 1


async def test_who_waits_meanwhile_gets_the_result_or_a_typed_error(tmp_path: Path) -> None:
    graph = asking("left")
    async with DevServer(db_filename=tmp_path / "temporal.db", ui=False) as server:
        client = await OrisClient.connect(server.address)
        async with ReplayingWorker(client, [graph]):
            await client.run("asking", "t", {"answers": []})
            await server.kill()
            answering = asyncio.ensure_future(client.resume("t", "yes", idempotency_key="k"))
            await server.start()
            try:
                result = await answering
            except UnavailableError:
                result = await client.resume("t", "yes", idempotency_key="k")
            assert result.values == {"answers": ["left=yes"]}
