"""A graph that has an agent read a text, asks a person, and publishes a report about it.

    gather ─┬─ outline ─┬─ research ── approve ─┬─ publish
            └─ count ───┘  (an agent)           └─ (end, if the person says no)

Nodes are plain functions of the state. Those that touch files or take time are activities: Temporal retries them, and what they
return is kept, as are the answers of models and tools, so a crash costs at most what was running. `approve` takes a `Context`, so
it runs inside the workflow, where waiting a day for an answer costs nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypedDict

from oris_temporal import END, START, Context, Message, StateGraph

from . import reading
from .attempts import attempt
from .research import question, researcher


class Report(TypedDict, total=False):
    """The state of the graph.

    Attributes:
        source: File to read.
        directory: Where the report goes.
        text: The text.
        headings: Its headings, with their levels.
        terms: Its most frequent terms, with their counts.
        findings: What the agent says of it, in Markdown.
        approved: What the person said.
        comment: What the person added.
        report: File that was published.
    """

    source: str
    directory: str
    text: str
    headings: list[tuple[int, str]]
    terms: list[tuple[str, int]]
    findings: str
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


def to_agent(state: Report) -> dict[str, Any]:
    """What the agent gets."""
    asked = question(state["text"], state["headings"], state["terms"])
    return {"messages": [Message.human(asked)], "text": state["text"], "directory": state["directory"]}


def from_agent(state: dict[str, Any]) -> Report:
    """What it said in the end."""
    return {"findings": state["messages"][-1].content}


async def approve(state: Report, ctx: Context) -> Report:
    """Ask a person; nobody answering within a day is a no."""
    asked = {
        "question": f"Publish the report about {Path(state['source']).name}?",
        "words": reading.count_words(state["text"]),
        "sections": len(reading.sections(state["text"])),
        "top terms": [term for term, _ in state["terms"][:5]],
    }
    answer: dict[str, Any] = await ctx.interrupt(asked, timeout="24h", default={"ok": False})
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
        state["findings"],
    ]
    if state["comment"]:
        lines += ["", f"> {state['comment']}"]
    return "\n".join(lines) + "\n"


graph = StateGraph(Report)
graph.add_node("gather", gather)
graph.add_node("outline", outline)
graph.add_node("count", count)
graph.add_subgraph("research", researcher, input=to_agent, output=from_agent)
graph.add_node("approve", approve)
graph.add_node("publish", publish)

graph.add_edge(START, "gather")
graph.add_edge("gather", "outline").add_edge("gather", "count")
graph.add_edge(["outline", "count"], "research")
graph.add_edge("research", "approve")
graph.add_conditional_edges("approve", decide, ["publish", END])
graph.add_edge("publish", END)

report = graph.compile(name="report", limits={"max_turns": 10})
