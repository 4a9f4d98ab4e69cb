"""A large state is passed by reference: history holds each update once, however many nodes read them all."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import pytest
from temporal_support import Serve, event_counts, events

from oris_temporal import END, START, Context, OrisClient, StateGraph, ToolCall, create_agent, tool
from oris_temporal.agents import Middleware, activity_hook
from oris_temporal.models.fake import fake_model


class Log(TypedDict, total=False):
    log: Annotated[list[str], operator.add]
    seen: list[int]
    document: str


TURNS = 30
CHUNK = 10_000


async def append(state: Log) -> dict:
    """Reads the whole log, adds to it."""
    return {
        "log": [f"{len(state['log']):03d}" + "x" * CHUNK],
        "seen": [*state.get("seen", []), sum(map(len, state["log"]))],
    }


appending = (
    StateGraph(Log)
    .add_node("append", append)
    .add_edge(START, "append")
    .add_conditional_edges("append", lambda state: END if len(state["log"]) >= TURNS else "append", ["append", END])
    .compile(name="appending")
)


async def test_history_grows_with_what_is_written_not_with_what_is_read(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(appending, max_cached_workflows=10):
        result = await client.run("appending", thread, {})
        assert [entry[:3] for entry in result.values["log"]] == [f"{n:03d}" for n in range(TURNS)]
        assert result.values["seen"] == [n * (CHUNK + 3) for n in range(TURNS)]
        info = await client.inspect(thread)
    written = TURNS * CHUNK
    read = CHUNK * TURNS * (TURNS - 1) // 2
    assert info.history_bytes < 3.5 * written  # when it is written, when it is next read, and in the result
    assert info.history_bytes < read / 4


async def translate(state: Log) -> dict:
    return {"document": state["document"][::-1]}


translating = (
    StateGraph(Log)
    .add_node("translate", translate)
    .add_edge(START, "translate")
    .add_edge("translate", END)
    .compile(name="translating")
)


async def test_text_that_is_not_english_takes_its_own_bytes(client: OrisClient, serve: Serve, thread: str) -> None:
    document = "記憶" * 10_000
    async with serve(translating):
        result = await client.run("translating", thread, {"document": document})
        info = await client.inspect(thread)
    assert result.values["document"] == document[::-1]
    assert info.history_bytes < 4.1 * len(document.encode())  # given, read, written, and the result


class Audit(Middleware):
    @activity_hook
    async def before_model(self, state: Any) -> Any:
        assert len(state["messages"][0].content) == 100_000

    @activity_hook
    async def after_model(self, state: Any) -> Any:
        assert state["messages"][-1].message_type == "ai"


async def test_hooks_with_effects_read_a_conversation_as_well(client: OrisClient, serve: Serve, thread: str) -> None:
    @tool
    async def look_up() -> str:
        """Look something up."""
        return "a bird"

    calls = [ToolCall(f"call-{n}", "look_up", {}) for n in range(5)]
    audited = create_agent(fake_model(*calls, "Done."), [look_up], name="audited", middleware=[Audit()])
    async with serve(audited, max_cached_workflows=10):
        assert (await client.run("audited", thread, "x" * 100_000)).status == "completed"
        info = await client.inspect(thread)
    assert (
        info.history_bytes < 350_000
    )  # the input, what the hooks and the models are first given of it, and the result


class Table(TypedDict, total=False):
    rows: dict[str, list[list[int]]]
    count: int


@pytest.mark.alone
@pytest.mark.parametrize("side", ["loop", "fan-out"])
async def test_workflow_code_that_handles_a_large_state_for_long_is_not_taken_for_a_deadlock(
    client: OrisClient, serve: Serve, thread: str, side: str
) -> None:
    """It takes seconds in all; the SDK allows a workflow two at a time."""

    async def count(state: Table, ctx: Context) -> dict:
        sum(range(3_000_000))  # stands for a larger state
        return {"count": state.get("count", 0) + 1}

    async def look(state: Table, ctx: Context) -> None:
        sum(range(3_000_000))

    graph = StateGraph(Table)
    if side == "loop":
        graph.add_node("work", count).add_edge(START, "work")
        graph.add_conditional_edges("work", lambda state: END if state["count"] == 16 else "work", ["work", END])
    else:
        for number in range(18):
            graph.add_node(f"look{number}", look).add_edge(START, f"look{number}").add_edge(f"look{number}", END)
    rows = {str(number): [[number]] * 20 for number in range(3_000)}
    async with serve(graph.compile(name="table"), max_cached_workflows=10):
        result = await client.run("table", thread, {"rows": rows})
        assert result.status == "completed"
        counts = await event_counts(client, thread)
    assert counts["WORKFLOW_TASK_FAILED"] == 0
    assert 2 < counts["MARKER_RECORDED"] < 40


async def test_another_worker_pulls_what_it_needs(
    client: OrisClient, other: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(appending), serve(appending, over=other):
        result = await client.run("appending", thread, {"log": ["000"]})
    assert len(result.values["log"]) == TURNS


async def read_document(state: Log) -> dict:
    return {"seen": [len(state["document"])]}


async def replace_document(state: Log, ctx: Context) -> dict:
    return {"document": "y" * 50_000}


async def test_a_large_value_is_the_one_of_its_step(client: OrisClient, serve: Serve, thread: str) -> None:
    graph = StateGraph(Log)
    graph.add_node("before", read_document).add_node("replace", replace_document).add_node("after", read_document)
    graph.add_edge(START, "before").add_edge("before", "replace").add_edge("replace", "after").add_edge("after", END)
    async with serve(graph.compile(name="documents")):
        result = await client.run("documents", thread, {"document": "x" * 100_000})
        history = await client.history(thread)
        scheduled = [
            event.activity_task_scheduled_event_attributes
            for event in await events(client, thread)
            if event.HasField("activity_task_scheduled_event_attributes")
        ]
    assert result.values["seen"] == [50_000]
    assert [snapshot.values.get("seen") for snapshot in history] == [None, [100_000], [100_000], [50_000]]
    assert all(item.input.ByteSize() < 2_000 for item in scheduled)


class OnlyCount(TypedDict):
    seen: list[int]


async def test_a_node_gets_only_what_it_declares(client: OrisClient, serve: Serve, thread: str) -> None:
    keys: list[set[str]] = []

    async def by_annotation(state: OnlyCount) -> dict:
        keys.append(set(state))
        return {}

    async def by_option(state: Log) -> dict:
        keys.append(set(state))
        return {}

    graph = StateGraph(Log).add_node("by_annotation", by_annotation).add_node("by_option", by_option, reads=["seen"])
    graph.add_edge(START, "by_annotation").add_edge("by_annotation", "by_option").add_edge("by_option", END)
    async with serve(graph.compile(name="declared")):
        await client.run("declared", thread, {"document": "x" * 100_000, "seen": [1]})
    assert keys == [{"seen"}, {"seen"}]
