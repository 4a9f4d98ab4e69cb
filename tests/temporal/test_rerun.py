"""A thread runs again: from a fresh state, from its last one, and never twice at once."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict
from uuid import uuid4

import pytest
from questions import asking
from temporal_support import Serve, event_names, eventually

from oris_temporal import END, START, CompiledGraph, Context, OrisClient, StateGraph
from oris_temporal.graph.errors import InvalidUpdateError, NoWorkerError, PayloadTooLargeError, RunConflictError


class Log(TypedDict, total=False):
    log: Annotated[list[str], operator.add]
    count: int


def counter() -> CompiledGraph:
    async def count(state: Log) -> dict:
        return {"count": state.get("count", 0) + 1, "log": [f"count {state.get('count', 0)}"]}

    graph = StateGraph(Log).add_node("node", count).add_edge(START, "node").add_edge("node", END)
    return graph.compile(name="counter")


async def test_by_default_from_a_fresh_state(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(counter()):
        first = await client.run("counter", thread, {"log": ["one"]})
        second = await client.run("counter", thread, {"log": ["two"]})
        assert first.values == {"count": 1, "log": ["one", "count 0"]}
        assert second.values == {"count": 1, "log": ["two", "count 0"]}
        assert first.run_id != second.run_id
        assert (await client.inspect(thread)).run == 2


async def test_on_request_from_the_last_state(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(counter()):
        await client.run("counter", thread, {"log": ["one"]})
        second = await client.run("counter", thread, {"log": ["two"]}, from_last_state=True)
        assert second.values == {"count": 2, "log": ["one", "count 0", "two", "count 1"]}
        third = await client.run("counter", thread, from_last_state=True)
        assert third.values["count"] == 3
        with_graph = await client.run(counter(), thread, from_last_state=True)
        assert with_graph.state["count"] == 4


async def test_from_the_last_state_of_a_thread_that_never_ran(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(counter()):
        result = await client.run("counter", thread, {"log": ["one"]}, from_last_state=True)
    assert result.values == {"count": 1, "log": ["one", "count 0"]}


def busy(started: asyncio.Event, go_on: asyncio.Event) -> CompiledGraph:
    async def work(state: Log) -> dict:
        started.set()
        await go_on.wait()
        return {"log": ["done"]}

    return StateGraph(Log).add_node("node", work).add_edge(START, "node").add_edge("node", END).compile(name="busy")


async def test_while_it_is_running_another_run_is_refused(client: OrisClient, serve: Serve, thread: str) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()
    async with serve(busy(started, go_on)):
        await client.start("busy", thread, {})
        await started.wait()
        before = await event_names(client, thread)
        for attempt in (
            client.run("busy", thread, {}),
            client.start("busy", thread, {}),
            client.run("busy", thread, {}, from_last_state=True),
            client.replay(thread),
        ):
            with pytest.raises(RunConflictError):
                await attempt
        assert await event_names(client, thread) == before
        go_on.set()
        assert (await client.result(thread)).values == {"log": ["done"]}


async def test_unless_it_is_to_be_replaced(client: OrisClient, serve: Serve, thread: str) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()
    async with serve(busy(started, go_on)):
        first = await client.start("busy", thread, {"log": ["first"]})
        await started.wait()
        go_on.set()
        second = await client.run("busy", thread, {"log": ["second"]}, on_conflict="replace")
        assert second.values == {"log": ["second", "done"]}
        assert second.run_id != first.run_id
        assert (await client.inspect(thread)).run == 2


async def test_a_run_that_only_waits_for_people_gives_way(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(asking("left")):
        first = await client.run("asking", thread, {"answers": []})
        second = await client.run("asking", thread, {"answers": ["new"]})
        assert (first.status, second.status) == ("interrupted", "interrupted")
        assert [item.id for item in second.interrupts] == [f"int-{thread}-1"]
        done = await client.resume(thread, "yes")
        assert done.values == {"answers": ["new", "left=yes"]}


async def test_the_same_idempotency_key_joins_the_run_it_started(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(counter()):
        first = await client.run("counter", thread, {}, idempotency_key="k-1")
        again = await client.run("counter", thread, {}, idempotency_key="k-1")
        assert (again.run_id, again.values) == (first.run_id, first.values)
        assert (await client.start("counter", thread, {}, idempotency_key="k-1")).run_id == first.run_id
        other = await client.run("counter", thread, {}, idempotency_key="k-2")
        assert other.run_id != first.run_id


async def test_a_key_of_an_earlier_run_joins_that_one(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(counter()):
        first = await client.run("counter", thread, {"log": ["one"]}, idempotency_key="k-1")
        await client.run("counter", thread, {"log": ["two"]}, idempotency_key="k-2")
        await client.run("counter", thread, {"log": ["three"]})
        again = await client.run("counter", thread, {"log": ["one"]}, idempotency_key="k-1")
        assert (again.run_id, again.values, again.status) == (first.run_id, first.values, "completed")
        assert (await client.start("counter", thread, {}, idempotency_key="k-1")).run_id == first.run_id
        assert (await client.inspect(thread)).run == 3


async def test_a_key_joins_from_the_last_state_too(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(counter()):
        await client.run("counter", thread, {"log": ["one"]})
        options: dict[str, Any] = {"from_last_state": True, "idempotency_key": "k-1"}
        runs = [(await client.start("counter", thread, {}, **options)).run_id for _ in range(2)]
        done = await client.run("counter", thread, {}, **options)
        assert {*runs, done.run_id} == {runs[0]}
        assert done.values["count"] == 2
        assert (await client.inspect(thread)).run == 2


async def test_a_key_joins_while_its_run_is_running(client: OrisClient, serve: Serve, thread: str) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()
    async with serve(busy(started, go_on), counter()):
        await client.run("counter", thread, {"log": ["one"]})
        options: dict[str, Any] = {"from_last_state": True, "idempotency_key": "k-1", "on_conflict": "replace"}
        handles = await asyncio.gather(*(client.start("busy", thread, {}, **options) for _ in range(3)))
        assert len({handle.run_id for handle in handles}) == 1
        go_on.set()
        assert (await client.run("busy", thread, {}, **options)).values["log"] == ["one", "count 0", "done"]


async def test_without_a_thread_id_the_key_names_the_thread(client: OrisClient, serve: Serve) -> None:
    key = uuid4().hex
    async with serve(counter()):
        first = await client.run("counter", input={}, idempotency_key=key)
        again = await client.run("counter", input={}, idempotency_key=key)
        other = await client.run("counter", input={}, idempotency_key=f"{key}-2")
    assert (again.thread_id, again.run_id) == (first.thread_id, first.run_id)
    assert other.thread_id != first.thread_id


@pytest.mark.parametrize("continue_as_new_after", [None, 5])
async def test_one_key_may_serve_a_run_and_its_answer(
    client: OrisClient, serve: Serve, thread: str, continue_as_new_after: int | None
) -> None:
    async with serve(asking("left", "right")):
        first = await client.run(
            "asking", thread, {"answers": []}, idempotency_key="k", continue_as_new_after=continue_as_new_after
        )
        left = first.interrupts[0].id
        for _ in range(3):  # later ones repeat the first, also in another history
            one = await client.resume(thread, "yes", interrupt_id=left, idempotency_key="k")
            assert [item.node for item in one.interrupts] == ["right"]
        done = await client.resume(thread, "no", idempotency_key="k-2")
        again = await client.resume(thread, "no", idempotency_key="k-2")
        assert done.values == again.values == {"answers": ["left=yes", "right=no"]}


async def test_a_key_is_known_after_the_run_continued_as_new(client: OrisClient, serve: Serve, thread: str) -> None:
    """An answer without an id would go to the next question else."""

    async def ask(state: Log, ctx: Context) -> dict:
        await ctx.activity(note)  # which makes the history grow
        return {"log": [await ctx.interrupt("next?")], "count": state.get("count", 0) + 1}

    graph = StateGraph(Log).add_node("ask", ask).add_edge(START, "ask").add_activity(note)
    graph.add_conditional_edges("ask", lambda state: END if state["count"] == 3 else "ask", ["ask", END])
    async with serve(graph.compile(name="thrice")):
        result = await client.run("thrice", thread, {}, continue_as_new_after=6)
        for number in range(3):
            for _ in range(2):
                result = await client.resume(thread, f"answer {number}", idempotency_key=f"key-{number}")
                assert result.values["log"] == [f"answer {n}" for n in range(number + 1)]
    assert result.status == "completed"


async def note() -> None:
    """Does nothing."""


async def test_a_last_state_that_nobody_can_tell_is_not_replaced_by_a_fresh_one(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(asking("left")):
        await client.run("asking", thread, {"answers": ["kept"]})
    nobody = OrisClient(client.temporal, task_queue=f"nobody-{uuid4().hex}")
    await nobody.start("asking", f"{thread}-2", {"answers": []})
    await client.temporal.get_workflow_handle(f"{thread}-2").cancel()
    await client.temporal.get_workflow_handle(f"{thread}-2").terminate()
    with pytest.raises(NoWorkerError):
        await nobody.run("asking", f"{thread}-2", {}, from_last_state=True)
    async with serve(asking("left")):
        result = await client.run("asking", thread, {}, from_last_state=True)
        assert result.values == {"answers": ["kept"]}


async def test_many_who_start_the_same_thread_at_once_start_it_once(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()
    async with serve(busy(started, go_on)):
        runs = [asyncio.ensure_future(client.run("busy", thread, {})) for _ in range(5)]
        await started.wait()
        await asyncio.wait(runs, return_when=asyncio.FIRST_EXCEPTION)
        go_on.set()
        results = await asyncio.gather(*runs, return_exceptions=True)
    assert sum(isinstance(result, RunConflictError) for result in results) == 4
    [winner] = [result for result in results if not isinstance(result, BaseException)]
    assert winner.status == "completed"


async def test_without_a_thread_id_every_run_has_a_thread_of_its_own(client: OrisClient, serve: Serve) -> None:
    async with serve(counter()):
        threads = {(await client.run("counter", input={})).thread_id for _ in range(3)}
    assert len(threads) == 3


async def ask(state: Log, ctx: Context) -> dict:
    return {"log": [str(await ctx.interrupt("ok?"))]}


async def test_ids_of_questions_go_on_though_nobody_had_to_wait_for_an_answer(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    """It is answered while another node still works, so the run never waits."""
    started, go_on = asyncio.Event(), asyncio.Event()

    async def work(state: Log) -> dict:
        started.set()
        await go_on.wait()
        return {}

    graph = StateGraph(Log).add_node("ask", ask).add_node("work", work)
    for node in ("ask", "work"):
        graph.add_edge(START, node).add_edge(node, END)
    compiled = graph.compile(name="never_waits")
    async with serve(compiled):
        for run in (0, 1):
            started.clear(), go_on.clear()
            await client.start(compiled, thread, {"log": []})
            await started.wait()
            [question] = await client.interrupts(thread)
            assert question.id == f"int-{thread}-{run}"
            answering = asyncio.create_task(client.resume(thread, "yes", interrupt_id=question.id))
            while await client.interrupts(thread):
                pass
            go_on.set()
            assert (await answering).values == {"log": ["yes"]}


async def test_a_run_that_is_refused_leaves_the_one_that_waits(client: OrisClient, serve: Serve, thread: str) -> None:
    graph = asking("left")
    async with serve(graph):
        await client.run(graph, thread, {"answers": []})
        for named in (graph, "asking"):
            with pytest.raises(InvalidUpdateError, match="nonsense"):
                await client.run(named, thread, {"nonsense": 1})
        with pytest.raises(PayloadTooLargeError):
            await client.run("asking", thread, {"answers": ["x" * 2_100_000]})
        with pytest.raises(PayloadTooLargeError):
            await client.start("asking", thread, {"answers": ["x" * 2_100_000]})
        assert (await client.resume(thread, "yes")).values == {"answers": ["left=yes"]}


async def test_from_the_last_state_that_nobody_can_tell_is_refused(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(asking("left"), max_cached_workflows=0):
        await client.run("asking", thread, {"answers": ["one"]})
    with pytest.raises(NoWorkerError):
        await client.run("asking", thread, {"answers": ["two"]}, from_last_state=True)
    async with serve(asking("left")):
        assert (await client.resume(thread, "yes")).values == {"answers": ["one", "left=yes"]}


async def test_a_graph_that_continues_does_so_by_name_too(client: OrisClient, serve: Serve, thread: str) -> None:
    graph = StateGraph(Log).add_node("ask", ask).add_edge(START, "ask").add_edge("ask", END)
    async with serve(graph.compile(name="continuing", continues=True)):
        await client.run("continuing", thread, {"log": ["one"]})
        await client.resume(thread, "yes")
        await client.run("continuing", thread, {"log": ["two"]})
        done = await client.resume(thread, "no")
        assert done.values == {"log": ["one", "yes", "two", "no"]}
        fresh = await client.run("continuing", thread, {"log": ["three"]}, from_last_state=False)
        assert fresh.values == {"log": ["three"]}


async def test_a_graph_that_continues_and_never_waits(client: OrisClient, serve: Serve, thread: str) -> None:
    graph = StateGraph(Log).add_node("say", lambda state: {"log": ["said"]}).add_edge(START, "say").add_edge("say", END)
    async with serve(graph.compile(name="continuing", continues=True)):
        await client.run("continuing", thread, {"log": ["one"]})
        second = await client.run("continuing", thread, {"log": ["two"]})
        assert second.values == {"log": ["one", "said", "two", "said"]}


def asks_beside(started: asyncio.Event, go_on: asyncio.Event) -> CompiledGraph:
    """Asks while another branch works, unless that has nothing to do."""

    async def work(state: Log) -> dict:
        if state.get("count"):
            started.set()
            await go_on.wait()
        return {"log": ["worked"]}

    async def ask(state: Log, ctx: Context) -> dict:
        return {"log": [await ctx.interrupt("go on?")]}

    graph = StateGraph(Log).add_node("work", work).add_node("ask", ask)
    for node in ("work", "ask"):
        graph.add_edge(START, node).add_edge(node, END)
    return graph.compile(name="beside")


@pytest.mark.parametrize("how", ["replaced", "terminated"])
async def test_a_question_of_a_run_that_was_ended_while_it_worked_keeps_its_id(
    client: OrisClient, serve: Serve, thread: str, how: str
) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()
    async with serve(asks_beside(started, go_on), max_cached_workflows=10):
        await client.start("beside", thread, {"count": 1})
        await started.wait()
        [first] = await eventually(lambda: client.interrupts(thread))
        if how == "terminated":
            await client.temporal.get_workflow_handle(thread).terminate()
        second = await client.run("beside", thread, {}, on_conflict="replace")
        go_on.set()
        assert (first.id, [item.id for item in second.interrupts]) == (f"int-{thread}-0", [f"int-{thread}-1"])
        asked = {item.id: item.status for item in await client.interrupts(thread, all=True)}
        assert asked == {f"int-{thread}-0": "rejected", f"int-{thread}-1": "pending"}
