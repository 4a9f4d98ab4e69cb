"""Fake models: they answer as `oris_temporal.models.fake` describes, without a provider."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from oris_temporal.graph.errors import ConfigurationError, ModelError
from oris_temporal.graph.messages import Message, ToolCall
from oris_temporal.models.fake import Answer, Failure, read_script
from oris_temporal.models.providers import AdapterSettings, Emit, ModelAdapter
from oris_temporal.models.request import ModelReply, ModelRequest, Piece
from oris_temporal.models.usage import Usage

from .fake_json import example

PIECE = 4
"""Characters of a piece."""


def adapter(settings: AdapterSettings) -> ModelAdapter:
    """The adapter of fake models; it connects to nothing."""
    return _FakeAdapter(settings.provider)


class _FakeAdapter:
    def __init__(self, provider: str) -> None:
        self._provider = provider

    async def generate(self, request: ModelRequest, emit: Emit) -> ModelReply:
        """See `ModelAdapter.generate`."""
        try:
            script = read_script(request.model.options)
        except ConfigurationError as error:
            raise self._error(error.message, "configuration") from error
        if script is None:
            answer = self._plain(request)
        else:
            answer = await self._scripted(script, request, emit)
        reply = _reply(answer.message, request)
        await _stream(_pieces(reply), answer, emit)
        return reply

    async def close(self) -> None:
        """There is nothing to give back."""

    async def _scripted(self, script: Sequence[Answer | Failure], request: ModelRequest, emit: Emit) -> Answer:
        number = sum(1 for message in request.messages if self._is_own(message, request.model.model))
        failures, answer = _turn(script, number)
        if (failure := _due(failures, request.attempt - 1)) is not None:
            raise await self._failure(failure, emit)
        if answer is None:
            raise self._error(
                f"The script of {request.model.name} is at its end: it has {_plural(len(script), 'line')}, and the conversation "
                f"asks for answer {number + 1}.",
                "invalid_request",
            )
        return answer

    def _is_own(self, message: Message, model: str) -> bool:
        """Whether it is an answer, and not known to be another model's."""
        if message.message_type != "ai":
            return False
        extra = message.extra or {}
        return (extra.get("provider", self._provider), extra.get("model", model)) == (self._provider, model)

    async def _failure(self, failure: Failure, emit: Emit) -> ModelError:
        await _stream(_texts("text", failure.after), None, emit)
        text = f"Scripted failure: {failure.fail}."
        return self._error(text, failure.fail, status=failure.status, retry_after=failure.retry_after)

    def _plain(self, request: ModelRequest) -> Answer:
        make = _PLAIN.get(request.model.model)
        if make is None:
            raise self._error(
                f"There is no model {request.model.name}, only {', '.join(_PLAIN)}, and what fake_model(...) makes.",
                "not_found",
                status=404,
            )
        message = make(request)
        if request.response_format is not None and not message.tool_calls:
            message = Message.ai(_json(example(request.response_format.schema, message.content)))
        return Answer(message=message)

    def _error(self, text: str, kind: str, **more: Any) -> ModelError:
        return ModelError(text, kind=kind, provider=self._provider, **more)


# --- scripts -------------------------------------------------------------------------------------------------------


def _turn(script: Sequence[Answer | Failure], number: int) -> tuple[list[Failure], Answer | None]:
    """An answer by its number, from 0, and the failures before it."""
    failures: list[Failure] = []
    for line in script:
        if isinstance(line, Failure):
            failures.append(line)
        elif number == 0:
            return failures, line
        else:
            number -= 1
            failures = []
    return (failures if number == 0 else []), None


def _due(failures: Sequence[Failure], attempts: int) -> Failure | None:
    """The failure of the attempt after so many."""
    for failure in failures:
        if failure.times is None or attempts < failure.times:
            return failure
        attempts -= failure.times
    return None


# --- plain models --------------------------------------------------------------------------------------------------


