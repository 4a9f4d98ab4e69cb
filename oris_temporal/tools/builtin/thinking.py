"""Sequential thinking: a model writes down numbered thoughts, revises them and branches off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from oris_temporal.graph.errors import InvalidUpdateError, ToolError
from oris_temporal.graph.messages import Message
from oris_temporal.tools.runtime import Runtime
from oris_temporal.tools.tool import Tool, tool

Number = Annotated[int, Field(ge=1)]


def sequential_thinking(name: str = "sequential_thinking", *, messages: str = "messages") -> Tool:
    """A tool for thinking step by step. It does nothing but keep count, by the calls of the conversation so far.

    It runs in the workflow, so a thought costs no activity.

    Args:
        name: Its name.
        messages: State field that has the conversation.
    """

    @tool(name=name, run_as="workflow")
    async def think(
        thought: str,
        thought_number: Number,
        total_thoughts: Number,
        next_thought_needed: bool,
        runtime: Runtime,
        is_revision: bool = False,
        revises_thought: Number | None = None,
        branch_from_thought: Number | None = None,
        branch_id: str | None = None,
        needs_more_thoughts: bool = False,
    ) -> dict[str, Any]:
        """Think about a hard problem step by step, one thought a call.

        Question and revise earlier thoughts, branch off to try something else, and raise the number of thoughts when it takes more. Go
        on until you are content with the answer, and only then set next_thought_needed to false.

        Args:
            thought: The present thought: a step, a question, a revision, a hypothesis or its check.
            thought_number: Its number; the first is 1.
            total_thoughts: How many you expect to need now.
            next_thought_needed: Whether another one is to follow.
            runtime: Has the conversation.
            is_revision: Whether it revises an earlier one.
            revises_thought: Number of the thought it revises.
            branch_from_thought: Number of the thought it branches off from.
            branch_id: Name of the branch.
            needs_more_thoughts: Whether more are needed than expected.
        """
        if is_revision and (revises_thought is None or revises_thought >= thought_number):
            raise ToolError("A revision needs revises_thought, the number of an earlier thought.", kind="invalid_input")
        if (branch_from_thought is None) != (branch_id is None):
            raise ToolError("A branch needs both branch_from_thought and branch_id.", kind="invalid_input")
        earlier = _earlier(runtime, name, messages)
        branches = [str(call["branch_id"]) for call in earlier if call.get("branch_id")]
        if branch_id is not None:
            branches.append(branch_id)
        return {
            "thought_number": thought_number,
            "total_thoughts": max(total_thoughts, thought_number),
            "next_thought_needed": next_thought_needed,
            "branches": list(dict.fromkeys(branches)),
            "thoughts_so_far": len(earlier) + 1,
        }

    return think


def _earlier(runtime: Runtime, name: str, messages: str) -> list[dict[str, Any]]:
    """Arguments of the calls before this one that are in the conversation."""
    state = runtime.state
    said = (state.get(messages) if isinstance(state, Mapping) else getattr(state, messages, None)) or []
    found: list[dict[str, Any]] = []
    for message in said:
        if not isinstance(message, Message):
            continue
        try:
            calls = message.calls
        except InvalidUpdateError:  # what models write is not always a call
            continue
        for call in calls:
            if call.id == runtime.tool_call_id and message is said[-1]:
                return found
            if call.name == name:
                found.append(call.args)
    return found
