"""Anthropic's Messages API: the conversation of a model call, as turns."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

from oris_temporal.graph.messages import Image, Message

from .call_ids import ANTHROPIC
from .common import about_images, answered_call
from .failures import Failures
from .order import parts_in_order

_REASONING = ("thinking", "redacted_thinking")
_IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")

Block = dict[str, Any]


def conversation(messages: Sequence[Message], provider: str, failures: Failures) -> list[Block]:
    """The conversation as turns that alternate, beginning with the user's.

    Raises:
        ModelError: The API would refuse them (kind ``invalid_request``).
    """
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
    _take_over_ids(turns)
    return turns


def continued(turns: Sequence[Block], written: Sequence[Block]) -> list[Block]:
    """The conversation with what the model wrote of its answer, for it to go on from there."""
    *before, last = turns
    if last["role"] == "assistant":
        return [*before, {**last, "content": [*last["content"], *written]}]
    return [*turns, {"role": "assistant", "content": list(written)}]


def _blocks(
    messages: Sequence[Message], provider: str, failed: set[str | None], failures: Failures
) -> Iterator[tuple[str, list[Block]]]:
    for message in messages:
        match message.message_type:
            case "human":
                yield "user", [*_images(message.images, failures), *_texts(message.content)]
                continue
            case "tool":
                yield "user", [_result(message, failures)]
                if not _is_error(message):
                    continue
            case "ai":
                yield "assistant", _spoken(message, provider, failed, failures)
        if message.images:  # only a user's turn can show any, and results that are no errors
            yield "user", [text_block(about_images(message, ANTHROPIC)), *_images(message.images, failures)]


def _spoken(message: Message, provider: str, failed: set[str | None], failures: Failures) -> list[Block]:
    """What the model wrote, part by part as it came: the API checks the place of its thoughts by their signatures."""
    reasoning = (message.extra or {}).get("reasoning")
    own = reasoning if isinstance(reasoning, Mapping) and reasoning.get("provider") == provider else {}
    blocks: list[Block] = []
    for kind, value, _ in parts_in_order(message, own, _given_back(own)):
        if kind in ("reasoning", "own"):
            blocks.append(value)
        elif kind == "text":
            blocks += _texts(value)
        else:
            id, name, arguments, _ = value
            blocks.append(
                {"type": "tool_use", "id": id, "name": name, "input": _input(id, arguments, failed, failures)}
            )
    while blocks and blocks[-1]["type"] in _REASONING:  # the text after it was blank
        blocks.pop()
    return blocks


def _given_back(own: Mapping[str, Any]) -> list[Block | None]:
    """What the model thought and its provider's tools did. A thought without its signature, as of an answer cut short, is refused."""
    blocks = own.get("blocks")
    return [block if _is_whole(block) else None for block in (blocks if isinstance(blocks, list) else ())]


def _is_whole(block: Any) -> bool:
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        return False
    return block["type"] not in _REASONING or any(block.get(proof) for proof in ("signature", "data"))


def _input(call_id: str, arguments: str, failed: set[str | None], failures: Failures) -> Any:
    try:
        read = _read(arguments)
    except (RecursionError, ValueError):
        read = None
    if isinstance(read, dict):
        return read
    if call_id in failed:  # the model was told, and may see what it wrote
        return {"_raw": arguments}
    raise failures.invalid_request(f"The arguments of tool call {call_id!r} are no JSON object.", call=call_id)


def _read(arguments: str) -> Any:
    read = json.loads(arguments, parse_constant=_no_number)
    if "\\u" in arguments:  # models leave halves of characters behind, which no request can carry
        read = json.loads(json.dumps(read, ensure_ascii=False).encode(errors="replace"))
    return read


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _result(message: Message, failures: Failures) -> Block:
    content = _texts(message.content)
    block: Block = {"type": "tool_result", "tool_use_id": answered_call(message, failures)}
    if _is_error(message):
        block["is_error"] = True
        content = content or [text_block("The tool failed.")]  # the API refuses errors that say nothing, or show images
    else:
        content += _images(message.images, failures)
    if content:
        block["content"] = content
    return block


def _is_error(message: Message) -> bool:
    return bool((message.extra or {}).get("is_error"))


def text_block(text: str) -> Block:
    """A text as the API has it."""
    return {"type": "text", "text": text}


def _texts(text: str) -> list[Block]:
    return [text_block(text)] if text.strip() else []  # the API refuses empty ones


def _images(images: Sequence[Image] | None, failures: Failures) -> list[Block]:
    return [{"type": "image", "source": _source(image.image_url, failures)} for image in images or ()]


def _source(url: str, failures: Failures) -> Block:
    scheme, _, rest = url.partition(":")
    if scheme.lower() != "data":
        return {"type": "url", "url": url}
    head, comma, data = rest.partition(",")
    media_type, *parameters = (part.strip().lower() for part in head.split(";"))
    media_type = "image/jpeg" if media_type == "image/jpg" else media_type
    if not comma or media_type not in _IMAGE_TYPES:
        raise failures.invalid_request(
            f"An image is of type {media_type[:40] or 'unknown'!r}; Anthropic takes {', '.join(_IMAGE_TYPES)}."
        )
    raw = unquote_to_bytes(data) if "%" in data or "base64" not in parameters else data.encode()
    encoded = raw if "base64" in parameters else base64.b64encode(raw)
    return {"type": "base64", "media_type": media_type, "data": "".join(encoded.decode("ascii", "replace").split())}


def _check_turns(turns: list[Block], failures: Failures) -> None:
    """Find out now what the API would refuse."""
    if not turns or turns[0]["role"] != "user":
        raise failures.invalid_request("The conversation must begin with a message of the user.")
    for before, turn in zip([None, *turns], [*turns, None], strict=True):
        called = _ids(before, "tool_use", "id")
        answered = _ids(turn, "tool_result", "tool_use_id")
        for id in called:
            if id not in answered:
                raise failures.invalid_request(f"Tool call {id!r} has no tool message that answers it.", call=id)
        for id in answered:
            if id not in called:
                raise failures.invalid_request(
                    f"A tool message answers {id!r}, which the model did not call just before.", call=id
                )
    last = turns[-1]
    if last["role"] == "assistant" and last["content"][-1]["type"] == "text":
        last["content"][-1]["text"] = last["content"][-1]["text"].rstrip()


def _ids(turn: Block | None, type: str, name: str) -> list[str]:
    return [block[name] for block in turn["content"] if block["type"] == type] if turn else []


def _take_over_ids(turns: list[Block]) -> None:
    names = {"tool_use": "id", "tool_result": "tool_use_id"}
    for turn in turns:
        for block in turn["content"]:
            if name := names.get(block["type"]):
                block[name] = ANTHROPIC.fit(block[name])
