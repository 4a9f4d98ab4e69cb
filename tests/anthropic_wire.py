"""Anthropic's wire, for tests: events of its streams, and calls of its adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from provider_server import Answer, ProviderServer

from oris_temporal.activities.providers.anthropic import AnthropicAdapter, adapter
from oris_temporal.graph.messages import Message
from oris_temporal.models import ModelReply, ModelRequest, Piece, init_chat_model
from oris_temporal.models.providers import AdapterSettings

KEY = "sk-ant-test-1234567890"


def start(id: str = "msg_1", **usage: int) -> tuple[str, Any]:
    message = {
        "id": id,
        "type": "message",
        "role": "assistant",
        "model": "claude-test-1",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 1, **usage},
    }
    return "message_start", {"type": "message_start", "message": message}


def begin(index: int, block: dict[str, Any]) -> tuple[str, Any]:
    return "content_block_start", {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **data: Any) -> tuple[str, Any]:
    return "content_block_delta", {"type": "content_block_delta", "index": index, "delta": {"type": kind, **data}}


def end(index: int) -> tuple[str, Any]:
    return "content_block_stop", {"type": "content_block_stop", "index": index}


def finish(
    reason: str = "end_turn", output: int = 5, explanation: str | None = None, **usage: Any
) -> list[tuple[str, Any]]:
    last: dict[str, Any] = {"stop_reason": reason, "stop_sequence": None}
    if explanation is not None:
        last["stop_details"] = {"type": "refusal", "category": None, "explanation": explanation}
    return [
        ("message_delta", {"type": "message_delta", "delta": last, "usage": {"output_tokens": output, **usage}}),
        ("message_stop", {"type": "message_stop"}),
    ]


def text_block(index: int, *parts: str) -> list[tuple[str, Any]]:
    deltas = [delta(index, "text_delta", text=part) for part in parts]
    return [begin(index, {"type": "text", "text": ""}), *deltas, end(index)]


def tool_block(index: int, id: str, name: str, *parts: str) -> list[tuple[str, Any]]:
    block = {"type": "tool_use", "id": id, "name": name, "input": {}}
    deltas = [delta(index, "input_json_delta", partial_json=part) for part in parts]
    return [begin(index, block), *deltas, end(index)]


def hello() -> Answer:
    return Answer.events(start(), *text_block(0, "Hel", "lo"), *finish())


@asynccontextmanager
async def serving(
    *answers: Answer, key: str | None = KEY, provider: str = "anthropic"
) -> AsyncIterator[tuple[ProviderServer, AnthropicAdapter]]:
    async with ProviderServer(*answers) as server:
        made = adapter(AdapterSettings(provider, server.url, key))
        try:
            yield server, made
        finally:
            await made.close()


def request(*messages: Any, **more: Any) -> ModelRequest:
    options = more.pop("options", {})
    said = [Message.parse(message) for message in messages or ["hi"]]
    return ModelRequest(init_chat_model("anthropic:claude-test", **options), said, **more)


@dataclass
class Called:
    reply: ModelReply
    pieces: Sequence[Piece]
    body: Any
    server: ProviderServer


async def call(answer: Answer, *messages: Any, **more: Any) -> Called:
    pieces: list[Piece] = []
    async with serving(answer) as (server, made):
        reply = await made.generate(request(*messages, **more), pieces.append)
    return Called(reply, pieces, server.asked[-1].body, server)
