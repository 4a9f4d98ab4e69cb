"""Anthropic's Messages API: the answer that the events of a stream add up to."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, TypeVar

from anthropic import BaseModel
from anthropic.types import RawMessageStreamEvent

from oris_temporal.models.providers import Emit
from oris_temporal.models.request import ModelReply
from oris_temporal.models.usage import Usage

from .common import count
from .failures import Failures
from .order import kept_order

_STOP_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
}
_REASONING = ("thinking", "redacted_thinking")

_TEXTS = {
    "text": ("text",),
    "thinking": ("thinking",),
    "redacted_thinking": ("data",),
    "tool_use": ("id", "name"),
}
"""Fields that a block must begin with, by its type."""

_GROWING = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("thinking", "signature"),
}
"""By the type of a delta: the type of its block, and the field that it appends to."""

Part = TypeVar("Part")


class MessagesAnswer:
    """Adds up the events of one answer.

    Args:
        provider: Name of the provider.
        emit: Called with every piece.
        failures: Makes the provider's errors.
    """

    def __init__(self, provider: str, emit: Emit, failures: Failures) -> None:
        self._provider = provider
        self._emit = emit
        self._failures = failures
        self._blocks: dict[int, dict[str, Any]] = {}
        self._calls: list[int] = []
        self._usage: list[Any] = []
        self._id: str | None = None
        self._model = ""
        self._refusal: str | None = None
        self._stop: str | None = None
        self._begun = self._over = False
        self._first = 0  # place of the first block of this part
        self._before = Usage()

    def add(self, event: RawMessageStreamEvent) -> None:
        """Take an event. The SDK does not check what is in one.

        Raises:
            ModelError: It does not fit those before it, or lacks what it must have (kind ``malformed``).
        """
        match getattr(event, "type", None):
            case "message_start":
                self._start(self._part(event, "message", BaseModel))
            case "content_block_start":
                self._begin(self._place(event), self._part(event, "content_block", BaseModel))
            case "content_block_delta":
                self._extend(self._place(event), self._part(event, "delta", BaseModel))
            case "content_block_stop":
                self._end(self._place(event))
            case "message_delta":
                self._conclude(self._part(event, "delta", BaseModel))
                self._usage.append(getattr(event, "usage", None))
            case "message_stop":
                self._over = True

    @property
    def paused(self) -> bool:
        """Whether it is to be asked to go on: its own tools take long."""
        return self._stop == "pause_turn" and bool(self._blocks) and not self._calls

    def go_on(self) -> list[dict[str, Any]]:
        """Expect another part; returns the blocks of those so far, for the provider to go on from.

        Raises:
            ModelError: The part before is not complete (kind ``malformed``).
        """
        self._check()
        self._before = self._used()
        self._usage.clear()
        self._first = 1 + max(self._blocks, default=-1)
        self._stop, self._begun, self._over = None, False, False
        written = (self._blocks[index] for index in sorted(self._blocks))
        return [
            {"type": "text", "text": block["text"]} if block["type"] == "text" else block
            for block in written
            if block["type"] != "text" or block["text"].strip()
        ]

    def reply(self) -> ModelReply:
        """The whole answer.

        Raises:
            ModelError: It has no beginning or no end (kind ``malformed``).
        """
        self._check()
        blocks = [self._blocks[index] for index in sorted(self._blocks)]
        kept = [block for block in blocks if block["type"] not in ("text", "tool_use")]
        reasoning: dict[str, Any] = {"provider": self._provider, "blocks": kept, **kept_order(_order(blocks))}
        if shown := "\n".join(block["thinking"] for block in kept if block["type"] == "thinking" and block["thinking"]):
            reasoning["text"] = shown
        refused = self._stop == "refusal"
        return ModelReply(
            text="".join(block["text"] for block in blocks if block["type"] == "text"),
            tool_calls=[_call(self._blocks[index]) for index in self._calls],
            stop_reason=_STOP_REASONS.get(self._stop or "", self._stop or ""),
            usage=self._used(),
            model=self._model,
            id=self._id,
            reasoning=reasoning if kept else None,
            refusal=(self._refusal or "The model refused to answer.") if refused else None,
        )

    def _check(self) -> None:
        if not self._begun:
            raise self._failures.malformed("it has no beginning.")
        if not self._over or self._stop is None:
            raise self._failures.malformed("it has no end.")

    def _place(self, event: object) -> int:
        return self._first + self._part(event, "index", int)

    def _start(self, message: BaseModel) -> None:
        self._begun = True
        self._id = self._id or _text(message, "id") or None
        self._model = _text(message, "model")
        self._usage.append(getattr(message, "usage", None))

    def _begin(self, index: int, content: BaseModel) -> None:
        block = content.to_dict(warnings=False)
        kind = block.get("type")
        if not isinstance(kind, str) or not all(isinstance(block.get(name), str) for name in _TEXTS.get(kind, ())):
            raise self._failures.malformed(f"block {index} has not what a block of its type must have.")
        if index in self._blocks:
            raise self._failures.malformed(f"it begins block {index} twice.")
        self._blocks[index] = block
        match kind:
            case "tool_use":
                block["arguments"] = ""
                self._emit(
                    {"type": "tool_call", "index": len(self._calls), "id": _of(block, "id"), "name": _of(block, "name")}
                )
                self._calls.append(index)
            case "text" | "thinking":
                self._show(kind, _of(block, kind))

    def _extend(self, index: int, delta: BaseModel) -> None:
        block = self._blocks.get(index)
        if block is None:
            raise self._failures.malformed(f"it goes on with block {index}, which it has not begun.")
        kind = _text(delta, "type")
        if kind == "input_json_delta":
            self._write_arguments(index, self._part(delta, "partial_json", str))
        elif kind in _GROWING:
            type, field = _GROWING[kind]
            if block["type"] != type:
                raise self._failures.malformed(f"it goes on with block {index} as if that were of another type.")
            more = self._part(delta, field, str)
            block[field] = _of(block, field) + more
            self._show(field, more)

    def _end(self, index: int) -> None:
        """Servers that do not write a call's arguments bit by bit have them in the block from the start."""
        block = self._blocks.get(index, {})
        if index not in self._calls and "arguments" in block:
            self._end_own(index, block, block.pop("arguments"))
        elif index in self._calls and not block["arguments"] and block.get("input"):
            self._write_arguments(index, json.dumps(block["input"], ensure_ascii=False))

    def _end_own(self, index: int, block: dict[str, Any], arguments: str) -> None:
        """What was asked of one of the provider's own tools. Cut short, it was not asked, and nobody could give it back."""
        try:
            block["input"] = json.loads(arguments)
        except ValueError:
            del self._blocks[index]

    def _write_arguments(self, index: int, more: str) -> None:
        block = self._blocks[index]
        if more:  # the first bit is always empty
            block["arguments"] = block.get("arguments", "") + more
        if more and index in self._calls:  # what is written for the provider's own tools is nobody else's business
            self._emit({"type": "tool_call", "index": self._calls.index(index), "arguments": more})

    def _show(self, field: str, text: str) -> None:
        if text and field == "text":
            self._emit({"type": "text", "text": text})
        elif text and field == "thinking":
            self._emit({"type": "reasoning", "text": text})

    def _conclude(self, delta: BaseModel) -> None:
        self._stop = _text(delta, "stop_reason") or self._stop
        self._refusal = _text(getattr(delta, "stop_details", None), "explanation") or self._refusal

    def _part(self, holder: object, name: str, kind: type[Part]) -> Part:
        part = getattr(holder, name, None)
        if not isinstance(part, kind):
            raise self._failures.malformed(f"an event has not the {name!r} that it must have.")
        return part

    def _used(self) -> Usage:
        """The counts of the last event that has each: the first has what was read, the last what was written."""

        def last(name: str, within: str | None = None) -> int:
            holders = (getattr(usage, within, None) if within else usage for usage in reversed(self._usage))
            return next((number for holder in holders if (number := count(holder, name))), 0)

        cached, cache_writes = last("cache_read_input_tokens"), last("cache_creation_input_tokens")
        part = Usage(
            prompt=last("input_tokens") + cached + cache_writes,
            completion=last("output_tokens"),
            cached=cached,
            cache_writes=cache_writes,
            reasoning=last("thinking_tokens", within="output_tokens_details"),
        )
        return replace(self._before + part, calls=1)


def _order(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    order: list[dict[str, Any]] = []
    for block in blocks:
        if block["type"] == "text":
            order.append({"text": len(block["text"])})
        elif block["type"] == "tool_use":
            order.append({"call": sum("call" in part for part in order)})
        else:
            place = sum("reasoning" in part or "own" in part for part in order)
            order.append({"reasoning" if block["type"] in _REASONING else "own": place})
    return order


def _text(holder: object, name: str) -> str:
    text = getattr(holder, name, None)
    return text if isinstance(text, str) else ""


def _of(block: dict[str, Any], name: str) -> str:
    text = block.get(name)
    return text if isinstance(text, str) else ""


def _call(block: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": block["id"],
        "type": "function",
        "function": {"name": block["name"], "arguments": block["arguments"] or "{}"},
    }
