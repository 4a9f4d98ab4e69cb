"""Static breakpoints: stop before or after a node until somebody says go on."""

from __future__ import annotations

import operator
from typing import Annotated, TypedDict

from temporal_support import Serve

from oris_temporal import END, START, CompiledGraph, OrisClient, StateGraph


class Log(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


def steps(**options: list[str]) -> CompiledGraph:
    graph = StateGraph(Log)
    for name in ("a", "b", "c"):
        graph.add_node(name, lambda state, name=name: {"log": [name]})
    graph.add_edge(START, "a").add_edge("a", "b").add_edge("b", "c").add_edge("c", END)
    return graph.compile(name="steps", **options)


async def test_of_the_graph(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(steps(interrupt_before=["b"], interrupt_after=["c"])):
        before = await client.run("steps", thread, {})
        assert [(item.kind, item.node) for item in before.interrupts] == [("before", "b")]
        assert (before.values, before.next) == ({"log": ["a"]}, ["b"])
        after = await client.resume(thread)
        assert [(item.kind, item.node) for item in after.interrupts] == [("after", "c")]
        assert (after.values, after.next) == ({"log": ["a", "b", "c"]}, [])
        done = await client.resume(thread)
    assert (done.status, done.values) == ("completed", {"log": ["a", "b", "c"]})


async def test_of_a_run_in_place_of_the_graphs_own(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(steps(interrupt_before=["b"])):
        paused = await client.run("steps", thread, {}, interrupt_before=["c"])
        assert paused.next == ["c"]
        assert (await client.resume(thread)).status == "completed"
        assert (await client.run("steps", thread, {}, interrupt_before=[])).status == "completed"


async def test_the_state_may_be_edited_there(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(steps(interrupt_before=["b"])):
        await client.run("steps", thread, {})
        await client.update_state(thread, {"log": ["edited"]})
        assert (await client.resume(thread)).values == {"log": ["a", "edited", "b", "c"]}
        await client.run("steps", thread, {})
        skipped = await client.resume(thread, goto="c")
        assert skipped.values == {"log": ["a", "c"]}
