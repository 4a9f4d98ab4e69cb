"""Budgets: a run that has used up its tokens, cost, model calls or time ends with a typed error."""

from __future__ import annotations

from typing import Any

import pytest
from scripted_provider import ScriptedProvider
from temporal_support import Serve

from oris_temporal import END, START, CompiledGraph, Context, MessagesState, OrisClient, StateGraph
from oris_temporal.graph.errors import BudgetExceededError, GraphCompileError, InvalidUpdateError
from oris_temporal.models import ModelReply, ModelRequest, Usage
from oris_temporal.models.providers import Emit


async def talk(state: MessagesState, ctx: Context) -> dict:
    return {"messages": [await ctx.llm("scripted:one", state["messages"])]}


def endless(**options: Any) -> CompiledGraph:
    graph = StateGraph(MessagesState).add_node("talk", talk).add_edge(START, "talk")
    return graph.add_conditional_edges("talk", lambda state: "talk", ["talk", END]).compile(name="endless", **options)


async def reply(request: ModelRequest, emit: Emit, call: int) -> ModelReply:
    usage = Usage(prompt=100, completion=20, calls=1, cost=0.01)
    return ModelReply("on and on", usage=usage, model="scripted-1")


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider(reply)


@pytest.mark.parametrize(
    ("limits", "calls"),
    [({"max_turns": 3}, 3), ({"max_tokens": 500}, 5), ({"max_cost": 0.035}, 4)],
    ids=["model calls", "tokens", "cost"],
)
async def test_the_same_on_both_hosts(
    client: OrisClient, serve: Serve, thread: str, provider: ScriptedProvider, limits: dict[str, Any], calls: int
) -> None:
    graph = endless(limits=limits)
    with pytest.raises(BudgetExceededError) as here:
        await graph.invoke("hello")
    assert len(provider.requests) == calls
    async with serve(graph, max_cached_workflows=10):
        done = await client.run("endless", thread, "hello")
    assert len(provider.requests) == 2 * calls
    assert done.error is not None
    assert (done.status, done.error["code"]) == ("failed", "budget_exceeded")
    assert done.error["details"] == here.value.details
    [limit] = limits
    assert done.error["details"]["limit"] == limit
    assert done.usage["scripted:one"].calls == calls


async def test_a_cost_that_nobody_knows_ends_a_run_that_may_cost_only_so_much(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async def unpriced(request: ModelRequest, emit: Emit, call: int) -> ModelReply:
        return ModelReply("on and on", usage=Usage(prompt=1, completion=1, calls=1), model="scripted-1")

    provider = ScriptedProvider(unpriced)
    async with serve(endless(limits={"max_cost": 5})):
        done = await client.run("endless", thread, "hello")
    assert done.error is not None
    assert done.error["details"] == {"limit": "max_cost", "budget": 5.0, "unpriced": 1}
    assert len(provider.requests) == 1


async def test_a_run_may_have_limits_of_its_own(
    client: OrisClient, serve: Serve, thread: str, provider: ScriptedProvider
) -> None:
    async with serve(endless(limits={"max_turns": 100}), max_cached_workflows=10):
        config = {"limits": {"max_turns": 2}}
        done = await client.run("endless", thread, "hello", config=config)
    assert done.error is not None
    assert done.error["details"] == {"limit": "max_turns", "budget": 2, "used": 2}


async def test_a_budget_is_carried_over(
    client: OrisClient, serve: Serve, thread: str, provider: ScriptedProvider
) -> None:
    async with serve(endless(limits={"max_turns": 20}), max_cached_workflows=10):
        done = await client.run("endless", thread, "hello", continue_as_new_after=30)
    assert done.error is not None
    assert done.error["details"]["used"] == 20
    assert len(provider.requests) == 20


async def test_time_counts_waiting(client: OrisClient, serve: Serve, thread: str) -> None:
    async def wait(state: MessagesState, ctx: Context) -> None:
        await ctx.sleep("60ms")

    graph = StateGraph(MessagesState).add_node("wait", wait).add_edge(START, "wait")
    graph.add_conditional_edges("wait", lambda state: "wait", ["wait", END])
    async with serve(graph.compile(name="waiting", limits={"max_time": "200ms"})):
        done = await client.run("waiting", thread, "hello")
    assert done.error is not None
    assert done.error["details"]["limit"] == "max_time"


def test_limits_that_cannot_be_are_refused() -> None:
    with pytest.raises(GraphCompileError, match="max_tokens"):
        endless(limits={"max_tokens": 0})
    with pytest.raises(GraphCompileError, match="max_turn:"):
        endless(limits={"max_turn": 3})


async def test_so_are_those_of_a_run(client: OrisClient) -> None:
    with pytest.raises(InvalidUpdateError, match="max_time"):
        await client.start(endless(), "t", "hello", config={"limits": {"max_time": "soon"}})


@pytest.mark.parametrize("run_as", ["inline", "child_workflow"])
async def test_what_a_failed_subgraph_used_counts(
    client: OrisClient, serve: Serve, thread: str, provider: ScriptedProvider, run_as: Any
) -> None:
    async def work(state: MessagesState, ctx: Context) -> dict:
        await ctx.llm("scripted:one", state["messages"])
        raise ValueError("broken")

    inner = StateGraph(MessagesState).add_node("work", work).add_edge(START, "work").add_edge("work", END)
    outer = StateGraph(MessagesState).add_subgraph("child", inner.compile(name="inner"), run_as=run_as)
    outer.add_edge(START, "child").add_edge("child", END)
    async with serve(outer.compile(name="outer")):
        done = await client.run("outer", thread, "hello")
    assert (done.status, done.usage["scripted:one"].total) == ("failed", 120)
