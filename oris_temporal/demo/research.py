"""The agent of the demo: it reads a text by its tool, and says what is in it."""

from __future__ import annotations

import asyncio
import os
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from typing_extensions import TypedDict

from oris_temporal import Message, Runtime, create_agent, init_chat_model, tool
from oris_temporal.agents import BudgetMiddleware, Middleware, ModelCall

from . import reading
from .attempts import attempt
from .model import choose_model

LOST = "4s"
"""A worker silent for this long is lost, and its model and tool calls are made by another."""

_SECONDS_PER_SECTION = 0.15
_LONGEST = 3.0
_LONGEST_SECTION = 4_000

_PROMPT = """\
You write reports about texts. First call `read` without numbers: it gives the sentence of each section that says most. If that leaves
something open, read up to three sections as a whole. Then answer with the report alone: at most twelve lines of Markdown, each a list
item about one thing that the text says.\
"""


class Source(TypedDict):
    """What the agent is to read: fields of its state besides the conversation.

    Attributes:
        text: The text.
        directory: Where attempts are noted.
    """

    text: str
    directory: str


class ReadFirst(Middleware):
    """Has the model read before it writes: a report about a text that it did not read would be made up."""

    state_schema = Source

    async def wrap_model_call(self, call: ModelCall, handler: Any) -> Message:
        """See `Middleware.wrap_model_call`."""
        if not any(message.message_type == "tool" for message in call.messages):
            call = replace(call, model=call.model.with_options(tool_choice="required"))
        answer: Message = await handler(call)
        return answer


@tool(heartbeat=LOST)
async def read(runtime: Runtime, sections: list[int] | None = None) -> str:
    """Read the text, section by section.

    Args:
        runtime: The run.
        sections: Numbers of sections to read as a whole. Without any: of every section the sentence that says most.
    """
    state = runtime.state
    known = list(enumerate(reading.sections(state["text"]), start=1))
    chosen = [item for item in known if not sections or item[0] in sections]
    terms = {term for term, _ in reading.frequent_terms(state["text"], 12)}
    found: list[str] = []
    with attempt(f"read {runtime.tool_call_id}", state["directory"]) as work:
        for count, (number, (heading, body)) in enumerate(chosen, start=1):
            await asyncio.sleep(min(_SECONDS_PER_SECTION, _LONGEST / len(chosen)))  # as slowly as one reads
            found.append(_whole(heading, body) if sections else _shortest(heading, body, terms))
            runtime.write(f"section {number} of {len(known)}: {heading}")
            if count == (len(chosen) + 1) // 2:
                work.note(f"halfway: {count} of {len(chosen)} sections")
                await _stall_if_asked()
    return "\n".join(found) or "There are no such sections."


def question(text: str, headings: Sequence[tuple[int, str]], terms: Sequence[tuple[str, int]]) -> str:
    """What the agent is asked."""
    sections = [f"{number}. {heading}" for number, (heading, _) in enumerate(reading.sections(text), start=1)]
    title = headings[0][1] if headings else "a text without headings"
    frequent = ", ".join(term for term, _ in terms)
    return "\n".join([f"Report on: {title}", f"Terms used most: {frequent}", "Sections:", *sections])


def _shortest(heading: str, body: str, terms: set[str]) -> str:
    sentence = textwrap.shorten(reading.key_sentence(body, terms), 240, placeholder=" ...")
    return f"- **{heading}**: {sentence}"


def _whole(heading: str, body: str) -> str:
    return f"## {heading}\n\n{body[:_LONGEST_SECTION]}"


async def _stall_if_asked() -> None:
    """Wait to be killed: how ``demo --crash`` makes sure that its worker dies in the middle of a tool."""
    if os.environ.get("ORIS_DEMO_STALL"):
        await asyncio.sleep(120)


researcher = create_agent(
    init_chat_model(choose_model().name, timeout="1m", max_retries=2, heartbeat=LOST),
    [read],
    name="researcher",
    system_prompt=_PROMPT,
    middleware=[ReadFirst(), BudgetMiddleware(max_turns=6, on_limit="answer")],
)
