"""Anthropic's Messages API: the request of a model call."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from oris_temporal.graph.messages import Image, Message
from oris_temporal.models.request import ModelRequest

from .common import answered_call, check_options, named_tool, spoken, stored_calls
from .failures import Failures

MAX_TOKENS = 4096
"""Most tokens of an answer, where the options do not say; the API wants a number."""

_ABSENT = ("seed", "frequency_penalty", "presence_penalty", "api")
_DATA_URI = re.compile(r"data:(?P<type>[\w.+/-]+);base64,(?P<data>.*)", re.DOTALL)
_CACHED = {"type": "ephemeral"}

Block = dict[str, Any]


def messages_body(request: ModelRequest, provider: str, failures: Failures) -> dict[str, Any]:
    """The request's body, without `extra`.

    Raises:
        ModelError: The API cannot say what is asked for (kind ``invalid_request``).
    """
    options = request.model.options
    check_options(request, "The Messages API", _ABSENT, failures)
    if options.temperature is not None and options.temperature > 1:
        raise failures.invalid_request(
            f"temperature is {options.temperature:g}; Anthropic's goes from 0 to 1.", option="temperature"
        )
    body: dict[str, Any] = {
        "model": request.model.model,
        "max_tokens": options.max_tokens or MAX_TOKENS,
        "messages": _turns(request.messages, provider, failures),
        "system": [_text(message.content) for message in request.messages if _is_instruction(message)],
        "stop_sequences": list(options.stop or ()),
        "tools": [
            {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
            for tool in request.tools
        ],
        "tool_choice": _tool_choice(request, failures),
        "output_config": _output(request),
        "temperature": options.temperature,
        "top_p": options.top_p,
        "top_k": options.top_k,
    }
    body = {name: value for name, value in body.items() if value not in (None, [], {})}
    if (options.extra or {}).get("cache"):
        for part in ("system", "tools"):
            if part in body:
                body[part][-1]["cache_control"] = _CACHED
    return body


def _is_instruction(message: Message) -> bool:
    return message.message_type == "system" and bool(message.content)


def _tool_choice(request: ModelRequest, failures: Failures) -> Block | None:
    options = request.model.options
    named = named_tool(request, failures)
    if not request.tools:
        return None
    if named is not None:
        choice: Block = {"type": "tool", "name": named}
    else:
        words = {"required": "any", "none": "none"}
        choice = {"type": words.get(options.tool_choice or "auto", "auto")}
    if options.parallel_tool_calls is False and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    elif options.tool_choice is None:
        return None
    return choice


def _output(request: ModelRequest) -> Block:
    output: Block = {}
    if effort := request.model.options.reasoning_effort:
        output["effort"] = "low" if effort == "minimal" else effort
    if request.response_format is not None:
        output["format"] = {"type": "json_schema", "schema": request.response_format.schema}
    return output


# --- messages --------------------------------------------------------------------------------------------------------


def _turns(messages: Sequence[Message], provider: str, failures: Failures) -> list[Block]:
    """The conversation as turns that alternate, beginning with the user's."""
    failed = {message.id for message in messages if message.message_type == "tool" and _is_error(message)}
    turns: list[Block] = []
    for role, blocks in _blocks(messages, provider, failed, failures):
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    for turn in turns:
        if turn["role"] == "user":  # results must come before what else the user says
            turn["content"].sort(key=lambda block: block["type"] != "tool_result")
    _check_turns(turns, failures)
    return turns


def _blocks(
    messages: Sequence[Message], provider: str, failed: set[str | None], failures: Failures
) -> Iterator[tuple[str, list[Block]]]:
    for message in messages:
        match message.message_type:
            case "human":
                yield "user", [*_images(message.images), *_texts(message.content)]
            case "tool":
                yield "user", [_result(message, failures)]
            case "ai":
                yield "assistant", _spoken(message, provider, failed, failures)


def _spoken(message: Message, provider: str, failed: set[str | None], failures: Failures) -> list[Block]:
    reasoning = (message.extra or {}).get("reasoning")
    blocks: list[Block] = []
    if isinstance(reasoning, Mapping) and reasoning.get("provider") == provider:
        blocks += reasoning.get("blocks") or []
    blocks += _texts(spoken(message))
    for id, name, arguments, _ in stored_calls(message):
        blocks.append({"type": "tool_use", "id": id, "name": name, "input": _input(id, arguments, failed, failures)})
    return blocks


def _input(call_id: str, arguments: str, failed: set[str | None], failures: Failures) -> Any:
    try:
        read = json.loads(arguments)
    except ValueError:
        read = None
    if isinstance(read, dict):
        return read
    if call_id in failed:  # the model was told, and may see what it wrote
        return {"_raw": arguments}
    raise failures.invalid_request(f"The arguments of tool call {call_id!r} are no JSON object.", call=call_id)


def _result(message: Message, failures: Failures) -> Block:
    content = [*_texts(message.content), *_images(message.images)]
    block: Block = {"type": "tool_result", "tool_use_id": answered_call(message, failures)}
    if content:
        block["content"] = content
    if _is_error(message):
        block["is_error"] = True
    return block


def _is_error(message: Message) -> bool:
    return bool((message.extra or {}).get("is_error"))


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _texts(text: str) -> list[Block]:
    return [_text(text)] if text.strip() else []  # the API refuses empty ones


def _images(images: Sequence[Image] | None) -> list[Block]:
    return [{"type": "image", "source": _source(image.image_url)} for image in images or ()]


def _source(url: str) -> Block:
    if (found := _DATA_URI.fullmatch(url)) is not None:
        return {"type": "base64", "media_type": found["type"], "data": found["data"]}
    return {"type": "url", "url": url}


def _check_turns(turns: list[Block], failures: Failures) -> None:
    """Find out now what the API would refuse."""
    if not turns or turns[0]["role"] != "user":
        raise failures.invalid_request("The conversation must begin with a message of the user.")
    for turn, following in zip(turns, [*turns[1:], None], strict=True):
        used = [block["id"] for block in turn["content"] if block["type"] == "tool_use"]
        results = {
            block["tool_use_id"] for block in (following or {}).get("content", ()) if block["type"] == "tool_result"
        }
        if dangling := [id for id in used if id not in results]:
            raise failures.invalid_request(
                f"Tool call {dangling[0]!r} has no tool message that answers it.", call=dangling[0]
            )
    last = turns[-1]
    if last["role"] == "assistant" and last["content"][-1]["type"] == "text":
        last["content"][-1]["text"] = last["content"][-1]["text"].rstrip()
