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
    calls = [call for call in answer.get("tool_calls") or () if isinstance(call, dict)]
    if not answer.get("id") and not calls:
        return answer
    answers = {message.id for message in before if message.message_type == "ai"}
    called = {call.get("id") for message in before for call in message.tool_calls or () if isinstance(call, dict)}
    called |= {message.id for message in before if message.message_type == "tool"}
    told = {**answer, "id": _free(answer.get("id"), answers | called)}
    if calls:
        told["tool_calls"] = [{**call, "id": _taken(call.get("id"), called)} for call in calls]
    return told


def _taken(id: str | None, used: set[str | None]) -> str | None:
    free = _free(id, used)
    used.add(free)
    return free


def _free(id: str | None, used: set[str | None]) -> str | None:
    if not id or id not in used:
        return id
    number = 2
    while f"{id}-{number}" in used:
        number += 1
    return f"{id}-{number}"
