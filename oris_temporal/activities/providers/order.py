"""The order in which a model wrote the parts of an answer.

A message keeps text, tool calls and reasoning apart. Providers whose models think between the parts, or use tools that the provider
itself runs, want them back as they came, so where that is not reasoning first, then text, then calls, the order is kept with the
reasoning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from oris_temporal.graph.messages import Message

from .common import spoken, stored_calls

ORDER = "order"
"""Where it is in the reasoning of a message: ``{"reasoning": place}``, ``{"text": characters}``, ``{"call": place}``, and
``{"own": place}`` for what the provider wrote about its own tools, which is among the blocks of the reasoning."""


class Part(NamedTuple):
    """A part of an answer.

    Attributes:
        kind: ``reasoning``, ``text``, ``call`` or ``own``.
        value: The provider's block; a text; or a call as `stored_calls` has it.
        more: What else was noted of it.
    """

    kind: Literal["reasoning", "text", "call", "own"]
    value: Any
    more: Mapping[str, Any]


def kept_order(order: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What a message's reasoning keeps of an order: nothing if it is the usual one."""
    ranks = [0 if "reasoning" in part else 1 if "text" in part else 2 for part in order]
    texts = [part for part in order if "text" in part]
    has_own = any("own" in part for part in order)
    if not has_own and ranks == sorted(ranks) and len(texts) <= 1 and all(len(part) == 1 for part in texts):
        return {}
    return {ORDER: list(order)}


def parts_in_order(
    message: Message, reasoning: Mapping[str, Any], blocks: Sequence[Mapping[str, Any] | None]
) -> Iterator[Part]:
    """The parts of an AI message as its model wrote them. Reasoning that leads to nothing is left out: providers refuse it.

    Args:
        message: The message. Where its text was edited since, all of it takes the place of the first.
        reasoning: What the provider said about its reasoning in this answer; empty if another one answered.
        blocks: The reasoning itself; ``None`` for what is not to be given back.
    """
    text, calls = spoken(message), stored_calls(message)
    left = dict(enumerate(calls))
    order = reasoning.get(ORDER) or [{"reasoning": place} for place in range(len(blocks))]
    was_edited = sum(part.get("text", 0) for part in order) != len(text)
    thoughts: list[Part] = []
    for part in [*order, {"text": len(text)}, *({"call": place} for place in range(len(calls)))]:
        if "reasoning" in part:
            thoughts += [Part("reasoning", block, {}) for block in blocks[part["reasoning"] :][:1] if block is not None]
            continue
        if "own" in part:
            written = Part("own", next(iter(blocks[part["own"] :]), None), {})
        elif "text" in part:
            length = len(text) if was_edited else part["text"]
            written = Part("text", text[:length], {name: value for name, value in part.items() if name != "text"})
            text = text[length:]
        else:
            written = Part("call", left.pop(part["call"], None), {})
        if written.value:
            yield from thoughts
            yield written
            thoughts = []
