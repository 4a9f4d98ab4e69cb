"""A scripted model in a run: Temporal counts its attempts, and its script goes on with the conversation."""

from __future__ import annotations

import asyncio

import pytest
from temporal_support import Serve, events
from temporalio.api.enums.v1 import EventType

from oris_temporal import END, START, CompiledGraph, Context, MessagesState, OrisClient, StateGraph
from oris_temporal.graph.errors import ModelError
from oris_temporal.models.fake import fail, fake_model

MODEL = fake_model("draft", fail("rate_limit", times=2, retry_after=0.01), "better draft")


async def write(state: MessagesState, ctx: Context) -> dict:
    return {"messages": [await ctx.llm(MODEL, state["messages"])]}


async def test_it_fails_on_the_attempts_that_its_script_says(client: OrisClient, serve: Serve, thread: str) -> None:
    graph = StateGraph(MessagesState).add_node("write", write).add_node("improve", write)
    graph.add_edge(START, "write").add_edge("write", "improve").add_edge("improve", END)
    compiled = graph.compile(name="drafting")
    here = await compiled.invoke("write")
    async with serve(compiled):
        result = await client.run("drafting", thread, "write")
    assert [message["content"] for message in result.values["messages"]] == ["write", "draft", "better draft"]
    assert here.values == result.values
    assert await attempts_of(client, thread) == [1, 3]


async def attempts_of(client: OrisClient, thread: str) -> list[int]:
    """The attempt on which each model call succeeded."""
    return [
        event.activity_task_started_event_attributes.attempt
        for event in await events(client, thread)
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
    ]


async def restarts(graph: CompiledGraph, name: str) -> int:
    """How often an answer of a run in this process began again."""
    config = {"configurable": {"thread_id": name}}
    chunks = [chunk.data async for chunk in graph.stream("write", config, mode="messages")]
    return sum(1 for piece, _ in chunks if piece.get("restart"))


async def test_runs_of_one_process_that_ask_the_same_do_not_count_each_others_attempts() -> None:
    graph = StateGraph(MessagesState).add_node("write", write).add_node("improve", write)
    graph.add_edge(START, "write").add_edge("write", "improve").add_edge("improve", END)
    compiled = graph.compile(name="drafting")
    assert await asyncio.gather(*(restarts(compiled, f"run-{number}") for number in range(3))) == [2, 2, 2]


async def test_a_failure_that_is_not_tried_again_ends_the_call_and_meets_the_next_one(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    model = fake_model(fail("context_length"), "unreached", name="strict")
    spare = fake_model("from the spare model", name="spare")

    async def ask(state: MessagesState, ctx: Context) -> dict:
        for _ in range(2):
            with pytest.raises(ModelError, match="context_length"):
                await ctx.llm(model, state["messages"])
        return {"messages": [await ctx.llm(spare, state["messages"])]}

    graph = StateGraph(MessagesState).add_node("ask", ask).add_edge(START, "ask").add_edge("ask", END)
    compiled = graph.compile(name="strict")
    here = await compiled.invoke("write")
    async with serve(compiled):
        result = await client.run("strict", thread, "write")
    assert here.values == result.values
    assert result.values["messages"][-1]["content"] == "from the spare model"
    assert await attempts_of(client, thread) == [1, 1, 1]
