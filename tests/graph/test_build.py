"""The build id: another one whenever a run might not go on with the other's code, and only then."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest

from oris_temporal import END, START, CompiledGraph, Context, StateGraph
from oris_temporal.graph.build import build_id


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


def work(state: State) -> dict:
    return {"log": ["work"]}


def other_work(state: State) -> dict:
    return {"log": ["other work"]}


async def ask(state: State, ctx: Context) -> dict:
    return {"log": [await ctx.interrupt("ok?")]}


async def ask_otherwise(state: State, ctx: Context) -> dict:
    return {"log": [await ctx.interrupt("really ok?")]}


def by_length(state: State) -> str:
    return "work" if len(state["log"]) < 3 else END


def by_other_length(state: State) -> str:
    return "work" if len(state["log"]) < 4 else END


def graph(
    work: Callable[..., Any] = work,
    ask: Callable[..., Any] = ask,
    router: Callable[..., Any] = by_length,
    name: str = "build",
) -> CompiledGraph:
    made = StateGraph(State).add_node("work", work).add_node("ask", ask).add_edge(START, "work").add_edge("work", "ask")
    return made.add_conditional_edges("ask", router, ["work", END]).compile(name=name)


def test_it_is_the_same_for_the_same_graphs_in_any_order() -> None:
    one, two = graph(), graph(name="second")
    assert build_id([one, two]) == build_id([graph(name="second"), graph()])
    assert len(build_id([one])) == 16


def test_activities_may_change_at_any_time() -> None:
    assert build_id([graph(work=other_work)]) == build_id([graph()])


@pytest.mark.parametrize("changed", [{"ask": ask_otherwise}, {"router": by_other_length}, {"name": "renamed"}])
def test_what_runs_in_the_workflow_makes_another_build(changed: dict[str, Any]) -> None:
    assert build_id([graph(**changed)]) != build_id([graph()])


def test_so_does_the_mapping_of_a_router() -> None:
    def mapped(**mapping: str) -> CompiledGraph:
        made = StateGraph(State).add_node("work", work).add_edge(START, "work")
        return made.add_conditional_edges("work", lambda state: "yes", {**mapping, "stop": END}).compile(name="mapped")

    assert build_id([mapped(yes="work")]) != build_id([mapped(no="work")])
