"""The Responses API: the request of a model call, and the answer that its events add up to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from openai.types.responses import (
    Response,
    ResponseFunctionToolCall,
    ResponseOutputItem,
    ResponseOutputMessage,
    ResponseReasoningItem,
    ResponseUsage,
)

from oris_temporal.graph.messages import Image, Message
from oris_temporal.models.providers import Emit
from oris_temporal.models.request import ModelReply, ModelRequest, ToolSpec
from oris_temporal.models.usage import Usage

from .call_ids import RESPONSES
from .common import (
    about_images,
    answered_call,
    check_options,
    count,
    has_tools,
    named_tool,
    own_reasoning,
)
from .failures import Failures
from .order import kept_order, parts_in_order
from .strict_schema import held_to

_ABSENT = ("top_k", "stop", "seed", "frequency_penalty", "presence_penalty")
_DO_NOT_REASON = re.compile(r"(ft:)?(gpt-[34]|chatgpt-|gpt-5-chat)")

# --- the request ----------------------------------------------------------------------------------------------------------


def responses_body(request: ModelRequest, provider: str, failures: Failures) -> dict[str, Any]:
    """The request's body, without `extra`.

    Raises:
        ModelError: The interface cannot say what is asked for (kind ``invalid_request``).
    """
    options = request.model.options
    check_options(request, "The Responses API", _ABSENT, failures)
    tool = named_tool(request, failures)
    body: dict[str, Any] = {
        "model": request.model.model,
        "input": _input(request.messages, provider, failures),
        "store": False,
        "temperature": options.temperature,
        "max_output_tokens": options.max_tokens,
        "top_p": options.top_p,
        "reasoning": {"effort": options.reasoning_effort} if options.reasoning_effort else None,
    }
    if not _DO_NOT_REASON.match(request.model.model):  # those answer 400 to the question for what they do not have
        body["include"] = ["reasoning.encrypted_content"]
    if request.tools:
        body["tools"] = [_tool(spec) for spec in request.tools]
    if has_tools(request):
        body["tool_choice"] = {"type": "function", "name": tool} if tool else options.tool_choice
        body["parallel_tool_calls"] = options.parallel_tool_calls
    if wanted := request.response_format:
        schema, strict = held_to(wanted.schema, wanted.strict)
        form = {"type": "json_schema", "name": wanted.name, "schema": schema, "strict": strict}
        body["text"] = {"format": {"type": "json_object"} if wanted.in_prompt else form}
    return {name: value for name, value in body.items() if value is not None}


def _tool(spec: ToolSpec) -> dict[str, Any]:
    schema, strict = held_to(spec.parameters, spec.strict)
    function = {"type": "function", "name": spec.name, "description": spec.description, "parameters": schema}
    return {**function, "strict": strict}  # always: the default here is True


def _input(messages: Sequence[Message], provider: str, failures: Failures) -> list[dict[str, Any]]:
    """The conversation as input items. Images that only the user can show follow the message that has them."""
    items: list[dict[str, Any]] = []
    for message in messages:
        match message.message_type:
            case "system":
                items.append(_said("system", [_text(message.content)]))
            case "human":
                items.append(_said("user", _content(message)))
            case "tool":
                output = _content(message) if message.images else message.content
                call_id = RESPONSES.fit(answered_call(message, failures))
                items.append({"type": "function_call_output", "call_id": call_id, "output": output})
            case "ai":
                items.extend(_assistant(message, provider))
        if message.images and message.message_type in ("system", "ai"):
            items.append(_said("user", [_text(about_images(message, RESPONSES)), *map(_image, message.images)]))
    return items


def _assistant(message: Message, provider: str) -> list[dict[str, Any]]:
    """What the model wrote, item by item as it came: reasoning must come right before what it led to."""
    own = own_reasoning(message, provider, "responses")
    items: list[dict[str, Any]] = []
    for kind, value, more in parts_in_order(message, own, own.get("blocks") or []):
        if kind in ("reasoning", "own"):
            items.append(value)
        elif kind == "text":
            items.append({**_said("assistant", [{"type": "output_text", "text": value}]), **more})
        else:
            id, name, arguments, _ = value
            items.append({"type": "function_call", "call_id": RESPONSES.fit(id), "name": name, "arguments": arguments})
    return items


def _said(role: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": content}


def _content(message: Message) -> list[dict[str, Any]]:
    shown = [_image(image) for image in message.images or ()]
    return [_text(message.content), *shown] if message.content or not shown else shown


def _text(text: str) -> dict[str, Any]:
    return {"type": "input_text", "text": text}


def _image(image: Image) -> dict[str, Any]:
    return {"type": "input_image", "image_url": image.image_url, "detail": image.detail or "auto"}


# --- the answer -----------------------------------------------------------------------------------------------------------


class ResponsesAnswer:
    """Adds up the events of one answer, and passes on what is new in each."""

    def __init__(self, provider: str, emit: Emit, failures: Failures) -> None:
        self._provider = provider
        self._emit = emit
        self._failures = failures
        self._items: dict[int, ResponseOutputItem] = {}
        self._calls: dict[int, int] = {}  # number of a tool call by the place of its item
        self._argued: set[int] = set()  # places whose arguments came in pieces
        self._reasoning: list[str] = []
        self._response: Response | None = None

    def add(self, event: object) -> None:
        """Take the next event.

        Raises:
            ModelError: It breaks the protocol (kind ``malformed``), or says that the provider failed.
        """
        kind = getattr(event, "type", None)
        if not isinstance(kind, str):
            raise self._failures.malformed("an event is not an object with a type.")
        match kind:
            case "response.output_text.delta":
                self._write("text", event)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                self._write("reasoning", event)
            case "response.reasoning_summary_part.added" if self._reasoning:
                self._think("\n\n")
            case "response.output_item.added":
                self._begin(event)
            case "response.function_call_arguments.delta":
                self._argue(event)
            case "response.output_item.done":
                self._finish_item(event)
            case "response.completed" | "response.incomplete":
                self._finish(event)
            case "response.failed":
                raise self._failed(getattr(event, "response", None))
            case "error":
                raise self._failures.in_stream(_as_dict(event))

    def reply(self) -> ModelReply:
        """The whole answer.

        Raises:
            ModelError: It is not complete (kind ``malformed``).
        """
        response = self._response
        if response is None:
            raise self._failures.malformed("it ended without response.completed.")
        # what was streamed is more exact than the summary at the end, in which some servers leave it out
        items = [self._items[place] for place in sorted(self._items)] or _list(response.output)
        calls = [self._call(item) for item in items if isinstance(item, ResponseFunctionToolCall)]
        refusal = "".join(_parts(items, "refusal", "refusal")) or None
        return ModelReply(
            text="".join(_parts(items, "output_text", "text")),
            tool_calls=calls,
            stop_reason=_stop_reason(response, bool(calls), refusal),
            usage=_usage(response.usage),
            model=str(response.model or ""),
            id=str(response.id) if response.id else None,
            reasoning=self._given_back(items),
            refusal=refusal,
        )

    def _write(self, kind: str, event: object) -> None:
        if not isinstance(text := getattr(event, "delta", None), str):
            raise self._failures.malformed("a delta is not a text.")
        if text and kind == "text":
            self._emit({"type": "text", "text": text})
        elif text:
            self._think(text)

    def _think(self, text: str) -> None:
        self._reasoning.append(text)
        self._emit({"type": "reasoning", "text": text})

    def _begin(self, event: object) -> None:
        place, item = getattr(event, "output_index", None), getattr(event, "item", None)
        if isinstance(place, int) and isinstance(item, ResponseFunctionToolCall) and place not in self._calls:
            index = self._calls[place] = len(self._calls)
            call = self._call(item)
            self._emit({"type": "tool_call", "index": index, "id": call["id"], "name": call["function"]["name"]})

    def _argue(self, event: object) -> None:
        place, text = getattr(event, "output_index", None), getattr(event, "delta", None)
        if not isinstance(place, int) or place not in self._calls or not isinstance(text, str):
            raise self._failures.malformed("arguments belong to no tool call.")
        if text:
            self._argued.add(place)
            self._emit({"type": "tool_call", "index": self._calls[place], "arguments": text})

    def _finish_item(self, event: object) -> None:
        place, item = getattr(event, "output_index", None), getattr(event, "item", None)
        if not isinstance(place, int) or item is None:
            raise self._failures.malformed("an item has no place.")
        self._begin(event)
        if isinstance(item, ResponseFunctionToolCall):
            arguments = self._call(item)["function"]["arguments"]
            if arguments and place not in self._argued:
                self._emit({"type": "tool_call", "index": self._calls[place], "arguments": arguments})
        self._items[place] = item

    def _call(self, item: ResponseFunctionToolCall) -> dict[str, Any]:
        call_id, name, arguments = item.call_id, item.name, item.arguments or ""
        if not all(isinstance(text, str) for text in (call_id, name, arguments)) or not (call_id and name):
            raise self._failures.malformed("a tool call has no id or no name.")
        return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}

    def _finish(self, event: object) -> None:
        response = getattr(event, "response", None)
        if not isinstance(response, Response):
            raise self._failures.malformed("its last event has no response.")
        self._response = response

    def _failed(self, response: object) -> Exception:
        error = getattr(response, "error", None)
        return self._failures.in_stream(_as_dict(error), "it failed without saying why.")

    def _given_back(self, items: Sequence[ResponseOutputItem]) -> dict[str, Any] | None:
        blocks: list[dict[str, Any]] = []
        order: list[dict[str, Any]] = []
        for item in items:
            if isinstance(item, ResponseReasoningItem):
                order.append({"reasoning": len(blocks)})
                blocks.append(_as_dict(item))
            elif isinstance(item, ResponseOutputMessage):
                phase = {"phase": item.phase} if item.phase else {}
                order.append({"text": sum(map(len, _written(item))), **phase})
            elif isinstance(item, ResponseFunctionToolCall):
                order.append({"call": sum("call" in part for part in order)})
            else:  # one of the provider's own tools; the reasoning before it must not stand alone
                order.append({"own": len(blocks)})
                blocks.append(_as_dict(item))
        if not blocks and not any("phase" in part for part in order):
            return None
        given = {"provider": self._provider, "api": "responses", "blocks": blocks, **kept_order(order)}
        if text := "".join(self._reasoning):
            given["text"] = text
        return given


def _as_dict(item: object) -> dict[str, Any]:
    """An object as the provider wrote it."""
    return item.to_dict(mode="json", warnings=False) if hasattr(item, "to_dict") else {}


def _list(value: object) -> list[Any]:
    """A list; the SDK does not check what servers write."""
    return value if isinstance(value, list) else []


def _written(item: ResponseOutputMessage) -> list[str]:
    """What a message says, or why it refuses, which is told where it says nothing."""
    return [*_parts([item], "output_text", "text")] or [*_parts([item], "refusal", "refusal")]


def _parts(items: Sequence[ResponseOutputItem], kind: str, name: str) -> Iterator[str]:
    for item in items:
        for part in _list(item.content) if isinstance(item, ResponseOutputMessage) else ():
            if getattr(part, "type", None) == kind and isinstance(text := getattr(part, name, None), str):
                yield text


def _stop_reason(response: Response, has_calls: bool, refusal: str | None) -> str:
    if response.status == "incomplete" or response.incomplete_details:
        reason = getattr(response.incomplete_details, "reason", None)
        return "length" if reason == "max_output_tokens" else str(reason or "incomplete")
    if refusal:
        return "refusal"
    return "tool_calls" if has_calls else "stop"


def _usage(usage: ResponseUsage | None) -> Usage:
    read = getattr(usage, "input_tokens_details", None)
    written = getattr(usage, "output_tokens_details", None)
    return Usage(
        prompt=count(usage, "input_tokens"),
        completion=count(usage, "output_tokens"),
        cached=count(read, "cached_tokens"),
        cache_writes=count(read, "cache_write_tokens"),
        reasoning=count(written, "reasoning_tokens"),
        calls=1,
    )
