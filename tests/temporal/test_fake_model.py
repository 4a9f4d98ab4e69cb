"""A scripted model in a run: Temporal counts its attempts, and its script goes on with the conversation."""

from __future__ import annotations

from temporal_support import Serve, events
from temporalio.api.enums.v1 import EventType

from oris_temporal import END, START, Context, MessagesState, OrisClient, StateGraph
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
    attempts = [
        event.activity_task_started_event_attributes.attempt
        for event in await events(client, thread)
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
    ]
    assert attempts == [1, 3]
