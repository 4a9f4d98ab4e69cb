"""Servers that give an id twice: no message takes the place of another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from openai_wire import chat, chunk, text, tool
from provider_server import ProviderServer

from oris_temporal import CompiledGraph, Message, OrisClient, ToolCall, create_agent
from oris_temporal import tool as make_tool
from oris_temporal.agents import BudgetMiddleware, Middleware, ModelCall
from oris_temporal.models.distinct import told_apart
from oris_temporal.testing import ReplayingWorker, oris_client

__all__ = ["oris_client"]


@make_tool
async def weather(city: str) -> str:
    """The weather."""
    return f"rain in {city}"


async def in_process(graph: CompiledGraph, _: OrisClient) -> dict[str, Any]:
    return dict((await graph.invoke("Weather?")).values)


async def on_temporal(graph: CompiledGraph, client: OrisClient) -> dict[str, Any]:
    async with ReplayingWorker(client, [graph]) as worker:
        values = (await client.run(graph, uuid4().hex, "Weather?")).values
    await worker.check_replay()
    return dict(values or {})


@pytest.mark.parametrize("run", [in_process, on_temporal])
async def test_a_server_that_gives_all_answers_and_calls_the_same_id(
    oris_client: OrisClient, run: Callable[..., Awaitable[dict[str, Any]]]
) -> None:
    def calls(*cities: str) -> Any:
        parts = [tool(n, f'{{"city":"{city}"}}', id="call_0", name="weather") for n, city in enumerate(cities)]
        return chat(*parts, chunk({}, "tool_calls"))

    async with ProviderServer(calls("Rome"), calls("Oslo", "Bonn"), chat(*text("Rain."))) as server:
        agent = create_agent("ollama:llama3", [weather], base_url=f"{server.url}/v1")
        values = await run(agent, oris_client)
        asked = server.asked[-1].body["messages"]

    messages = values["messages"]
    assert [message["content"] for message in messages] == [
        *("Weather?", "", "rain in Rome", "", "rain in Oslo", "rain in Bonn", "Rain.")
    ]
    assert [message["id"] for message in messages if message["message_type"] == "ai"] == [
        *("chatcmpl-1", "chatcmpl-1-2", "chatcmpl-1-3")
    ]
    assert [message["tool_call_id"] for message in asked if message["role"] == "tool"] == [
        *("call_0", "call_0-2", "call_0-3")
    ]
    assert [call["id"] for message in asked for call in message.get("tool_calls", ())] == [
        *("call_0", "call_0-2", "call_0-3")
    ]


class Forgetful(Middleware):
    """Shows the model the latest message only."""

    async def wrap_model_call(self, call: ModelCall, handler: Any) -> Message:
        return await handler(replace(call, messages=[Message.human(call.messages[-1].content)]))


@pytest.mark.parametrize("run", [in_process, on_temporal])
async def test_also_where_the_model_is_not_shown_what_has_the_id(
    oris_client: OrisClient, run: Callable[..., Awaitable[dict[str, Any]]]
) -> None:
    def calls(city: str) -> Any:
        return chat(tool(0, f'{{"city":"{city}"}}', id="call_0", name="weather"), chunk({}, "tool_calls"))

    async with ProviderServer(calls("Rome"), calls("Oslo"), chat(*text("Rain."))) as server:
        agent = create_agent(
            "ollama:llama3",
            [weather],
            middleware=[Forgetful(), BudgetMiddleware(max_turns=3, on_limit="answer")],
            base_url=f"{server.url}/v1",
        )
        values = await run(agent, oris_client)
    assert [message["content"] for message in values["messages"]] == [
        *("Weather?", "", "rain in Rome", "", "rain in Oslo", "Rain.")
    ]


def test_what_cannot_be_read_of_a_conversation_is_passed_over() -> None:
    odd: list[Any] = [None, 3, True, "x", {"id": "call_0"}, [{"id": ["call_0"]}, {"id": None}, "call_0"]]
    before = [Message(content="", message_type="ai", tool_calls=calls) for calls in odd]
    answer = Message.ai("", [ToolCall("call_0", "weather", {})]).model_dump(mode="json")
    assert told_apart(answer, before) == answer
