"""Cancelling: what runs is told through its heartbeats, cleans up, and the run ends `cancelled`."""

from __future__ import annotations

import asyncio
import operator
import time
from typing import Annotated, TypedDict

import pytest
from temporal_support import Serve, event_names

from oris_temporal import END, START, CompiledGraph, Context, OrisClient, StateGraph
from oris_temporal.graph.errors import CheckpointNotFoundError, NoWorkerError


class State(TypedDict):
    log: Annotated[list[str], operator.add]


def one(fn: object, name: str = "one") -> CompiledGraph:
    return StateGraph(State).add_node("node", fn).add_edge(START, "node").add_edge("node", END).compile(name=name)


async def test_a_running_activity_is_told_within_two_seconds_and_cleans_up(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    started, cleaned = asyncio.Event(), asyncio.Event()

    async def work(state: State) -> dict:
        started.set()
        try:
            await asyncio.sleep(600)
        finally:
            await asyncio.sleep(0.05)  # cleaning up may take a moment
            cleaned.set()
        return {"log": ["finished"]}

    async with serve(one(work)):
        await client.start("one", thread, {"log": []})
        await started.wait()
        asked = time.monotonic()
        result = await client.cancel(thread, reason="enough")
        assert time.monotonic() - asked < 4  # two, and some for a busy machine
        assert result.status == "cancelled"
        assert cleaned.is_set()
        assert result.values == {"log": []}
        assert [event.kind for event in await client.timeline(thread)][-1] == "run_cancelled"

    names = await event_names(client, thread)
    assert names[-1] == "WORKFLOW_EXECUTION_CANCELED"
    assert "ACTIVITY_TASK_CANCELED" in names
    assert (await client.inspect(thread)).status == "cancelled"


async def test_every_node_of_a_step_is_cancelled(client: OrisClient, serve: Serve, thread: str) -> None:
    started: list[str] = []
    cleaned: list[str] = []
    all_started = asyncio.Event()
    graph = StateGraph(State)
    for name in ("a", "b", "c"):

        async def work(state: State, name: str = name) -> None:
            started.append(name)
            if len(started) == 3:
                all_started.set()
            try:
                await asyncio.sleep(600)
            finally:
                cleaned.append(name)

        graph.add_node(name, work).add_edge(START, name).add_edge(name, END)

    async with serve(graph.compile(name="wide")):
        await client.start("wide", thread, {"log": []})
        await all_started.wait()
        assert (await client.cancel(thread)).status == "cancelled"
    assert sorted(cleaned) == ["a", "b", "c"]


undone: list[str] = []


async def undo(thread: str) -> None:
    undone.append(thread)


async def wait_and_undo(state: State, ctx: Context) -> None:
    try:
        await ctx.interrupt("Publish?")
    finally:
        await ctx.activity(undo, ctx.thread_id)


async def test_a_node_in_the_workflow_cleans_up_with_activities(client: OrisClient, serve: Serve, thread: str) -> None:
    graph = StateGraph(State).add_node("node", wait_and_undo).add_activity(undo)
    graph.add_edge(START, "node").add_edge("node", END)
    async with serve(graph.compile(name="undoing")):
        await client.run("undoing", thread, {"log": []})
        result = await client.cancel(thread)
    assert result.status == "cancelled"
    assert undone == [thread]


async def test_a_run_without_a_worker_is_cancelled_when_one_comes(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    await client.start("one", thread, {"log": []})
    early = await client.cancel(thread, wait="100ms")
    assert early.status == "running"
    async with serve(one(lambda state: {"log": ["done"]})):
        result = await client.cancel(thread)
        assert result.status == "cancelled"


async def test_a_run_that_is_over_stays_as_it_is(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(one(lambda state: {"log": ["done"]})):
        await client.run("one", thread, {"log": []})
        result = await client.cancel(thread)
    assert (result.status, result.values) == ("completed", {"log": ["done"]})


async def test_a_node_that_will_not_be_cancelled_cannot_ask_instead(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async def stubborn(state: State, ctx: Context) -> dict:
        try:
            await ctx.interrupt("go on?")
        except asyncio.CancelledError:
            await ctx.interrupt("really?")
        return {}

    graph = StateGraph(State).add_node("stubborn", stubborn).add_edge(START, "stubborn").add_edge("stubborn", END)
    async with serve(graph.compile(name="stubborn")):
        await client.run("stubborn", thread, {"log": []})
        cancelled = await client.cancel(thread)
    assert cancelled.status == "cancelled"


async def test_a_run_that_no_worker_ever_saw_reads_as_cancelled_with_nothing_in_it(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    """Also where its graph does not exist: a worker of the queue answers that there is nothing to tell."""
    await client.start("nowhere", thread, {"log": []})
    await client.temporal.get_workflow_handle(thread).terminate()
    async with serve(one(lambda state: {"log": ["done"]})):
        assert (await client.inspect(thread)).status == "cancelled"
        assert await client.history(thread) == await client.timeline(thread) == []
        assert await client.interrupts(thread, all=True) == []
        for read in (client.checkpoint(thread), client.replay(thread), client.fork(thread)):
            with pytest.raises(CheckpointNotFoundError):
                await read


async def test_reading_a_thread_that_no_worker_serves_is_told_at_once(client: OrisClient, thread: str) -> None:
    await client.start("nowhere", thread, {"log": []})
    asked = time.monotonic()
    with pytest.raises(NoWorkerError, match="cannot be read"):
        await client.history(thread)
    assert time.monotonic() - asked < 5
