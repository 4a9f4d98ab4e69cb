"""What records look like to a person."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from oris_temporal.client import RunInfo, RunResult, RunSummary, TimelineEvent
from oris_temporal.graph.interrupts import Interrupt
from oris_temporal.graph.results import StateSnapshot

from .style import fields, one_line, paint, paint_status, table

_VALUE_CHARACTERS = 2_000


def moment(at: datetime | None) -> str:
    """A time of day, in the local time zone."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S %Z}" if at is not None else ""


def _when(at: datetime) -> str:
    """A moment in a narrow column whose header names the time zone: the minute, or the day if it was in another year."""
    local = at.astimezone()
    return f"{local:%m-%d %H:%M}" if local.year == datetime.now().astimezone().year else f"{local:%Y-%m-%d}"


def _in_zone(header: str) -> str:
    return f"{header} ({datetime.now().astimezone():%Z})"


def compact(value: Any) -> str:
    """JSON on one line."""
    return json.dumps(value, ensure_ascii=False)


def state(values: dict[str, Any] | None) -> str:
    """A state, field by field; long values are cut."""
    if values is None:
        return "  (not known: no worker can tell)"
    lines: list[str] = []
    for name, value in values.items():
        if _is_conversation(value):
            lines += [f"  {paint(name, 'bold')}", *(f"    {_message(message)}" for message in value)]
        else:
            lines += _field(name, value)
    return "\n".join(lines) if lines else "  (empty)"


def _field(name: str, value: Any) -> list[str]:
    text = compact(value)
    if len(text) > 100:
        text = json.dumps(value, indent=2, ensure_ascii=False)
    if len(text) > _VALUE_CHARACTERS:
        text = f"{text[:_VALUE_CHARACTERS]}… ({len(text):,} characters; --json has them all)"
    first, *rest = text.splitlines()
    return [f"  {paint(name, 'bold')}  {first}", *(f"  {line}" for line in rest)]


def _is_conversation(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and "message_type" in item and "content" in item for item in value)
    )


def _message(message: dict[str, Any]) -> str:
    text = one_line(str(message["content"]), 400)
    if calls := message.get("tool_calls"):
        text = f"{text} {one_line(_calls(calls), 400)}".strip()
    return f"{paint(str(message['message_type']), 'dim')}  {text}"


def _calls(calls: Any) -> str:
    try:
        return ", ".join(f"{call['function']['name']}({call['function']['arguments']})" for call in calls)
    except (KeyError, TypeError):  # a field of a state that only looks like a conversation
        return compact(calls)


def result(run: RunResult, link: str, *, hint: bool = True) -> str:
    """How far a run got, and with a hint what to do next."""
    parts = [
        fields(
            [
                ("thread", run.thread_id),
                ("status", _status(run.status, run.next if run.status in ("running", "interrupted") else [])),
                ("run", run.run_id),
                *_used(run),
                ("web ui", link),
            ]
        )
    ]
    if run.error:
        parts.append(failure(run.error))
    if run.interrupts:
        parts.append(waits_for(run.interrupts))
    parts.append(f"{paint('state', 'dim')}\n{state(run.values)}")
    if run.interrupts and hint:
        parts.append(how_to_answer(run.thread_id, run.interrupts))
    return "\n\n".join(parts)


def info(run: RunInfo, link: str, *, hint: bool = True) -> str:
    """One thread in full, and with a hint what to do next."""
    parts = [
        fields(
            [
                ("thread", run.thread_id),
                ("graph", run.graph),
                ("status", _status(run.status, run.next) + (" (paused by an operator)" if run.paused else "")),
                ("reason", run.reason or ""),
                ("run", f"{run.run_id} (number {run.run} of the thread)"),
                ("started", moment(run.created_at)),
                ("updated", moment(run.updated_at)),
                ("checkpoint", run.checkpoint_id or ""),
                ("tenant", run.tenant or ""),
                ("parent", run.parent or ""),
                ("task queue", run.task_queue),
                ("history", f"{run.history_events:,} events, {run.history_bytes:,} bytes"),
                *_used(run),
                ("web ui", link),
            ]
        )
    ]
    if run.error:
        parts.append(failure(run.error))
    if run.interrupts:
        parts.append(waits_for(run.interrupts))
    parts.append(f"{paint('state', 'dim')}\n{state(run.values)}")
    if run.interrupts and hint:
        parts.append(how_to_answer(run.thread_id, run.interrupts))
    return "\n\n".join(parts)


def _used(run: RunResult | RunInfo) -> list[tuple[str, str]]:
    return [("used", f"{model}: {used}") for model, used in run.usage.items()]


