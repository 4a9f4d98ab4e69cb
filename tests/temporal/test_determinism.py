"""A node that a replay could not repeat is caught three times: by the lint, by the guard, by a replay."""

from __future__ import annotations

import operator
import random
from pathlib import Path
from typing import Annotated, TypedDict

import pytest
from temporal_support import Serve, event_counts

from oris_temporal import END, START, CompiledGraph, Context, OrisClient, StateGraph
from oris_temporal.graph.errors import DeterminismError, RunStuckError
from oris_temporal.testing import check_replay


class Log(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


async def heads() -> str:
    return "heads"


async def tails() -> str:
    return "tails"


async def toss(state: Log, ctx: Context) -> dict:
    """Twenty tosses: that a replay repeats them by chance, nobody will see."""
    return {"log": [await ctx.activity(random.choice([heads, tails])) for _ in range(20)]}


async def toss_properly(state: Log, ctx: Context) -> dict:
    return {"log": [await ctx.activity(ctx.random().choice([heads, tails])) for _ in range(20)]}


def tossing(fn: object, lint: str) -> CompiledGraph:
    graph = StateGraph(Log).add_node("toss", fn).add_activity(heads).add_activity(tails)
    return graph.add_edge(START, "toss").add_edge("toss", END).compile(name="tossing", lint=lint)


def test_the_lint_names_the_function_the_line_and_the_remedy() -> None:
    with pytest.raises(DeterminismError) as found:
        tossing(toss, "error")
    message = str(found.value)
    assert "tossing.toss" in message
    assert f"{Path(__file__).name}:{toss.__code__.co_firstlineno + 2}" in message
    assert "ctx.random()" in message
    with pytest.warns(UserWarning, match="tossing.toss"):
        tossing(toss, "warn")
    tossing(toss_properly, "error")


@pytest.mark.no_replay
async def test_a_worker_without_a_cache_notices_and_the_run_is_kept(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(tossing(toss, "off")):
        with pytest.raises(RunStuckError, match="Nondeterminism"):
            await client.run("tossing", thread, {})
        assert (await event_counts(client, thread))["WORKFLOW_TASK_FAILED"] >= 1
    assert (await client.inspect(thread)).status == "running"
    await client.temporal.get_workflow_handle(thread).terminate()


@pytest.mark.no_replay
async def test_a_replay_of_its_history_notices_and_names_the_node(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    graph = tossing(toss, "off")
    async with serve(graph, max_cached_workflows=10):  # as in production, where it may go well for long
        assert (await client.run("tossing", thread, {})).status == "completed"
    with pytest.raises(DeterminismError) as found:
        await check_replay(client, [graph], [thread])
    assert thread in str(found.value)
    assert "toss" in str(found.value)


async def test_the_context_s_own_random_numbers_are_repeated(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(tossing(toss_properly, "error")):
        result = await client.run("tossing", thread, {})
    assert set(result.values["log"]) == {"heads", "tails"}


async def read_a_file(state: Log, ctx: Context) -> dict:
    return {"log": [Path(__file__).read_text()[:3]]}


async def test_the_guard_stops_what_touches_the_world(client: OrisClient, serve: Serve, thread: str) -> None:
    graph = StateGraph(Log).add_node("read", read_a_file).add_edge(START, "read").add_edge("read", END)
    async with serve(graph.compile(name="reading", lint="off")):
        result = await client.run("reading", thread, {})
    assert result.error is not None
    assert (result.status, result.error["code"]) == ("failed", "determinism")
    assert "reading.read opened the file" in result.error["message"]
    assert "ctx.activity()" in result.error["message"]
    assert (await event_counts(client, thread))["WORKFLOW_TASK_FAILED"] == 0  # within one attempt


def peeking_router(state: Log) -> str:
    return Path(__file__).read_text() and END


async def test_routers_are_guarded_too(client: OrisClient, serve: Serve, thread: str) -> None:
    graph = StateGraph(Log).add_node("node", lambda state: {"log": ["x"]}).add_edge(START, "node")
    graph.add_conditional_edges("node", peeking_router, [END])
    async with serve(graph.compile(name="peeking", lint="off")):
        result = await client.run("peeking", thread, {})
    assert result.error is not None
    assert (result.status, result.error["code"]) == ("failed", "determinism")
    assert "peeking.node" in result.error["message"]
