"""A conversation goes on with another provider: ids of tool calls become such as it takes, in calls and results alike."""

from __future__ import annotations

import re
from typing import Any

import anthropic_wire
import openai_wire
import pytest

from oris_temporal.graph.messages import Image, Message, ToolCall

FOREIGN = [
    "toolu_01A09q90qw90lq917835lq9",  # Anthropic
    "call_abcdefghijklmnopqrstuvwx",  # OpenAI
    "chatcmpl-tool-0123456789abcdef0123456789abcdef",  # vLLM
    "functions.search:0",  # Kimi
    "x" * 100,
    "ünïcode",
]
MISTRALS = ["D681PevKs", "123456789"]


def conversation(*ids: str) -> list[Message]:
    """One turn that calls with every id, and its results in another order."""
    calls = [ToolCall(id, "search", {"n": n}) for n, id in enumerate(ids)]
    results = [Message.tool(f"result {n}", id) for n, id in reversed(list(enumerate(ids)))]
    return [Message.human("Search."), Message.ai("", calls), *results]


async def chat(provider: str, messages: list[Message], model: str = "m") -> tuple[list[str], list[str]]:
    body = (await openai_wire.call(openai_wire.hello(), *messages, provider=provider, model=model)).body
    calls = [call["id"] for message in body["messages"] for call in message.get("tool_calls") or ()]
    return calls, [message["tool_call_id"] for message in body["messages"] if message["role"] == "tool"]


async def responses(provider: str, messages: list[Message]) -> tuple[list[str], list[str]]:
    hello = openai_wire.responses(openai_wire.done(0, openai_wire.said("Hi")))
    asked = await openai_wire.call(hello, *messages, provider=provider, options={"api": "responses"})
    items = asked.body["input"]
    return (
        [item["call_id"] for item in items if item["type"] == "function_call"],
        [item["call_id"] for item in items if item["type"] == "function_call_output"],
    )


async def claude(provider: str, messages: list[Message]) -> tuple[list[str], list[str]]:
    body: Any = (await anthropic_wire.call(anthropic_wire.hello(), *messages)).body
    blocks = [block for turn in body["messages"] for block in turn["content"]]
    return (
        [block["id"] for block in blocks if block["type"] == "tool_use"],
        [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"],
    )


@pytest.mark.parametrize(
    ("ask", "provider", "rule"),
    [
        (chat, "mistral", r"[a-zA-Z0-9]{9}"),
        (chat, "openai", r".{1,40}"),
        (responses, "openai", r".{1,64}"),
        (claude, "anthropic", r"[a-zA-Z0-9_-]+"),
    ],
)
async def test_every_id_is_taken_and_calls_and_results_still_belong_together(
    ask: Any, provider: str, rule: str
) -> None:
    ids = [*FOREIGN, *MISTRALS]
    messages = conversation(*ids)
    before = [message.model_dump() for message in messages]
    calls, results = await ask(provider, messages)

    assert all(re.fullmatch(rule, id) for id in calls)
    assert results == calls[::-1]
    assert len(set(calls)) == len(ids)
    assert [id for id in ids if re.fullmatch(rule, id)] == [id for id in calls if id in ids]  # those stay as they are
    assert [message.model_dump() for message in messages] == before
    assert await ask(provider, messages) == (calls, results)  # the same every time, for caches of prompts


async def test_an_id_becomes_the_same_whatever_is_said_around_it() -> None:
    [one], _ = await chat("mistral", conversation(FOREIGN[0]))
    calls, _ = await chat("mistral", conversation(*FOREIGN[1:3], FOREIGN[0]))
    assert calls[-1] == one


@pytest.mark.parametrize("model", ["mistralai/Mistral-Nemo", "Ministral-8B", "devstral-small", "mixtral:8x7b"])
async def test_mistrals_models_have_their_rule_wherever_they_are_served(model: str) -> None:
    calls, results = await chat("huggingface", conversation(FOREIGN[0]), model)
    assert calls == results
    assert re.fullmatch(r"[a-zA-Z0-9]{9}", calls[0])


async def test_what_is_said_of_a_result_names_the_same_call() -> None:
    picture = Message(content="", message_type="tool", id=FOREIGN[0], images=[Image("https://x.test/a.png")])
    shown = [*conversation(FOREIGN[0])[:2], picture]
    body = (await openai_wire.call(openai_wire.hello(), *shown, provider="mistral")).body
    [call] = body["messages"][1]["tool_calls"]
    assert call["id"] in body["messages"][-1]["content"][0]["text"]
