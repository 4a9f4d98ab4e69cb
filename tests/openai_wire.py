"""What OpenAI's interfaces write, and one call of a scripted server through the real SDK."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from provider_server import Answer, Asked, ProviderServer

from oris_temporal.activities.providers import openai
from oris_temporal.graph.messages import Message
from oris_temporal.models import ChatModel, ModelOptions, ModelReply, ModelRequest
from oris_temporal.models.providers import AdapterSettings

KEY = "sk-proj-abcdefghijklmnop1234567890"
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
STREAM = {"content-type": "text/event-stream"}


@dataclass
class Called:
    """One call: its answer, the pieces on the way there, and what the provider was asked."""

    reply: ModelReply
    pieces: list[dict[str, Any]]
    asked: list[Asked]

    @property
    def body(self) -> Any:
        return self.asked[-1].body


def request(
    *messages: Message,
    provider: str = "openai",
    model: str = "gpt-test",
    options: dict[str, Any] | None = None,
    **more: Any,
) -> ModelRequest:
    chat_model = ChatModel(provider, model, ModelOptions(**(options or {})))
    return ModelRequest(chat_model, messages or (Message.human("Hi"),), **more)


@asynccontextmanager
async def serving(
    *answers: Answer, provider: str = "openai", key: str | None = KEY, make: Callable[..., Any] = openai.adapter
) -> Any:
    async with ProviderServer(*answers) as server:
        adapter = make(AdapterSettings(provider, f"{server.url}/v1", key))
        try:
            yield server, adapter
        finally:
            await adapter.close()


async def call(
    answer: Answer,
    *messages: Message,
    provider: str = "openai",
    key: str | None = KEY,
    model: str = "gpt-test",
    options: dict[str, Any] | None = None,
    **more: Any,
) -> Called:
    """Call a model that gives one answer."""
    pieces: list[Any] = []
    async with serving(answer, provider=provider, key=key) as (server, adapter):
        asked = request(*messages, provider=provider, model=model, options=options, **more)
        reply = await adapter.generate(asked, pieces.append)
        return Called(reply, pieces, server.asked)


# --- Chat Completions -----------------------------------------------------------------------------------------------------


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-test-2026"}
    return {**head, "choices": choices, **more}


def text(*parts: str, finish: str = "stop") -> list[dict[str, Any]]:
    return [
        chunk({"role": "assistant", "content": ""}),
        *(chunk({"content": part}) for part in parts),
        chunk({}, finish),
    ]


def tool(index: int | None, arguments: str | None = None, **more: Any) -> dict[str, Any]:
    """A part of a tool call; ``id`` and ``name`` with its first."""
    function = {"name": more.pop("name", None), "arguments": arguments}
    part = {"index": index, "function": {name: value for name, value in function.items() if value is not None}, **more}
    return chunk({"tool_calls": [{name: value for name, value in part.items() if value is not None}]})


def chat(*chunks: Any, done: bool = True, hang_up: bool = False) -> Answer:
    return Answer.events(*chunks, done=done, hang_up=hang_up)


def hello() -> Answer:
    return chat(*text("Hello"), chunk(usage=USAGE))


# --- Responses ------------------------------------------------------------------------------------------------------------


def response(status: str = "completed", output: Sequence[dict[str, Any]] = (), **more: Any) -> dict[str, Any]:
    usage = {
        "input_tokens": 20,
        "input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 2},
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": 29,
    }
    head = {"id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-test-2026", "status": status}
    return {**head, "output": list(output), "usage": usage, **more}


def event(kind: str, **data: Any) -> tuple[str, dict[str, Any]]:
    return kind, {"type": kind, **data}


def done(place: int, item: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return event("response.output_item.done", output_index=place, item=item)


def begun(place: int, item: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return event("response.output_item.added", output_index=place, item=item)


def said(words: str, **more: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": words, "annotations": []}
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part], **more}


def function_call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    head = {"type": "function_call", "id": f"fc_{call_id}", "call_id": call_id, "name": name}
    return {**head, "arguments": arguments, "status": "completed"}


def thought(number: int = 1, summary: str = "Thinking.") -> dict[str, Any]:
    shown = [{"type": "summary_text", "text": summary}]
    return {"type": "reasoning", "id": f"rs_{number}", "summary": shown, "encrypted_content": f"gAAAA{number}"}


def responses(*events: Any, end: tuple[str, dict[str, Any]] | None = None, hang_up: bool = False) -> Answer:
    last = end or event("response.completed", response=response())
    return Answer.events(event("response.created", response=response("in_progress")), *events, last, hang_up=hang_up)


def hello_responses() -> Answer:
    return responses(done(0, said("Hello")))
