"""Streams of the in-process host, in every mode."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import pytest

from oris_temporal import (
    END,
    START,
    Command,
    CompiledGraph,
    Context,
    Message,
    MessagesState,
    StateGraph,
    StreamChunk,
    StreamWriter,
)
from oris_temporal.graph.errors import NodeError, StreamModeError


class State(TypedDict):
    log: Annotated[list[str], operator.add]


def says(name: str) -> Any:
    def say(state: State) -> dict[str, Any]:
        return {"log": [name]}

    return say


async def ask(state: State, ctx: Context) -> dict[str, Any]:
    return {"log": [await ctx.interrupt("ok?")]}


def diamond() -> CompiledGraph:
    graph = StateGraph(State)
    for name in "abc":
        graph.add_node(name, says(name))
    graph.add_edge(START, "a").add_edge("a", "b").add_edge("a", "c").add_edge("b", END).add_edge("c", END)
    return graph.compile(name="diamond")


def asking() -> CompiledGraph:
    graph = StateGraph(State).add_node("a", says("a")).add_node("ask", ask)
    graph.add_edge(START, "a").add_edge("a", "ask").add_edge("ask", END)
    return graph.compile(name="asking")


def config(thread_id: str = "t") -> dict[str, Any]:
    return {"configurable": {"thread_id": thread_id}}


async def collect(graph: CompiledGraph, given: Any = None, **options: Any) -> list[StreamChunk]:
    given = {"log": []} if given is None else given
    return [chunk async for chunk in graph.stream(given, config(), **options)]


async def data(graph: CompiledGraph, given: Any = None, **options: Any) -> list[Any]:
    return [chunk.data for chunk in await collect(graph, given, **options)]


class TestUpdates:
    async def test_one_per_task_in_task_order(self) -> None:
        assert await data(diamond()) == [{"a": {"log": ["a"]}}, {"b": {"log": ["b"]}}, {"c": {"log": ["c"]}}]

    async def test_updates_is_the_default_mode(self) -> None:
        assert [chunk.mode for chunk in await collect(diamond())] == ["updates"] * 3

    async def test_a_pause_appears_with_what_is_asked(self) -> None:
        chunks = await data(asking())
        assert chunks[0] == {"a": {"log": ["a"]}}
        assert chunks[1:] == [{"__interrupt__": [{"id": "int-t-0", "value": "ok?"}]}]

    async def test_a_resumed_run_streams_on(self) -> None:
        graph = asking()
        await collect(graph)
        assert await data(graph, Command(resume="yes")) == [{"ask": {"log": ["yes"]}}]

    async def test_a_replay_streams(self) -> None:
        graph = diamond()
        await collect(graph)
        after_a = (await graph.get_state_history(config()))[1]
        replayed = graph.stream(None, {"configurable": after_a.config})
        assert [chunk.data async for chunk in replayed] == [{"b": {"log": ["b"]}}, {"c": {"log": ["c"]}}]


class TestValues:
    async def test_the_initial_state_and_one_per_superstep(self) -> None:
        assert await data(diamond(), mode="values") == [{"log": []}, {"log": ["a"]}, {"log": ["a", "b", "c"]}]

    async def test_a_resumed_run_begins_with_its_next_superstep(self) -> None:
        graph = asking()
        assert await data(graph, mode="values") == [{"log": []}, {"log": ["a"]}]
        assert await data(graph, Command(resume="yes"), mode="values") == [{"log": ["a", "yes"]}]


class TestMessages:
    async def test_complete_messages_with_their_node(self) -> None:
        def reply(state: MessagesState) -> dict[str, Any]:
            return {"messages": [Message.ai("one"), Message.ai("two")]}

        graph = StateGraph(MessagesState).add_node("reply", reply).add_edge(START, "reply").add_edge("reply", END)
        chunks = await data(graph.compile(name="chat"), "hello", mode="messages")
        assert [(message["content"], about["graph_node"]) for message, about in chunks] == [
            ("one", "reply"),
            ("two", "reply"),
        ]

    async def test_updates_without_messages_say_nothing(self) -> None:
        assert await data(diamond(), mode="messages") == []


class TestCustom:
    async def test_a_writer_in_a_node(self) -> None:
        def work(state: State, writer: StreamWriter) -> dict[str, Any]:
            writer("started")
            writer({"done": 0.5})
            return {"log": ["work"]}

        graph = StateGraph(State).add_node("work", work).add_edge(START, "work").add_edge("work", END)
        assert await data(graph.compile(name="custom"), mode="custom") == ["started", {"done": 0.5}]

    async def test_a_context_writes(self) -> None:
        async def work(state: State, ctx: Context) -> dict[str, Any]:
            ctx.write([1, 2])
            return {}

        graph = StateGraph(State).add_node("work", work).add_edge(START, "work").add_edge("work", END)
        assert await data(graph.compile(name="custom"), mode="custom") == [[1, 2]]

    async def test_what_has_no_json_form_fails_the_node(self) -> None:
        def work(state: State, writer: StreamWriter) -> None:
            writer(object())

        graph = StateGraph(State).add_node("work", work).add_edge(START, "work").add_edge("work", END)
        with pytest.raises(Exception, match=r"custom\.work"):
            await collect(graph.compile(name="custom"), mode="custom")


class TestDebug:
    async def test_the_life_of_a_run(self) -> None:
        graph = StateGraph(State).add_node("a", says("a")).add_edge(START, "a").add_edge("a", END)
        chunks = await data(graph.compile(name="debug"), mode="debug")
        assert [chunk["event_type"] for chunk in chunks] == [
            "run_started",
            "checkpoint",
            "task_started",
            "task_completed",
            "updates",
            "checkpoint",
            "run_completed",
        ]

    async def test_every_event_says_when_and_where(self) -> None:
        chunks = await data(asking(), mode="debug")
        assert all("at" in chunk for chunk in chunks)
        asked = next(chunk for chunk in chunks if chunk["event_type"] == "interrupt")
        assert (asked["node"], asked["value"], asked["id"]) == ("ask", "ok?", "int-t-0")

    async def test_state_fields_are_apart_from_what_the_event_says(self) -> None:
        class Own(TypedDict, total=False):
            event_type: str
            node: str

        graph = StateGraph(Own).add_node("a", lambda state: {"event_type": "mine"}).add_edge(START, "a")
        chunks = await data(graph.add_edge("a", END).compile(name="own"), {"node": "theirs"}, mode="debug")
        started, updated = (
            next(chunk for chunk in chunks if chunk["event_type"] == kind) for kind in ("run_started", "updates")
        )
        assert (started["input"], started.get("node")) == ({"node": "theirs"}, None)
        assert (updated["update"], updated["node"]) == ({"event_type": "mine"}, "a")


class TestSeveralModes:
    async def test_chunks_of_an_event_follow_the_order_asked_for(self) -> None:
        def reply(state: MessagesState) -> dict[str, Any]:
            return {"messages": [Message.ai("hi")]}

        graph = StateGraph(MessagesState).add_node("reply", reply).add_edge(START, "reply").add_edge("reply", END)
        compiled = graph.compile(name="chat")
        one = [chunk.mode for chunk in await collect(compiled, "x", mode=["updates", "messages"])]
        other = [chunk.mode for chunk in await collect(compiled, "x", mode=["messages", "updates"])]
        assert (one, other) == (["updates", "messages"], ["messages", "updates"])

    async def test_updates_come_before_the_values_they_make(self) -> None:
        modes = [chunk.mode for chunk in await collect(diamond(), mode=["values", "updates"])]
        assert modes == ["values", "updates", "values", "updates", "updates", "values"]

    @pytest.mark.parametrize("mode", ["tokens", ["updates", "tokens"]])
    async def test_an_unknown_mode(self, mode: Any) -> None:
        with pytest.raises(StreamModeError, match=r"'tokens'.*values, updates, messages, custom, debug"):
            await collect(diamond(), mode=mode)


class TestCursors:
    async def test_they_grow(self) -> None:
        cursors = [chunk.cursor for chunk in await collect(diamond(), mode=["debug"])]
        numbers = [tuple(map(int, cursor.split("-"))) for cursor in cursors]
        assert numbers == sorted(numbers)
        assert len(set(cursors)) == len(cursors)

    async def test_they_grow_over_a_pause(self) -> None:
        graph = asking()
        before = (await collect(graph))[-1].cursor
        after = (await collect(graph, Command(resume="yes")))[0].cursor
        assert tuple(map(int, before.split("-"))) < tuple(map(int, after.split("-")))


class TestSubgraphs:
    def parent(self) -> CompiledGraph:
        child = StateGraph(State).add_node("inner", says("inner")).add_edge(START, "inner").add_edge("inner", END)
        graph = StateGraph(State).add_node("outer", child.compile(name="child")).add_edge(START, "outer")
        return graph.add_edge("outer", END).compile(name="parent")

    async def test_are_left_out_unless_asked_for(self) -> None:
        assert await data(self.parent()) == [{"outer": {"log": ["inner"]}}]

    async def test_carry_their_namespace(self) -> None:
        chunks = await collect(self.parent(), subgraphs=True)
        assert [chunk.data for chunk in chunks] == [{"inner": {"log": ["inner"]}}, {"outer": {"log": ["inner"]}}]
        assert chunks[0].namespace.startswith("outer:")
        assert chunks[1].namespace == ""

    async def test_an_interrupt_inside_is_seen_from_outside(self) -> None:
        child = StateGraph(State).add_node("ask", ask).add_edge(START, "ask").add_edge("ask", END)
        graph = StateGraph(State).add_node("outer", child.compile(name="child")).add_edge(START, "outer")
        parent = graph.add_edge("outer", END).compile(name="parent")
        assert await data(parent) == [{"__interrupt__": [{"id": "int-t-0", "value": "ok?"}]}]


class TestEnds:
    async def test_a_failure_is_raised_after_what_was_streamed(self) -> None:
        def boom(state: State) -> None:
            raise ValueError("no")

        graph = StateGraph(State).add_node("a", says("a")).add_node("boom", boom)
        compiled = graph.add_edge(START, "a").add_edge("a", "boom").add_edge("boom", END).compile(name="failing")
        stream = compiled.stream({"log": []}, config())
        assert (await anext(stream)).data == {"a": {"log": ["a"]}}
        with pytest.raises(NodeError, match=r"failing\.boom"):
            await anext(stream)

    async def test_a_watcher_that_leaves_does_not_stop_the_run(self) -> None:
        graph = diamond()
        async for _ in graph.stream({"log": []}, config()):
            break
        snapshot = await settled_state(graph)
        assert snapshot == {"log": ["a", "b", "c"]}

    async def test_chunks_arrive_while_the_run_goes_on(self) -> None:
        """The first node's update is seen before the second node ends."""
        gate = asyncio.Event()

        async def wait(state: State, ctx: Context) -> dict[str, Any]:
            await gate.wait()
            return {"log": ["b"]}

        graph = StateGraph(State).add_node("a", says("a")).add_node("b", wait).add_edge(START, "a")
        compiled = graph.add_edge("a", "b").add_edge("b", END).compile(name="live", lint="off")
        stream = compiled.stream({"log": []}, config())
        assert (await anext(stream)).data == {"a": {"log": ["a"]}}
        gate.set()
        assert (await anext(stream)).data == {"b": {"log": ["b"]}}


async def settled_state(graph: CompiledGraph) -> dict[str, Any]:
    for _ in range(100):
        snapshot = await graph.get_state(config())
        if not snapshot.next:
            break
        await asyncio.sleep(0.01)
    return dict(snapshot.values)