def _echo(request: ModelRequest) -> Message:
    return Message.ai(_asked(request))


def _hello(request: ModelRequest) -> Message:
    return Message.ai("Hello! I am a fake model: no provider was asked, and no token was paid for.")


def _tools(request: ModelRequest) -> Message:
    since = _since_asked(request.messages)
    called = {call.name for message in since if message.message_type == "ai" for call in message.calls}
    choice, several = request.model.options.tool_choice, request.model.options.parallel_tool_calls
    tools = [
        tool for tool in request.tools if tool.name not in called and choice in (None, "auto", "required", tool.name)
    ]
    if several is False:
        tools = tools[:1]
    number = sum(1 for message in request.messages if message.message_type == "ai")
    calls = [
        ToolCall(f"call-{number}-{place}", tool.name, example(tool.parameters, _asked(request)))
        for place, tool in enumerate(tools)
    ]
    results = [message.content for message in since if message.message_type == "tool"]
    return Message.ai("", calls) if calls else Message.ai("\n".join(results) or _asked(request))


_PLAIN: dict[str, Callable[[ModelRequest], Message]] = {"echo": _echo, "hello": _hello, "tools": _tools}


def _asked(request: ModelRequest) -> str:
    """What the human said last."""
    return next((message.content for message in reversed(request.messages) if message.message_type == "human"), "")


def _since_asked(messages: Sequence[Message]) -> Sequence[Message]:
    last = max((place for place, message in enumerate(messages) if message.message_type == "human"), default=-1)
    return messages[last + 1 :]


# --- answers -------------------------------------------------------------------------------------------------------


def _reply(message: Message, request: ModelRequest) -> ModelReply:
    extra: Mapping[str, Any] = message.extra or {}
    calls: list[dict[str, Any]] = message.tool_calls or []
    usage = extra.get("usage")
    return ModelReply(
        text=message.content,
        tool_calls=calls,
        stop_reason=extra.get("stop_reason") or ("tool_calls" if calls else "stop"),
        usage=Usage.from_wire(usage) if usage else _usage(message, request),
        model=request.model.model,
        id=message.id,
        reasoning=extra.get("reasoning"),
        refusal=extra.get("refusal"),
    )


def _usage(answer: Message, request: ModelRequest) -> Usage:
    reasoning = _words(_thoughts((answer.extra or {}).get("reasoning")))
    return Usage(
        prompt=sum(_words(message.content) for message in request.messages),
        completion=_words(answer.content) + len(answer.tool_calls or ()) + reasoning,
        reasoning=reasoning,
        calls=1,
    )


def _words(text: str) -> int:
    return len(text.split())


def _thoughts(reasoning: Any) -> str:
    return str(reasoning.get("text") or "") if isinstance(reasoning, Mapping) else ""


async def _stream(pieces: Iterator[Piece], answer: Answer | None, emit: Emit) -> None:
    first, between = (answer.first_token, answer.between) if answer is not None else (0.0, 0.0)
    await asyncio.sleep(first)
    for place, piece in enumerate(pieces):
        if place:
            await asyncio.sleep(between)
        emit(piece)


def _pieces(reply: ModelReply) -> Iterator[Piece]:
    yield from _texts("reasoning", _thoughts(reply.reasoning))
    yield from _texts("text", reply.text)
    for index, call in enumerate(reply.tool_calls):
        function = call["function"]
        yield {"type": "tool_call", "index": index, "id": call["id"], "name": function["name"], "arguments": ""}
        for text in _cut(function["arguments"]):
            yield {"type": "tool_call", "index": index, "arguments": text}


def _texts(kind: Literal["text", "reasoning"], text: str) -> Iterator[Piece]:
    for part in _cut(text):
        yield {"type": kind, "text": part}


def _cut(text: str) -> Iterator[str]:
    for start in range(0, len(text), PIECE):
        yield text[start : start + PIECE]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
