"""Graphs that a node runs with ``ctx.call_graph``, on every host of ours, and with a history of a few events."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from effects import note, ran
from hosts import OrisHost
from states import Log

from oris_temporal import END, START, CompiledGraph, Context, RunnableConfig, StateGraph


@pytest.fixture
def host(any_host: OrisHost) -> OrisHost:
    return any_host


@pytest.fixture
def thread(host: OrisHost, request: pytest.FixtureRequest) -> str:
    return f"{host.name}-{uuid4().hex[:12]}"


async def work(state: Log, config: RunnableConfig) -> dict[str, Any]:
    note(config, f"work {state['log'][0]}")
    return {"log": ["worked"]}


async def ask(state: Log, ctx: Context) -> dict[str, Any]:
    return {"log": [str(await ctx.interrupt(f"{state['log'][0]}?"))]}


def inner() -> CompiledGraph:
    graph = StateGraph(Log).add_node("work", work).add_node("ask", ask)
    graph.add_edge(START, "work").add_edge("work", "ask").add_edge("ask", END)
    return graph.compile(name="inner")


def outer(*topics: str) -> CompiledGraph:
    called = inner()

    async def call(state: Log, ctx: Context) -> dict[str, Any]:
        results = await asyncio.gather(*(ctx.call_graph(called, {"log": [topic]}) for topic in topics))
        return {"log": [" ".join(result["log"]) for result in results]}

    graph = StateGraph(Log).add_node("call", call).add_graphs(called)
    return graph.add_edge(START, "call").add_edge("call", END).compile(name="outer")


async def test_its_question_is_the_threads_and_its_state_the_result(host: OrisHost, thread: str) -> None:
    graph = outer("storks")
    waiting = await host.start(graph, {"log": []}, thread)
    assert (waiting.status, waiting.questions) == ("interrupted", [("ask", "storks?")])

    done = await host.resume(graph, thread, "yes")

    assert (done.status, done.values) == ("completed", {"log": ["storks worked yes"]})
    assert ran[thread, "work storks"] == 1


async def test_several_side_by_side(host: OrisHost, thread: str) -> None:
    graph = outer("storks", "herons")
    waiting = await host.start(graph, {"log": []}, thread)
    assert [value for _, value in waiting.questions] == ["storks?", "herons?"]

    half = await host.answer(graph, thread, {waiting.asks[1].id: "no"})
    assert [value for _, value in half.questions] == ["storks?"]
    done = await host.resume(graph, thread, "yes")

    assert done.values == {"log": ["storks worked yes", "herons worked no"]}
    assert (ran[thread, "work storks"], ran[thread, "work herons"]) == (1, 1)


async def test_its_failure_is_the_callers(host: OrisHost, thread: str) -> None:
    async def fails(state: Log, ctx: Context) -> dict[str, Any]:
        raise OSError("no disk")

    called = (
        StateGraph(Log).add_node("fails", fails).add_edge(START, "fails").add_edge("fails", END).compile(name="bad")
    )

    async def call(state: Log, ctx: Context) -> dict[str, Any]:
        return {"log": (await ctx.call_graph("bad", {"log": []}))["log"]}

    graph = StateGraph(Log).add_node("call", call).add_graphs(called).add_edge(START, "call").add_edge("call", END)
    record = await host.start(graph.compile(name="outer"), {"log": []}, thread)
    assert (record.status, record.error) == ("failed", "node")
    assert "bad.fails failed: OSError: no disk" in record.message


async def test_a_graph_that_was_not_given(host: OrisHost, thread: str) -> None:
    stranger = inner()

    async def call(state: Log, ctx: Context) -> dict[str, Any]:
        return {"log": (await ctx.call_graph(stranger, {"log": []}))["log"]}

    graph = StateGraph(Log).add_node("call", call).add_edge(START, "call").add_edge("call", END)
    record = await host.start(graph.compile(name="outer"), {"log": []}, thread)
    assert record.status == "failed"
    assert "add_graphs" in record.message
