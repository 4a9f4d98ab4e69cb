"""What the demo shows of a crash: what ran, how often and where, as nodes and tools noted it and as the history has it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from temporalio.api.history.v1 import HistoryEvent

from oris_temporal.client import OrisClient
from oris_temporal.demo.attempts import Entry, count_attempts, ran_again

from .style import table


async def model_calls(client: OrisClient, thread_id: str) -> list[Entry]:
    """The model calls of a run by its history, named by model and length of the conversation."""
    history = client.temporal.get_workflow_handle(thread_id).fetch_history_events()
    names: dict[int, str] = {}
    entries: list[Entry] = []
    started: dict[int, HistoryEvent] = {}
    async for event in history:
        scheduled = event.activity_task_scheduled_event_attributes
        if scheduled.activity_type.name == "llm":
            names[event.event_id] = str(json.loads(event.user_metadata.summary.data))
        elif event.HasField("activity_task_started_event_attributes"):
            attributes = event.activity_task_started_event_attributes
            started[attributes.scheduled_event_id] = event
            if name := names.get(attributes.scheduled_event_id):
                entries += [Entry(name, "started", _pid(event))] * attributes.attempt
        elif event.HasField("activity_task_completed_event_attributes"):
            place = event.activity_task_completed_event_attributes.scheduled_event_id
            if name := names.get(place):
                entries.append(Entry(name, "finished", _pid(started[place])))
    return entries


def _pid(started: HistoryEvent) -> int:
    """Process of the worker that took an activity; by default workers are called ``<pid>@<host>``."""
    return int(started.activity_task_started_event_attributes.identity.partition("@")[0])


def evidence(entries: Sequence[Entry], killed: int) -> str:
    """What ran, how often and in which worker, and what that means.

    Args:
        entries: What happened.
        killed: Process of the worker that was killed.
    """
    counts = count_attempts(entries)
    rows = []
    for name, count in counts.items():
        pids = dict.fromkeys(entry.pid for entry in entries if entry.node == name)
        workers = ", then ".join(f"{pid} (killed)" if pid == killed else str(pid) for pid in pids)
        rows.append([name, str(count["started"]), str(count["finished"]), workers])
    if again := ran_again(entries):
        verdict = f"These ran again, though they had finished: {', '.join(again)}."
    else:
        restarted = [name for name, count in counts.items() if count["started"] > 1]
        verdict = (
            f"Only what was running was started again: {', '.join(restarted)}. All else ran once: what nodes, tools and models have "
            "returned is in the history."
        )
    return f"{table(['NODE, TOOL OR MODEL', 'STARTED', 'FINISHED', 'IN WORKER'], rows)}\n\n{verdict}"
