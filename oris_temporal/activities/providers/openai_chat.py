"""Chat Completions: the request of a model call, and the answer that its chunks add up to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionChunk
from openai.types.chat.chat_completion_chunk import ChoiceDelta, ChoiceDeltaToolCall, ChoiceDeltaToolCallFunction

from oris_temporal.graph.messages import Image, Message
from oris_temporal.models.providers import Emit
from oris_temporal.models.request import ModelReply, ModelRequest, Piece
from oris_temporal.models.usage import Usage

from .call_ids import CallIds, chat_ids
from .common import (
    about_images,
    answered_call,
    check_options,
    count,
    has_tools,
    named_tool,
    own_reasoning,
    spoken,
    stored_calls,
)
from .failures import Failures
from .strict_schema import held_to

_NAME = re.compile(r"[^\s<|\\/>]{1,64}")
"""Names of who speaks; with others a request is refused."""

_STOP_REASONS = {
    "function_call": "tool_calls",
    "model_length": "length",
    "max_tokens": "length",
    "eos_token": "stop",
    "stop_sequence": "stop",
}
_BROKEN_OFF = {"error": "server", "insufficient_system_resource": "overloaded_error"}
_REASONING_FIELDS = ("reasoning_content", "reasoning")

# --- the request ----------------------------------------------------------------------------------------------------------


def chat_body(request: ModelRequest, provider: str, failures: Failures) -> dict[str, Any]:
    """The request's body, without `extra`.

    Raises:
        ModelError: The interface cannot say what is asked for (kind ``invalid_request``).
    """
    options = request.model.options
    check_options(request, "Chat Completions", ("top_k",), failures)
    tool = named_tool(request, failures)
    body: dict[str, Any] = {
        "model": request.model.model,
        "messages": _messages(request.messages, provider, chat_ids(provider, request.model.model), failures),
        "temperature": options.temperature,
        "max_completion_tokens" if provider == "openai" else "max_tokens": options.max_tokens,
        "top_p": options.top_p,
        "stop": list(options.stop) if options.stop else None,
        "frequency_penalty": options.frequency_penalty,
        "presence_penalty": options.presence_penalty,
        "reasoning_effort": options.reasoning_effort,
    }
    if provider != "mistral":
        body["seed"] = options.seed
        body["stream_options"] = {"include_usage": True}  # Mistral sends usage unasked, and refuses the question
    if request.tools:
        body["tools"] = [_tool(spec.name, spec.description, spec.parameters, spec.strict) for spec in request.tools]
    if has_tools(request):
        body["tool_choice"] = {"type": "function", "function": {"name": tool}} if tool else options.tool_choice
        body["parallel_tool_calls"] = options.parallel_tool_calls
    if wanted := request.response_format:
        schema, strict = held_to(wanted.schema, wanted.strict)
        form = {"name": wanted.name, "schema": schema, "strict": strict}
        by_schema = {"type": "json_schema", "json_schema": form}
        body["response_format"] = {"type": "json_object"} if wanted.in_prompt else by_schema
    return {name: value for name, value in body.items() if value is not None}


def chat_extra(request: ModelRequest, provider: str) -> dict[str, Any]:
    """Fields that only one provider's Chat Completions have."""
    seed = request.model.options.seed
    return {"random_seed": seed} if provider == "mistral" and seed is not None else {}


def _tool(name: str, description: str, parameters: dict[str, Any], strict: bool) -> dict[str, Any]:
    schema, strict = held_to(parameters, strict)
    function: dict[str, Any] = {"name": name, "description": description, "parameters": schema}
    if strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def _messages(messages: Sequence[Message], provider: str, ids: CallIds, failures: Failures) -> list[dict[str, Any]]:
    """The conversation. Images that only the user can show follow when all calls before them are answered."""
    written: list[dict[str, Any]] = []
    to_show: list[dict[str, Any]] = []
    for message in messages:
        if message.message_type != "tool" and to_show:
            written.append({"role": "user", "content": to_show})
            to_show = []
        written.append(_message(message, provider, ids, failures))
        if message.images and message.message_type != "human":
            to_show += [{"type": "text", "text": about_images(message, ids)}, *map(_image, message.images)]
    return [*written, {"role": "user", "content": to_show}] if to_show else written


def _message(message: Message, provider: str, ids: CallIds, failures: Failures) -> dict[str, Any]:
    match message.message_type:
        case "tool":
            call_id = ids.fit(answered_call(message, failures))
            return {"role": "tool", "tool_call_id": call_id, "content": message.content}
        case "ai":
            written = _assistant(message, provider, ids)
        case "human":
            written = {"role": "user", "content": _content(message)}
        case "system":
            written = {"role": "system", "content": message.content}
    name = (message.extra or {}).get("name")
    return {**written, "name": name} if isinstance(name, str) and _NAME.fullmatch(name) else written


