"""What a node leaves behind when it returns, or takes back itself, on every host of ours."""

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
def thread(host: OrisHost) -> str:
    return f"{host.name}-{uuid4().hex[:12]}"


def graph_of(name: str, *nodes: Any) -> CompiledGraph:
    """Nodes in a row."""
    graph = StateGraph(Log)
    last = START
    for node in nodes:
        graph.add_node(node.__name__, node).add_edge(last, node.__name__)
        last = node.__name__
    return graph.add_edge(last, END).compile(name=name)


async def forgets_a_question(state: Log, ctx: Context) -> dict[str, Any]:
    asyncio.create_task(ctx.interrupt("anybody?"))  # noqa: RUF006
    await asyncio.sleep(0)
    return {"log": ["returned"]}


async def takes_back_its_question(state: Log, ctx: Context) -> dict[str, Any]:
    question = asyncio.create_task(ctx.interrupt("now or on Monday?"))
    await ctx.sleep("10ms")
    question.cancel()
    await asyncio.gather(question, return_exceptions=True)
    return {"log": ["decided alone"]}


async def asks(state: Log, ctx: Context) -> dict[str, Any]:
    return {"log": [str(await ctx.interrupt("ok?"))]}


async def forgets_a_sleep(state: Log, ctx: Context, config: RunnableConfig) -> dict[str, Any]:
    async def later() -> None:
        await ctx.sleep("1h")
        note(config, "woke up")

    asyncio.create_task(later())  # noqa: RUF006
    await asyncio.sleep(0)
    return {"log": ["returned"]}


async def asks_late(state: Log, ctx: Context) -> dict[str, Any]:
    for _ in range(10):
        await asyncio.sleep(0)
    return {"log": [str(await ctx.interrupt("late?"))]}


class TestAQuestionThatNobodyAwaits:
    async def test_is_withdrawn_when_its_node_returns(self, host: OrisHost, thread: str) -> None:
        record = await host.start(graph_of("forgetful", forgets_a_question), {"log": []}, thread)

        assert (record.status, record.asks) == ("completed", ())
        assert record.values == {"log": ["returned"]}

    async def test_keeps_no_later_question_from_being_answered(self, host: OrisHost, thread: str) -> None:
        graph = graph_of("forgetful_then_asks", forgets_a_question, asks)

        waiting = await host.start(graph, {"log": []}, thread)

        assert waiting.questions == [("asks", "ok?")]
        assert (await host.resume(graph, thread, "yes")).values == {"log": ["returned", "yes"]}

    async def test_taken_back_by_its_node(self, host: OrisHost, thread: str) -> None:
        record = await host.start(graph_of("takes_back", takes_back_its_question), {"log": []}, thread)

        assert (record.status, record.asks) == ("completed", ())
        assert record.values == {"log": ["decided alone"]}


class TestOtherLeftovers:
    async def test_a_sleep_ends_with_its_node(self, host: OrisHost, thread: str) -> None:
        graph = graph_of("sleepy", forgets_a_sleep, asks)

        waiting = await host.start(graph, {"log": []}, thread)

        assert waiting.questions == [("asks", "ok?")]
        assert ran[thread, "woke up"] == 0


class TestSettling:
    async def test_waits_for_what_is_asked_a_moment_later(self, host: OrisHost, thread: str) -> None:
        graph = StateGraph(Log)
        for node in (asks, asks_late):
            graph.add_node(node.__name__, node).add_edge(START, node.__name__).add_edge(node.__name__, END)

        waiting = await host.start(graph.compile(name="early_and_late"), {"log": []}, thread)

        assert [question for _, question in waiting.questions] == ["ok?", "late?"]
