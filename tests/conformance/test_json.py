"""What comes through the JSON between a node and the next, on both hosts."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, TypedDict
from uuid import uuid4

import pytest
from hosts import OrisHost
from pydantic import BaseModel, ConfigDict, Field

from oris_temporal import END, START, CompiledGraph, Context, StateGraph, interrupt

UNSORTED = {"zebra": 1, "ant": {"y": 1, "b": 2}, "Mole": [{"d": 1, "c": 2}]}


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)

    day: date = Field(alias="theDay")


class Rich(TypedDict, total=False):
    order: dict[str, Any]
    raw: bytes
    strict: list[Strict]
    words: Annotated[set[str], set.union]
    seen: list[str]


class Numbers(TypedDict, total=False):
    score: float
    best: list[float]
    first: float
    seen: list[Any]


def chain(name: str, *nodes: Callable[..., Any]) -> CompiledGraph:
    graph = StateGraph(Rich)
    for node in nodes:
        graph.add_node(node.__name__, node)
    path = [START, *(node.__name__ for node in nodes), END]
    for source, target in itertools.pairwise(path):
        graph.add_edge(source, target)
    return graph.compile(name=name)


@pytest.fixture
def thread(host: OrisHost) -> str:
    return f"{host.name}-{uuid4().hex[:12]}"


async def test_values_come_back_as_what_they_were(host: OrisHost, thread: str) -> None:
    given = {"raw": b"\xff\x00", "strict": [Strict(theDay=date(2026, 1, 2))], "words": {"b", "a"}}

    def write(state: Rich) -> Any:
        return given

    def look(state: Rich) -> Any:
        return {"seen": [str(state == {**state, **given})]}

    async def look_inside(state: Rich, ctx: Context) -> Any:
        return {"seen": [*state["seen"], str(state == {**state, **given})]}

    done = await host.start(chain("json_values", write, look, look_inside), {}, thread)
    assert done.values["seen"] == ["True", "True"]
    assert done.values["words"] == ["a", "b"]


async def test_numbers_that_json_does_not_have_come_back_as_what_they_were(host: OrisHost, thread: str) -> None:
    given = {"score": math.nan, "best": [math.inf, -math.inf, 1.5]}

    async def write(state: Numbers) -> Any:
        return given

    async def look(state: Numbers, ctx: Context) -> Any:
        asked = await ctx.interrupt({"best": state["best"]})
        return {"seen": [math.isnan(state["score"]), state["best"] == given["best"], state["first"] == math.inf, asked]}

    graph = StateGraph(Numbers).add_node("write", write).add_node("look", look)
    graph.add_edge(START, "write").add_edge("write", "look").add_edge("look", END)
    numbers = graph.compile(name="numbers")
    asked = await host.start(numbers, {"first": math.inf}, thread)
    done = await host.resume(numbers, thread, -math.inf)

    assert asked.asks[0].value == {"best": ["Infinity", "-Infinity", 1.5]}
    assert done.values["seen"] == [True, True, True, "-Infinity"]
    json.dumps(done.values, allow_nan=False)


class TestTheOrderOfKeys:
    """Dicts keep it, from whoever writes them to whoever reads them."""

    async def test_from_the_input_through_nodes_to_the_result(self, host: OrisHost, thread: str) -> None:
        def look(state: Rich) -> Any:
            return {"order": {**state["order"], "last": 0}, "seen": [str(state["order"])]}

        async def look_inside(state: Rich, ctx: Context) -> Any:
            return {"seen": [*state["seen"], str(state["order"])]}

        graph = chain("json_order", look, look_inside)
        done = await host.start(graph, {"order": UNSORTED}, thread)
        assert done.values["seen"] == [str(UNSORTED), str({**UNSORTED, "last": 0})]
        assert str(done.values["order"]) == str({**UNSORTED, "last": 0})
        assert str((await host.state(graph, thread)).values["order"]) == str({**UNSORTED, "last": 0})

    @pytest.mark.parametrize("side", ["activity", "workflow"])
    async def test_of_questions_and_answers(self, host: OrisHost, thread: str, side: Any) -> None:
        async def ask(state: Rich) -> Any:
            return {"seen": [str(await interrupt(UNSORTED))]}

        graph = StateGraph(Rich).add_node("ask", ask, run_as=side).add_edge(START, "ask").add_edge("ask", END)
        compiled = graph.compile(name="json_order_ask")
        asked = await host.start(compiled, {}, thread)
        assert str(asked.asks[0].value) == str(UNSORTED)
        done = await host.resume(compiled, thread, UNSORTED)
        assert done.values["seen"] == [str(UNSORTED)]

    async def test_of_edits(self, host: OrisHost, thread: str) -> None:
        def look(state: Rich) -> Any:
            return {"seen": [str(state["order"])]}

        graph = StateGraph(Rich).add_node("look", look).add_edge(START, "look").add_edge("look", END)
        compiled = graph.compile(name="json_order_edit", interrupt_before=["look"])
        await host.start(compiled, {}, thread)
        await host.update_state(compiled, thread, {"order": UNSORTED})
        assert (await host.proceed(compiled, thread)).values["seen"] == [str(UNSORTED)]

    async def test_of_what_an_activity_function_returns(self, host: OrisHost, thread: str) -> None:
        async def echo(value: Any) -> Any:
            return {"got": str(value), "a": UNSORTED}

        async def call(state: Rich, ctx: Context) -> Any:
            result = await ctx.activity(echo, UNSORTED)
            return {"seen": [result["got"], str(result)]}

        graph = StateGraph(Rich).add_node("call", call).add_activity(echo)
        compiled = graph.add_edge(START, "call").add_edge("call", END).compile(name="json_order_activity")
        done = await host.start(compiled, {}, thread)
        assert done.values["seen"] == [str(UNSORTED), str({"got": str(UNSORTED), "a": UNSORTED})]
