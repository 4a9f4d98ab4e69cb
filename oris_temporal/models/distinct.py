"""Ids of answers and tool calls that servers give twice.

States find messages by their ids, and answers to calls by the calls'. Not all servers see to it that there is one of each: Ollama
numbers answers at random from 0 to 998, and some number the calls of every answer anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oris_temporal.graph.messages import Message


def told_apart(answer: dict[str, Any], before: Sequence[Message]) -> dict[str, Any]:
    """An answer whose ids nothing before it has; what must be, is numbered.

    Args:
        answer: The answer, a message as JSON data.
        before: The conversation that it answers.
    """
    calls: list[dict[str, Any]] = answer.get("tool_calls") or []
    if not answer.get("id") and not calls:
        return answer
    used = {message.id for message in before}
    told = {**answer, "id": _free(answer.get("id"), used)}
    if calls:
        used |= {id for message in before for id in _ids_of_calls(message)}
        told["tool_calls"] = [{**call, "id": _free(call.get("id"), used)} for call in calls]
    return told


def distinct(answer: Message, before: Sequence[Message]) -> Message:
    """The same for a `Message`, in a conversation of which its model may have been shown a part."""
    calls = answer.tool_calls if isinstance(answer.tool_calls, list) else []
    if not all(isinstance(call, dict) for call in calls):
        return answer
    wire = {"id": answer.id, "tool_calls": answer.tool_calls}
    told = told_apart(wire, before)
    return answer if told == wire else answer.model_copy(update=told)


def _ids_of_calls(message: Message) -> list[str]:
    calls = message.tool_calls if isinstance(message.tool_calls, list) else []
    ids = [call.get("id") for call in calls if isinstance(call, dict)]
    return [id for id in ids if isinstance(id, str)]


def _free(id: str | None, used: set[str | None]) -> str | None:
    """The id, numbered if it is used; it is used then."""
    free, number = id, 2
    while free and free in used:
        free, number = f"{id}-{number}", number + 1
    used.add(free)
    return free
