"""Anthropic's Messages API: the answer that the events of a stream add up to."""

from __future__ import annotations

import json
from typing import Any

from anthropic.types import RawMessageStreamEvent

from oris_temporal.models.providers import Emit
from oris_temporal.models.request import ModelReply
from oris_temporal.models.usage import Usage

from .common import count
from .failures import Failures

_STOP_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
}
_REASONING = ("thinking", "redacted_thinking")


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
        self._stop: str | None = None
        self._over = False

    def add(self, event: RawMessageStreamEvent) -> None:
        """Take an event.

        Raises:
            ModelError: It does not fit those before it (kind ``malformed``).
        """
        match event.type:
            case "message_start":
                self._id, self._model = event.message.id, event.message.model
                self._usage.append(event.message.usage)
            case "content_block_start":
                self._begin(event.index, event.content_block.to_dict())
            case "content_block_delta":
                self._extend(event.index, event.delta)
            case "message_delta":
                self._stop = event.delta.stop_reason or self._stop
                self._usage.append(event.usage)
            case "message_stop":
                self._over = True

    def reply(self) -> ModelReply:
        """The whole answer.

        Raises:
            ModelError: It has no end (kind ``malformed``).
        """
        if not self._over or self._stop is None:
            raise self._failures.malformed("it has no end.")
        blocks = [self._blocks[index] for index in sorted(self._blocks)]
        thought = [block for block in blocks if block["type"] in _REASONING]
        text = "".join(block["text"] for block in blocks if block["type"] == "text")
        reasoning: dict[str, Any] = {"provider": self._provider, "blocks": thought}
        if shown := "\n".join(block["thinking"] for block in thought if block.get("thinking")):
            reasoning["text"] = shown
        return ModelReply(
            text=text,
            tool_calls=[_call(self._blocks[index]) for index in self._calls],
            stop_reason=_STOP_REASONS.get(self._stop, self._stop),
            usage=self._used(),
            model=self._model,
            id=self._id,
            reasoning=reasoning if thought else None,
            refusal="The model refused to answer." if self._stop == "refusal" and not text else None,
        )

    def _begin(self, index: int, block: dict[str, Any]) -> None:
        self._blocks[index] = block
        match block["type"]:
            case "tool_use":
                block["arguments"] = ""
                self._emit({"type": "tool_call", "index": len(self._calls), "id": block["id"], "name": block["name"]})
                self._calls.append(index)
            case "text" if block.get("text"):
                self._emit({"type": "text", "text": block["text"]})

    def _extend(self, index: int, delta: Any) -> None:
        block = self._blocks.get(index)
        if block is None:
            raise self._failures.malformed(f"it goes on with block {index}, which it has not begun.")
        match delta.type:
            case "text_delta":
                block["text"] = block.get("text", "") + delta.text
                self._emit({"type": "text", "text": delta.text})
            case "thinking_delta":
                block["thinking"] = block.get("thinking", "") + delta.thinking
                self._emit({"type": "reasoning", "text": delta.thinking})
            case "signature_delta":
                block["signature"] = block.get("signature", "") + delta.signature
            case "input_json_delta" if index in self._calls:
                block["arguments"] += delta.partial_json
                self._emit({"type": "tool_call", "index": self._calls.index(index), "arguments": delta.partial_json})

    def _used(self) -> Usage:
        """The counts of the last event that has each: the first has what was read, the last what was written."""

        def last(name: str) -> int:
            return next((number for usage in reversed(self._usage) if (number := count(usage, name))), 0)

        cached, cache_writes = last("cache_read_input_tokens"), last("cache_creation_input_tokens")
        return Usage(
            prompt=last("input_tokens") + cached + cache_writes,
            completion=last("output_tokens"),
            cached=cached,
            cache_writes=cache_writes,
            calls=1,
        )


def _call(block: dict[str, Any]) -> dict[str, Any]:
    arguments = block["arguments"] or json.dumps(block.get("input") or {}, ensure_ascii=False)
    return {
        "id": block["id"],
        "type": "function",
        "function": {"name": block["name"], "arguments": arguments},
    }
