"""Sequential thinking keeps count of thoughts and branches, by the conversation."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tool_support import RUNTIME, call

from oris_temporal import Message, ToolCall
from oris_temporal.graph.errors import ToolError
from oris_temporal.tools.builtin import sequential_thinking

think = sequential_thinking()


def thought(number: int, **more: Any) -> dict[str, Any]:
    return {"thought": "hm", "thought_number": number, "total_thoughts": 3, "next_thought_needed": True, **more}


async def test_thoughts_are_counted_over_turns() -> None:
    calls = [ToolCall(f"c-{number}", think.name, thought(number)) for number in (1, 2)]
    branch = ToolCall("c-3", think.name, thought(2, branch_from_thought=1, branch_id="b"))
    said = [Message.ai("", [item]) for item in (*calls, branch)]
    runtime = replace(RUNTIME, state={"messages": said}, tool_call_id="c-3")
    told = json.loads(await call(think, runtime=runtime, **branch.args))
    assert told == {
        "thought_number": 2,
        "total_thoughts": 3,
        "next_thought_needed": True,
        "branches": ["b"],
        "thoughts_so_far": 3,
    }


async def test_the_total_grows_with_the_thoughts() -> None:
    runtime = replace(RUNTIME, state={"messages": []})
    assert json.loads(await call(think, runtime=runtime, **thought(5)))["total_thoughts"] == 5


@pytest.mark.parametrize(
    "wrong",
    [
        thought(2, is_revision=True),
        thought(2, is_revision=True, revises_thought=2),
        thought(2, branch_id="b"),
        thought(2, branch_from_thought=1),
        thought(0),
    ],
)
async def test_thoughts_that_make_no_sense_are_told_to_the_model(wrong: dict[str, Any]) -> None:
    with pytest.raises(ToolError):
        await call(think, runtime=replace(RUNTIME, state={"messages": []}), **wrong)
