"""What the Web UI shows of a run: its summary, and a live table of its nodes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oris_temporal.graph.compiled import CompiledGraph
    from oris_temporal.graph.run import Run

_SUMMARY_BYTES = 80  # a line of the Web UI; the whole input is in the first event
_DETAILS_BYTES = 19_000  # and details of up to 20,000
_VALUE_CHARACTERS = 300
_SPACE = "\N{EM SPACE}"


def static_summary(graph: str, given: Any) -> str:
    """One line: the graph and what it was given."""
    text = given if isinstance(given, str) else _preview(given)
    return _cut(f"{graph}: {' '.join(text.split())}" if text else graph, _SUMMARY_BYTES)


def static_details(graph: CompiledGraph) -> str:
    """The graph as a Mermaid diagram."""
    return _cut(f"```mermaid\n{graph.mermaid}\n```", _DETAILS_BYTES)


def current_details(run: Run) -> str:
    """Markdown: the status, what the run waits for, and a table of its nodes."""
    finished = run.log.finished_nodes
    running = {task.node for task in run.root.state.tasks if task.outcome is None} if "" in run.engines else set()
    waiting = {interrupt.node for interrupt in run.desk.pending}
    lines = [f"**{run.status}** · superstep {run.root.state.supersteps if '' in run.engines else 0}"]
    for interrupt in run.desk.pending:
        until = f", until {interrupt.deadline:%Y-%m-%d %H:%M} UTC" if interrupt.deadline else ""
        lines.append(f"\n`{interrupt.id}` asks at **{interrupt.asker}**{until}: `{_preview(interrupt.value)}`")
    if run.error is not None:
        lines.append(f"\n{run.error.message}")
    lines += [f"\n{model}: {used}" for model, used in run.usage.items()]
    lines += ["", _row("node", "state", "runs"), "|---|---|---|"]
    for name in run.graph.nodes:
        state = (
            "waits for an answer"
            if name in waiting
            else "running"
            if name in running
            else "done"
            if finished[name]
            else ""
        )
        lines.append(_row(name, state, str(finished[name] or "")))
    return _cut("\n".join(lines), _DETAILS_BYTES)


def _row(*cells: str) -> str:
    """A row of a table. The Web UI leaves no space between columns, so the cells have some."""
    return f"| {' | '.join(f'{cell}{_SPACE}' for cell in cells)} |"


def _preview(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text.replace("`", "'").replace("\n", " ")
    return text if len(text) <= _VALUE_CHARACTERS else text[: _VALUE_CHARACTERS - 1] + "…"


def _cut(text: str, limit: int) -> str:
    raw = text.encode()
    return text if len(raw) <= limit else raw[: limit - 3].decode(errors="ignore") + "…"