def failure(error: dict[str, Any]) -> str:
    """Why a run failed."""
    return f"{paint('failed', 'red')}  {error.get('message', '')} ({error.get('code', 'unknown')})"


def waits_for(interrupts: Sequence[Interrupt]) -> str:
    """What a run waits for."""
    lines = [paint("waits for", "dim")]
    for item in interrupts:
        until = f" (until {moment(item.deadline)})" if item.deadline else ""
        lines.append(f"  {item.id}  {paint(item.asker, 'bold')}  {_question(item)}{until}")
    return "\n".join(lines)


def how_to_answer(thread_id: str, interrupts: Sequence[Interrupt]) -> str:
    """The command that answers."""
    command = f"oris-temporal resume {shlex.quote(thread_id)}"
    if len(interrupts) > 1:
        example = shlex.quote(compact({item.id: "..." for item in interrupts}))
        return f"Answer with: {command} --by-id --value {example}"
    return f"Answer with: {command}" + (" --value ..." if interrupts[0].kind == "interrupt" else "")


def runs(found: Sequence[RunSummary]) -> str:
    """A list of threads."""
    if not found:
        return "No runs."
    rows = [[run.thread_id, run.graph, run.status, _when(run.updated_at), _waits(run.interrupts)] for run in found]
    return table(["THREAD", "GRAPH", "STATUS", _in_zone("UPDATED"), "WAITS FOR"], rows)


def interrupts(asked: Sequence[Interrupt]) -> str:
    """A list of interrupts."""
    if not asked:
        return "Nothing waits for an answer."
    answered = any(item.status != "pending" for item in asked)
    headers = ["INTERRUPT", "NODE", _in_zone("ASKED"), *(["STATUS", "ANSWER", "BY"] if answered else []), "QUESTION"]
    rows = []
    for item in asked:
        answer = item.answer if isinstance(item.answer, str) and item.status == "rejected" else compact(item.answer)
        more = [item.status, "" if item.status == "pending" else answer, item.author or ""] if answered else []
        rows.append([item.id, item.asker, _when(item.created_at), *more, _question(item)])
    return table(headers, rows)


def history(snapshots: Sequence[StateSnapshot]) -> str:
    """A list of checkpoints."""
    rows = [
        [
            str(snapshot.checkpoint_id),
            f"{snapshot.created_at.astimezone():%Y-%m-%d %H:%M:%S}",
            str(snapshot.metadata.get("source", "")),
            ", ".join(dict.fromkeys(str(node) for node, _ in snapshot.metadata.get("writes", ()))),
            ", ".join(snapshot.next) or "(end)",
        ]
        for snapshot in snapshots
    ]
    return table(["CHECKPOINT", _in_zone("MADE"), "SOURCE", "WRITTEN BY", "NEXT"], rows) if rows else "No checkpoints."


def checkpoint(snapshot: StateSnapshot) -> str:
    """A checkpoint in full."""
    parent = (snapshot.parent_config or {}).get("checkpoint_id", "")
    shown = fields(
        [
            ("checkpoint", snapshot.checkpoint_id),
            ("thread", str(snapshot.config.get("thread_id", ""))),
            ("subgraph", str(snapshot.config.get("checkpoint_ns", ""))),
            ("made", moment(snapshot.created_at)),
            ("source", str(snapshot.metadata.get("source", ""))),
            ("after", str(parent)),
            ("next", ", ".join(snapshot.next) or "(end)"),
        ]
    )
    parts = [shown, *([waits_for(snapshot.interrupts)] if snapshot.interrupts else [])]
    return "\n\n".join([*parts, f"{paint('state', 'dim')}\n{state(snapshot.values)}"])


def timeline(events: Sequence[TimelineEvent]) -> str:
    """A list of events."""
    rows = [
        [
            f"{event.at.astimezone():%H:%M:%S.%f}"[:-3],
            "" if event.step is None else str(event.step),
            event.kind,
            event.node or "",
            compact(event.data) if event.data else "",
        ]
        for event in events
    ]
    return table([_in_zone("TIME"), "STEP", "EVENT", "NODE", "DETAILS"], rows) if rows else "Nothing happened yet."


def _status(status: str, nodes: Sequence[str]) -> str:
    return paint_status(status) + (f" at {', '.join(nodes)}" if nodes else "")


def _waits(asked: Sequence[Interrupt]) -> str:
    if len(asked) == 1:
        return f"{asked[0].asker}: {_question(asked[0])}"
    return ", ".join(item.asker for item in asked)


def _question(item: Interrupt) -> str:
    if item.kind != "interrupt":
        return f"(breakpoint {item.kind} {item.node})"
    return one_line(item.value if isinstance(item.value, str) else compact(item.value), 300)
