"""The work every implementation does: the state, the bodies of the nodes and what must come out. No framework in here."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

QUESTION = (
    "Which of the three storage engines under review should the billing service move to next year, given the latency, "
    "cost and operational burden that the attached incident reports describe?"
)

ASKED = {"question": "Publish this?", "options": ["yes", "no"]}
ANSWER = {"approved": True, "comment": "Looks right to me."}

ENTRY_CHARACTERS = 1_000
FIRST_ENTRIES = 20


class State(TypedDict):
    """What a run knows: what was asked, and a list that nodes append to."""

    question: str
    notes: Annotated[list[str], operator.add]


class Item(TypedDict):
    """What one branch of a fan-out is given."""

    question: str
    item: int


class Delta(TypedDict):
    """What a node returns."""

    notes: list[str]


def note(number: int) -> str:
    """A line of the size that a tool call leaves behind."""
    return f"Finding {number}: the write path holds its tail latency as long as compaction keeps up."


def entry(number: int) -> str:
    """About 1 kB: a turn of an agent's loop."""
    line = f"Turn {number}: "
    return line + "x" * (ENTRY_CHARACTERS - len(line))


async def step(state: State) -> Delta:
    """A node of a chain."""
    return {"notes": [note(len(state["notes"]))]}


async def branch(state: Item) -> Delta:
    """A node of a fan-out."""
    return {"notes": [note(state["item"])]}


async def turn(state: State) -> Delta:
    """A turn of the loop on a growing state."""
    return {"notes": [entry(len(state["notes"]))]}


PROMPT_CHARACTERS = 100_000
AGENT_TURNS = 50
LAST_WORD = "Move to the second engine."

PROMPT = (QUESTION + " ").ljust(PROMPT_CHARACTERS, "p")
"""What an agent is asked: 100 kB."""


class Said(TypedDict, total=False):
    """A message of an agent's conversation, as the implementations without messages of their own keep it."""

    role: str
    content: str
    tool_call: dict[str, Any]


class Conversation(TypedDict):
    """What an agent knows."""

    messages: Annotated[list[Said], operator.add]


def wanted(observations: int) -> dict[str, Any] | None:
    """Arguments of the tool call that the model makes after so many observations; ``None`` when it has enough to answer."""
    return None if observations == AGENT_TURNS else {"number": observations}


def observe(number: int) -> str:
    """What the agent's tool returns: about 1 kB."""
    return entry(number)


def think(messages: list[Said]) -> Said:
    """The model's next message."""
    args = wanted(sum(message["role"] == "tool" for message in messages))
    if args is None:
        return {"role": "assistant", "content": LAST_WORD}
    return {"role": "assistant", "content": "", "tool_call": {"id": f"call_{args['number']}", "args": args}}


def act(message: Said) -> Said:
    """The message that answers a tool call."""
    return {"role": "tool", "content": observe(message["tool_call"]["args"]["number"])}


def outcome(messages: list[Said]) -> State:
    """What must come of a conversation: all observations and the answer."""
    return _state([message["content"] for message in messages[1:] if message["content"]], messages[0]["content"])


def approval_note(answer: Any) -> str:
    """What the approval leaves behind."""
    return f"Approved: {answer['approved']} ({answer['comment']})"


@dataclass(frozen=True)
class Row:
    """One kind of work.

    Attributes:
        name: Name on the command line.
        title: Name in the report.
        events: Fewest history events, by formula of the Temporal server's protocol: with all completions of a fan-out in
            one workflow task, and with each in its own.
        batch: Runs of one throughput measurement.
        input: Initial state.
        final: Final state.
    """

    name: str
    title: str
    events: tuple[int, int]
    batch: int
    input: State
    final: State


LINEAR = 10
INLINE = 20
LOOP = 50

MIXED = "wawwawwaww"
"""Nodes of the mixed graph: an activity each for ``a``, three in all, and workflow-side for ``w``."""


def fan_out_width(row: Row) -> int:
    """Branches of a fan-out row."""
    return int(row.name.removeprefix("fanout"))


def _state(notes: list[str], question: str = QUESTION) -> State:
    return {"question": question, "notes": notes}


def _row(name: str, title: str, events: tuple[int, int], batch: int, before: list[str], added: list[str]) -> Row:
    return Row(name, title, events, batch, _state(before), _state(before + added))


def _notes(count: int) -> list[str]:
    return [note(number) for number in range(count)]


_ENTRIES = [entry(number) for number in range(FIRST_ENTRIES + LOOP)]

ROWS = {
    row.name: row
    for row in (
        _row("linear10", "linear 10", (5 + 6 * LINEAR,) * 2, 60, [], _notes(LINEAR)),
        _row("fanout10", "fan-out 10", (8 + 3 * 10, 5 + 6 * 10), 60, [], _notes(10)),
        _row("fanout50", "fan-out 50", (8 + 3 * 50, 5 + 6 * 50), 20, [], _notes(50)),
        _row("inline20", "inline 20", (5, 5), 100, [], _notes(INLINE)),
        _row("mixed10", "3 activities + 7 inline", (5 + 6 * 3,) * 2, 80, [], _notes(len(MIXED))),
        _row("approval", "one approval", (10, 10), 80, [], [approval_note(ANSWER)]),
        _row(
            "loop50",
            "50 turns, growing state",
            (5 + 6 * LOOP,) * 2,
            20,
            _ENTRIES[:FIRST_ENTRIES],
            _ENTRIES[FIRST_ENTRIES:],
        ),
        Row(
            "agent50",
            "agent, 50 tool calls on a 100 kB prompt",
            (5 + 6 * (2 * AGENT_TURNS + 1),) * 2,
            4,
            _state([], PROMPT),
            _state([*map(observe, range(AGENT_TURNS)), LAST_WORD], PROMPT),
        ),
    )
}
"""All rows by name."""
