"""Characters that a server cuts in two, each half escaped in JSON of its own, arrive whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anthropic_wire
import openai_wire
import pytest
from provider_server import Answer, ProviderServer

from oris_temporal.graph.messages import Message
from oris_temporal.models import ModelReply, ModelRequest, init_chat_model
from oris_temporal.models.caller import ModelCaller

FIRST, SECOND = json.loads('["\\ud83e", "\\udda2"]')
"""The halves of 🦢."""


def chat(*parts: str) -> Answer:
    return openai_wire.chat(*openai_wire.text(*parts))


def responses(*parts: str) -> Answer:
    deltas = [openai_wire.event("response.output_text.delta", output_index=0, delta=part) for part in parts]
    return openai_wire.responses(*deltas, openai_wire.done(0, openai_wire.said("".join(parts))))


def messages(*parts: str) -> Answer:
    return Answer.events(anthropic_wire.start(), *anthropic_wire.text_block(0, *parts), *anthropic_wire.finish())


async def ask(name: str, answer: Answer, **options: Any) -> tuple[ModelReply, list[Any]]:
    pieces: list[Any] = []
    async with ProviderServer(answer) as server:
        caller = ModelCaller()
        model = init_chat_model(name, base_url=server.url, **options)
        reply = await caller.call(ModelRequest(model, [Message.human("Hi")]), pieces.append)
        await caller.close()
    return reply, pieces


@pytest.mark.parametrize(
    ("name", "write", "options"),
    [("openai:m", chat, {}), ("openai:m", responses, {"api": "responses"}), ("anthropic:m", messages, {})],
    ids=["chat", "responses", "messages"],
)
async def test_in_texts(name: str, write: Callable[..., Answer], options: dict[str, Any]) -> None:
    reply, pieces = await ask(name, write("A ", FIRST, f"{SECOND} and ", "half ", FIRST, "."), **options)
    assert reply.text == "A 🦢 and half \N{REPLACEMENT CHARACTER}."
    assert [piece["text"] for piece in pieces] == ["A ", "🦢 and ", "half ", "\N{REPLACEMENT CHARACTER}."]


async def test_in_arguments() -> None:
    parts = [openai_wire.tool(0, f'{{"q": "{FIRST}', id="c1", name="search"), openai_wire.tool(0, f'{SECOND}"}}')]
    reply, pieces = await ask("openai:m", openai_wire.chat(*parts, openai_wire.chunk({}, "tool_calls")))
    assert reply.tool_calls[0]["function"]["arguments"] == '{"q": "🦢"}'
    assert [piece["arguments"] for piece in pieces] == ['{"q": "', '🦢"}']


async def test_half_a_character_at_the_end() -> None:
    reply, pieces = await ask("openai:m", chat("A", FIRST))
    assert (reply.text, [piece["text"] for piece in pieces]) == ("A\N{REPLACEMENT CHARACTER}", ["A"])
