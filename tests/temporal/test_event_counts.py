"""History is a budget: a run costs no more events than the same work would by hand (notes/anchors: 4.2)."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest
from temporal_support import Serve, event_counts, event_names

from oris_temporal import END, START, CompiledGraph, Context, OrisClient, Send, StateGraph

UPDATE_WITH_START = 2  # accepted and completed: what waiting for the result in the same round trip costs


class Log(TypedDict, total=False):
    log: Annotated[list[int], operator.add]


async def remote(state: Log) -> dict:
    return {"log": [1]}


async def inline(state: Log, ctx: Context) -> dict:
    return {"log": [1]}


async def approve(state: Log, ctx: Context) -> dict:
    return {"log": [await ctx.interrupt("ok?")]}


async def nap(state: Log, ctx: Context) -> dict:
    await ctx.sleep("10ms")
    return {"log": [1]}


def linear(fn: Callable[..., Any], count: int, **options: Any) -> CompiledGraph:
    graph = StateGraph(Log)
    names = [f"n{index}" for index in range(count)]
    for index, name in enumerate(names):
        graph.add_node(name, fn, **{**options, "fuse": options.get("fuse", False) and index > 0})
    for one, other in zip([START, *names], [*names, END], strict=True):
        graph.add_edge(one, other)
    return graph.compile(name="linear")


def wide(count: int) -> CompiledGraph:
    async def work(item: int) -> dict:
        return {"log": [item]}

    graph = StateGraph(Log).add_node("work", work).add_edge("work", END)
    graph.add_conditional_edges(START, lambda state: [Send("work", n) for n in range(count)], ["work"])
    return graph.compile(name="wide")


async def count_of(client: OrisClient, serve: Serve, graph: CompiledGraph, thread: str, length: int) -> int:
    """Events of a run through the client, by a worker as users have it: with its cache."""
    async with serve(graph, max_cached_workflows=100):
        result = await client.run(graph.name, thread, {})
        assert (result.status, len(result.values["log"])) == ("completed", length)
        return len(await event_names(client, thread))


@pytest.mark.parametrize("length", [1, 10])
async def test_nodes_one_after_the_other(client: OrisClient, serve: Serve, thread: str, length: int) -> None:
    found = await count_of(client, serve, linear(remote, length), thread, length)
    assert found == 5 + 6 * length + UPDATE_WITH_START


async def test_started_without_waiting_the_update_costs_nothing(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(linear(remote, 3), max_cached_workflows=100):
        await client.start("linear", thread, {})
        await client.temporal.get_workflow_handle(thread).result()
    assert len(await event_names(client, thread)) == 5 + 6 * 3


async def test_nodes_in_the_workflow_cost_nothing(client: OrisClient, serve: Serve, thread: str) -> None:
    assert await count_of(client, serve, linear(inline, 20), thread, 20) == 5 + UPDATE_WITH_START


async def test_local_activities_cost_one_each(client: OrisClient, serve: Serve, thread: str) -> None:
    found = await count_of(client, serve, linear(remote, 10, run_as="local"), thread, 10)
    assert found == 5 + 10 + UPDATE_WITH_START


async def test_a_fused_chain_costs_as_much_as_one_node(client: OrisClient, serve: Serve, thread: str) -> None:
    found = await count_of(client, serve, linear(remote, 10, fuse=True), thread, 10)
    assert found == 5 + 6 + UPDATE_WITH_START


@pytest.mark.parametrize("width", [3, 10, 50])
async def test_a_fan_out(client: OrisClient, serve: Serve, thread: str, width: int) -> None:
    found = await count_of(client, serve, wide(width), thread, width)
    assert 8 + 3 * width <= found - UPDATE_WITH_START <= 5 + 6 * width


async def test_sleeping_costs_five(client: OrisClient, serve: Serve, thread: str) -> None:
    assert await count_of(client, serve, linear(nap, 1), thread, 1) == 5 + 5 + UPDATE_WITH_START


async def test_a_whole_run_with_one_approval(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(linear(approve, 1), max_cached_workflows=100):
        paused = await client.run("linear", thread, {})
        before = len(await event_names(client, thread))
        await client.resume(thread, 1)
        after = len(await event_names(client, thread))
        counts = await event_counts(client, thread)
    assert paused.status == "interrupted"
    assert after <= 15
    assert after - before <= 10
    # Status and memo are written when it starts to wait; that it no longer waits, its end says.
    assert counts["UPSERT_WORKFLOW_SEARCH_ATTRIBUTES"] == 1
    assert counts["WORKFLOW_PROPERTIES_MODIFIED"] == 1


async def test_another_approval_costs_at_most_ten(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(linear(approve, 2), max_cached_workflows=100):
        await client.run("linear", thread, {})
        first = len(await event_names(client, thread))
        await client.resume(thread, 1)
        second = len(await event_names(client, thread))
        await client.resume(thread, 2)
    assert second - first <= 10


async def test_queries_and_watchers_cost_nothing(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(linear(approve, 1), max_cached_workflows=100):
        await client.run("linear", thread, {})
        before = await event_names(client, thread)
        await client.inspect(thread)
        await client.history(thread)
        await client.timeline(thread)
        await client.interrupts(thread)
        assert [chunk async for chunk in client.stream(thread)]
        assert await event_names(client, thread) == before
        await client.resume(thread, 1)