def _content(message: Message) -> str | list[dict[str, Any]]:
    if not message.images:
        return message.content
    text = [{"type": "text", "text": message.content}] if message.content else []
    return [*text, *map(_image, message.images)]


def _image(image: Image) -> dict[str, Any]:
    shown = {"url": image.image_url}
    return {"type": "image_url", "image_url": {**shown, "detail": image.detail} if image.detail else shown}


def _assistant(message: Message, provider: str, ids: CallIds) -> dict[str, Any]:
    text, calls = spoken(message), stored_calls(message)
    written: dict[str, Any] = {"role": "assistant", "content": None if calls and not text else text}
    # thinking models of DeepSeek and others refuse a conversation in which their own reasoning is missing
    for block in own_reasoning(message, provider, "chat").get("blocks") or ():
        match block:
            case {"type": "reasoning_content" | "reasoning" as field, "text": str(thought)}:
                written[field] = thought
            case {"type": "reasoning_details", "details": list(details)}:
                written["reasoning_details"] = details
            case {"type": "thinking", "text": str(thought)}:  # Mistral's form
                thinking = {"type": "thinking", "thinking": [{"type": "text", "text": thought}]}
                written["content"] = [thinking, *([{"type": "text", "text": text}] if text else ())]
    if calls:
        is_own = (message.extra or {}).get("provider") == provider
        written["tool_calls"] = [
            {
                # Gemini signs its calls and wants the signature back; nobody else would take it
                **(more if is_own else {}),
                "id": ids.fit(call_id),
                "type": "function",
                "function": {"name": name, "arguments": arguments},
            }
            for call_id, name, arguments, more in calls
        ]
    return written


# --- the answer -----------------------------------------------------------------------------------------------------------


@dataclass
class _Call:
    """A tool call as far as it has arrived."""

    index: int
    id: str
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)

    def to_wire(self) -> dict[str, Any]:
        function = {"name": self.name, "arguments": "".join(self.arguments)}
        return {"id": self.id, "type": "function", "function": function, **self.more}


