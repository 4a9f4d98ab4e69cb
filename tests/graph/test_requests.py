"""Requests that are refused before anything happens, in process."""

from __future__ import annotations

from typing import Any, TypedDict

import pytest

from oris_temporal import END, START, Command, CompiledGraph, Context, StateGraph
from oris_temporal.graph.errors import InvalidAnswerError, InvalidThreadIdError, InvalidUpdateError, StreamModeError
from oris_temporal.graph.interrupts import InterruptDesk
from oris_temporal.graph.streaming import read_cursor, read_modes

T = {"configurable": {"thread_id": "t"}}


class State(TypedDict, total=False):
    answer: str


async def ask(state: State, ctx: Context) -> dict[str, Any]:
    return {"answer": await ctx.interrupt("?")}


@pytest.fixture
async def waiting() -> CompiledGraph:
    """A graph whose thread ``t`` asks."""
    graph = StateGraph(State).add_node("ask", ask).add_edge(START, "ask").add_edge("ask", END).compile(name="desk")
    await graph.invoke({}, T)
    return graph


@pytest.mark.parametrize("bad", ["", " ", "t" * 1_001, "ä" * 501])
async def test_a_thread_id_that_none_can_have(waiting: CompiledGraph, bad: str) -> None:
    config = {"configurable": {"thread_id": bad}}
    for call in (
        waiting.invoke({}, config),
        waiting.get_state(config),
        waiting.update_state(config, {}),
        waiting.signal(config, "go"),
    ):
        with pytest.raises(InvalidThreadIdError):
            await call


async def test_a_thread_id_that_is_left_open(waiting: CompiledGraph) -> None:
    one, other = [await waiting.invoke({}, {"configurable": {"thread_id": None}}) for _ in range(2)]
    assert one.thread_id != other.thread_id


@pytest.mark.parametrize("bad", ["x", 3, ["x"]])
async def test_updates_that_are_no_objects(waiting: CompiledGraph, bad: Any) -> None:
    for call in (waiting.update_state(T, bad), waiting.invoke(Command(update=bad), T)):
        with pytest.raises(InvalidUpdateError, match="update of the state of desk must be an object"):
            await call
    assert (await waiting.get_state(T)).interrupts


async def test_an_input_that_is_no_object(waiting: CompiledGraph) -> None:
    with pytest.raises(InvalidUpdateError, match="input of desk must be an object with state fields, not int: 3"):
        await waiting.invoke(3)


@pytest.mark.parametrize("answers", ["yes", [], {}, None])
async def test_answers_by_id_that_are_no_object(answers: Any) -> None:
    with pytest.raises(InvalidAnswerError, match="object of interrupt id"):
        InterruptDesk("t").plan(answers, by_id=True)


@pytest.mark.parametrize("name", ["", " ", "resume"])
async def test_signals_that_no_node_receives(waiting: CompiledGraph, name: str) -> None:
    with pytest.raises(InvalidUpdateError):
        await waiting.signal(T, name)


async def test_a_stream_without_a_mode(waiting: CompiledGraph) -> None:
    with pytest.raises(StreamModeError, match="at least one mode"):
        async for _ in waiting.stream({}, mode=[]):
            pass


@pytest.mark.parametrize("mode", [None, 5, ["values", 5], [["values"]]])
def test_modes_that_are_none(mode: Any) -> None:
    with pytest.raises(StreamModeError, match="Unknown stream mode"):
        read_modes(mode)


@pytest.mark.parametrize("cursor", ["", "1", "1-", "-1", "1-²", "a-1", 5, b"1-1"])
def test_cursors_that_are_none(cursor: Any) -> None:
    with pytest.raises(StreamModeError, match="is not a stream cursor"):
        read_cursor(cursor)


@pytest.mark.parametrize("config", [5, "t", [1]])
async def test_configurations_that_are_none(waiting: CompiledGraph, config: Any) -> None:
    with pytest.raises(InvalidUpdateError, match="Run configuration must be an object, not"):
        await waiting.invoke({}, config)
