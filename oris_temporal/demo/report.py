"""A graph that reads a text, asks a person, and publishes a report about it.

    gather ─┬─ outline ─┬─ research ── approve ─┬─ publish
            └─ count ───┘                       └─ (end, if the person says no)

Every node is a plain function of the state. Those that touch files or take time are activities: Temporal retries them, and what
they return is kept, so a crash costs at most the node that was running. `approve` takes a `Context`, so it runs inside the
workflow, where waiting a day for an answer costs nothing.
"""

from __future__ import annotations

import asyncio
import os
import textwrap
from pathlib import Path
from typing import Any, Literal, TypedDict

from oris_temporal import END, START, Context, StateGraph, StreamWriter

from . import reading
from .attempts import attempt

_SECONDS_PER_SECTION = 0.15
_LONGEST = 3.0


class Report(TypedDict, total=False):
    """The state of the graph.

    Attributes:
        source: File to read.
        directory: Where the report goes.
        text: The text.
        headings: Its headings, with their levels.
        terms: Its most frequent terms, with their counts.
        findings: One line about each section.
        approved: What the person said.
        comment: What the person added.
        report: File that was published.
    """

    source: str
    directory: str
    text: str
    headings: list[tuple[int, str]]
    terms: list[tuple[str, int]]
    findings: list[str]
    approved: bool
    comment: str
    report: str


def gather(state: Report) -> Report:
    """Read the file."""
    with attempt("gather", state["directory"]):
        return {"text": Path(state["source"]).read_text(encoding="utf-8")}


def outline(state: Report) -> Report:
    """Find the headings."""
    with attempt("outline", state["directory"]):
        return {"headings": reading.headings(state["text"])}


def count(state: Report) -> Report:
    """Count the terms."""
    with attempt("count", state["directory"]):
        return {"terms": reading.frequent_terms(state["text"], 12)}


async def research(state: Report, writer: StreamWriter) -> Report:
    """Read section by section, as slowly as a model would, and note the sentence that says most."""
    terms = {term for term, _ in state["terms"]}
    sections = reading.sections(state["text"])
    findings: list[str] = []
    with attempt("research", state["directory"]) as work:
        for number, (heading, body) in enumerate(sections, start=1):
            await asyncio.sleep(min(_SECONDS_PER_SECTION, _LONGEST / len(sections)))
            sentence = textwrap.shorten(reading.key_sentence(body, terms), 240, placeholder=" ...")
            findings.append(f"**{heading}**: {sentence}")
            writer(f"section {number} of {len(sections)}: {heading}")
            if number == (len(sections) + 1) // 2:
                work.note(f"halfway: {number} of {len(sections)} sections")
                await _stall_if_asked()
    return {"findings": findings}


async def approve(state: Report, ctx: Context) -> Report:
    """Ask a person; nobody answering within a day is a no."""
    words = reading.count_words(state["text"])
    question = {
        "question": f"Publish the report about {Path(state['source']).name}?",
        "words": words,
        "sections": len(state["findings"]),
        "top terms": [term for term, _ in state["terms"][:5]],
    }
    answer: dict[str, Any] = await ctx.interrupt(question, timeout="24h", default={"ok": False})
    return {"approved": bool(answer.get("ok")), "comment": str(answer.get("comment") or "")}


def decide(state: Report) -> Literal["publish", "__end__"]:
    """Publish only what was approved."""
    return "publish" if state["approved"] else END


def publish(state: Report) -> Report:
    """Write the report."""
    with attempt("publish", state["directory"]):
        path = Path(state["directory"]) / "report.md"
        path.write_text(_markdown(state), encoding="utf-8")
        return {"report": str(path)}


def _markdown(state: Report) -> str:
    words = reading.count_words(state["text"])
    title = state["headings"][0][1] if state["headings"] else Path(state["source"]).name
    terms = ", ".join(f"{term} ({times})" for term, times in state["terms"])
    lines = [
        f"# Report: {title}",
        "",
        f"{words:,} words, {len(state['headings'])} headings, {max(1, round(words / 230))} min to read.",
        "",
        f"Terms: {terms}",
        "",
        *(f"- {finding}" for finding in state["findings"]),
    ]
    if state["comment"]:
        lines += ["", f"> {state['comment']}"]
    return "\n".join(lines) + "\n"


async def _stall_if_asked() -> None:
    """Wait to be killed: how ``demo --crash`` makes sure that its worker dies in the middle of a node."""
    if os.environ.get("ORIS_DEMO_STALL"):
        await asyncio.sleep(120)


graph = StateGraph(Report)
graph.add_node("gather", gather)
graph.add_node("outline", outline)
graph.add_node("count", count)
graph.add_node("research", research, heartbeat="4s")  # so that a lost worker is noticed within 4 seconds
graph.add_node("approve", approve)
graph.add_node("publish", publish)

graph.add_edge(START, "gather")
graph.add_edge("gather", "outline").add_edge("gather", "count")
graph.add_edge(["outline", "count"], "research")
graph.add_edge("research", "approve")
graph.add_conditional_edges("approve", decide, ["publish", END])
graph.add_edge("publish", END)

report = graph.compile(name="report")
