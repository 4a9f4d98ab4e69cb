"""A scripted model in activities: Temporal counts its attempts, and its script goes on with the conversation."""

from __future__ import annotations

from temporal_support import Serve

from oris_temporal import END, START, MessagesState, OrisClient, RetryPolicy, StateGraph
from oris_temporal.graph.errors import ModelError
from oris_temporal.models import ModelRequest
from oris_temporal.models.fake import fail, fake_model
from oris_temporal.models.providers import find_provider

MODEL = fake_model("draft", fail("rate_limit", times=2, retry_after=0.1), "better draft")
AGAIN = RetryPolicy(initial_interval="5ms", retry_on=ModelError)


async def test_it_fails_on_the_attempts_that_its_script_says(client: OrisClient, serve: Serve, thread: str) -> None:
    attempts: list[str] = []

    def answering(name: str):
        async def answer(state: MessagesState) -> dict:
            attempts.append(name)
            provider = find_provider("fake")
            adapter = provider.make(provider.settings())
            reply = await adapter.generate(ModelRequest(MODEL, state["messages"]), lambda piece: None)
            return {"messages": [reply.message("fake")]}

        return answer

    graph = StateGraph(MessagesState)
    graph.add_node("write", answering("write"), retry=AGAIN).add_node("improve", answering("improve"), retry=AGAIN)
    graph.add_edge(START, "write").add_edge("write", "improve").add_edge("improve", END)
    async with serve(graph.compile(name="drafting")):
        result = await client.run("drafting", thread, "write")
    assert [message.content for message in result.values["messages"]] == ["write", "draft", "better draft"]
    assert attempts == ["write", "improve", "improve", "improve"]