class ChatAnswer:
    """Adds up the chunks of one answer, and passes on what is new in each."""

    def __init__(self, provider: str, emit: Emit, failures: Failures) -> None:
        self._provider = provider
        self._emit = emit
        self._failures = failures
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._reasoning: list[str] = []
        self._details: list[dict[str, Any]] = []  # OpenRouter's form of reasoning, with what its makers sign
        self._reasoning_form = ""  # the field that it came in, or the type of the parts
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._finish_reason = ""
        self._usage = Usage(calls=1)
        self._id: str | None = None
        self._model = ""

    def add(self, chunk: object) -> None:
        """Take the next chunk.

        Raises:
            ModelError: It is none (kind ``malformed``), or says that the provider broke off.
        """
        if not isinstance(chunk, ChatCompletionChunk):
            raise self._failures.malformed("a chunk is not an object.")
        self._id = self._id or _text(chunk.id) or None
        self._model = _text(chunk.model) or self._model
        if isinstance(chunk.usage, CompletionUsage):
            self._usage = _usage(chunk.usage)
        for choice in self._list(chunk.choices):
            if getattr(choice, "index", None):
                continue  # more than one answer was asked for; there is room for one
            if isinstance(delta := getattr(choice, "delta", None), ChoiceDelta):
                self._add_delta(delta)
            if reason := getattr(choice, "finish_reason", None):
                self._finish(str(reason))

    def reply(self) -> ModelReply:
        """The whole answer.

        Raises:
            ModelError: It is not complete (kind ``malformed``).
        """
        if not self._finish_reason:
            raise self._failures.malformed("it ended without a finish_reason.")
        if nameless := next((call for call in self._calls if not call.name), None):
            raise self._failures.malformed(f"tool call {nameless.index} has no name.")
        refusal = "".join(self._refusal) or None
        return ModelReply(
            text="".join(self._text),
            tool_calls=[call.to_wire() for call in self._calls],
            stop_reason=self._stop_reason(refusal),
            usage=self._usage,
            model=self._model,
            id=self._id,
            reasoning=self._given_back(),
            refusal=refusal,
        )

    def _finish(self, reason: str) -> None:
        if reason in _BROKEN_OFF:
            raise self._failures.in_stream({"code": _BROKEN_OFF[reason]}, f"it broke off its answer ({reason}).")
        self._finish_reason = reason

    def _stop_reason(self, refusal: str | None) -> str:
        reason = _STOP_REASONS.get(self._finish_reason, self._finish_reason)
        if reason != "stop":
            return reason
        if refusal:
            return "refusal"
        return "tool_calls" if self._calls else "stop"  # "stop" is said of calls that were demanded, too

    def _given_back(self) -> dict[str, Any] | None:
        if not self._reasoning and not self._details:
            return None
        text = "".join(self._reasoning)
        block: dict[str, Any] = {"type": self._reasoning_form, "text": text}
        if self._details:
            block = {"type": "reasoning_details", "details": self._details}
        return {"provider": self._provider, "api": "chat", "blocks": [block], **({"text": text} if text else {})}

    def _add_delta(self, delta: ChoiceDelta) -> None:
        self._add_reasoning(delta)
        for kind, text in _texts(delta.content):
            self._write(kind, text, "thinking")
        self._refusal.append(_text(delta.refusal))
        for part in self._list(delta.tool_calls):
            if not isinstance(part, ChoiceDeltaToolCall):
                raise self._failures.malformed("a tool call is not an object.")
            self._add_call(part)

    def _add_reasoning(self, delta: ChoiceDelta) -> None:
        more = delta.model_extra or {}
        if isinstance(details := more.get("reasoning_details"), list):
            _extend(self._details, details)
        for name in _REASONING_FIELDS:
            if (text := more.get(name)) and isinstance(text, str):
                self._write("reasoning", text, name)
                return

    def _write(self, kind: str, text: str, form: str) -> None:
        if not text:
            return
        if kind == "reasoning":
            self._reasoning_form = form
            self._reasoning.append(text)
            self._emit({"type": "reasoning", "text": text})
        else:
            self._text.append(text)
            self._emit({"type": "text", "text": text})

    def _add_call(self, part: ChoiceDeltaToolCall) -> None:
        function = part.function or ChoiceDeltaToolCallFunction()
        if not isinstance(function, ChoiceDeltaToolCallFunction):
            raise self._failures.malformed("the function of a tool call is not an object.")
        name = _text(function.name)
        call = self._call(part, name)
        piece: Piece = {"type": "tool_call", "index": call.index}
        if not call.name and name:
            piece["id"], piece["name"] = call.id, name
            call.name = name
        if fragment := _json_text(function.arguments):
            call.arguments.append(fragment)
            piece["arguments"] = fragment
        call.more.update(part.model_extra or {})
        if len(piece) > 2:
            self._emit(piece)

    def _list(self, value: list[Any] | None) -> list[Any]:
        if value is not None and not isinstance(value, list):
            raise self._failures.malformed("there is something else where a list belongs.")
        return value or []

    def _call(self, part: ChoiceDeltaToolCall, name: str) -> _Call:
        """The call that a part belongs to. Some servers number every call 0, or none; those send a call's name with each part."""
        known = self._by_index.get(part.index) if isinstance(part.index, int) else (self._calls or [None])[-1]
        is_other = known is not None and bool(name and known.name and _text(part.id) not in ("", known.id))
        if known is not None and not is_other:
            return known
        call = _Call(len(self._calls), _text(part.id) or f"call_{uuid4().hex[:24]}")
        self._calls.append(call)
        if isinstance(part.index, int):
            self._by_index[part.index] = call
        return call


def _extend(details: list[dict[str, Any]], more: Sequence[Any]) -> None:
    """Add parts of OpenRouter's details of reasoning. A text comes in pieces, all else whole."""
    for item in more:
        if not isinstance(item, Mapping):
            continue
        last = details[-1] if details else {}
        field = str(item.get("type", "")).rpartition(".")[2]
        grows = field in ("text", "summary") and all(item.get(name) == last.get(name) for name in ("type", "index"))
        if not grows:
            details.append(dict(item))
            continue
        written = _text(last.get(field)) + _text(item.get(field))
        last.update({name: value for name, value in item.items() if value is not None} | {field: written})


def _text(value: object) -> str:
    """A text; the SDK does not check what servers write."""
    return value if isinstance(value, str) else ""


def _texts(content: object) -> Iterator[tuple[str, str]]:
    """Text and thinking of a delta; Mistral's thinking models send both as a list of parts."""
    if isinstance(content, str):
        yield "text", content
    for part in content if isinstance(content, list) else ():
        match part:
            case {"type": "text", "text": str(text)}:
                yield "text", text
            case {"type": "thinking", "thinking": list(inner)}:
                yield from (("reasoning", text) for _, text in _texts(inner))


def _json_text(value: object) -> str:
    """Arguments are text, but some servers send the object itself."""
    return (
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping) else ""
    )


def _usage(usage: CompletionUsage) -> Usage:
    read, written = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        prompt=count(usage, "prompt_tokens"),
        completion=count(usage, "completion_tokens"),
        cached=count(read, "cached_tokens") or count(usage, "prompt_cache_hit_tokens"),  # DeepSeek's name for it
        cache_writes=count(read, "cache_write_tokens"),
        reasoning=count(written, "reasoning_tokens"),
        calls=1,
    )
