"""Finding the node at which a replay diverged from a history."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter

from oris_temporal.workflows.protocol import MEMO

_MESSAGE = re.compile(r'\[TMPRL1100\] (?:Nondeterminism error: )?((?:[^"\\]|\\.)*)')
_EVENT = re.compile(r"HistoryEvent\(id: (\d+), (\w+)\)")
_MISMATCH = re.compile(r"of scheduled event '([^']*)' does not match .*? command '([^']*)'")
_TASK = re.compile(r"(?:^|/)\d+/([^/#@]+)/\d+(?:[#@][^/]*)?$")
_ACTIVITY = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED


@dataclass(frozen=True, slots=True)
class Divergence:
    """Where a replay diverged.

    Attributes:
        node: The node, as the history has it; ``None`` if that cannot be told.
        task_id: Its task, ``<step>/<node>/<index>``, or ``None``.
        event_id: The event in the history, or ``None``.
        event_type: What it is, such as ``ActivityTaskScheduled``, or ``None``.
        message: What happened, a sentence.
    """

    node: str | None
    task_id: str | None
    event_id: int | None
    event_type: str | None
    message: str


async def locate(history: WorkflowHistory, failure: BaseException, converter: DataConverter) -> Divergence:
    """Find where a replay diverged.

    Args:
        history: The history that was replayed.
        failure: What the replay raised.
        converter: Decodes what the history keeps.
    """
    text = _reason(failure)
    mismatch = _MISMATCH.search(text)
    event = _event_of(history, text, mismatch[1] if mismatch else None)
    if event is None:
        return Divergence(None, None, None, None, f"The replay failed: {text}.")
    task_id = _task_of(event)
    node = _node_of(task_id) or await _node_by_memo(history, event, converter)
    where = f"event {event.event_id} ({_type_of(event)})"
    before = _node_before(history, event)
    if mismatch is not None:
        now = _node_of(mismatch[2]) or mismatch[2]
        message = f"The history runs '{node or mismatch[1]}' at {where}; this code runs '{now}' there."
    elif node is not None:
        message = f"Node '{node}' diverges at {where}: this code does something else there ({text})."
    else:
        after = f" after node '{before}'" if before else ""
        message = f"The run diverges{after}, at {where}: this code does something else there ({text})."
    return Divergence(node or before, task_id, event.event_id, _type_of(event), message)


def _reason(failure: BaseException) -> str:
    """What the SDK says, without the dump of structures around it."""
    found = _MESSAGE.search(str(failure))
    text = found[1] if found else str(failure) or type(failure).__name__
    return text.replace('\\"', '"').strip().rstrip(".")


def _event_of(history: WorkflowHistory, text: str, activity: str | None) -> HistoryEvent | None:
    if found := _EVENT.search(text):
        return next((event for event in history.events if event.event_id == int(found[1])), None)
    if activity is None:
        return None
    for event in history.events:
        scheduled = event.activity_task_scheduled_event_attributes
        if event.event_type == _ACTIVITY and activity in (scheduled.activity_id, scheduled.activity_type.name):
            return event
    return None


def _type_of(event: HistoryEvent) -> str:
    words = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").split("_")
    return "".join(word.capitalize() for word in words)


def _task_of(event: HistoryEvent) -> str | None:
    """Task that an event belongs to: the activity's id, or the event's group."""
    if event.event_type == _ACTIVITY:
        return event.activity_task_scheduled_event_attributes.activity_id
    for marker in event.event_group_markers:
        if marker.label.id:
            return marker.label.id
    return None


def _node_of(task_id: str | None) -> str | None:
    found = _TASK.search(task_id or "")
    return found[1] if found else None


def _workflow_task_of(event: HistoryEvent) -> int:
    """The workflow task that made an event; 0 if it was not made by one."""
    which = event.WhichOneof("attributes")
    return int(getattr(getattr(event, which), "workflow_task_completed_event_id", 0)) if which else 0


async def _node_by_memo(history: WorkflowHistory, event: HistoryEvent, converter: DataConverter) -> str | None:
    """The node that began to wait in the same workflow task, as the memo written there says."""
    made_by = _workflow_task_of(event) or next(
        (
            item.event_id
            for item in reversed(history.events)
            if item.event_id < event.event_id and item.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
        ),
        0,
    )
    for item in history.events:
        if item.event_type == EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED and _workflow_task_of(item) == made_by:
            memo = item.workflow_properties_modified_event_attributes.upserted_memo
            if MEMO in memo.fields:
                return _asking(await _decoded(converter, memo.fields[MEMO]))
    return None


async def _decoded(converter: DataConverter, payload: Any) -> Any:
    try:
        return (await converter.decode([payload]))[0]
    except Exception:  # encrypted with a key that is not here; the memo only helps to name the node
        return None


def _asking(memo: Any) -> str | None:
    pending = memo.get("pending") if isinstance(memo, dict) else None
    return str(pending[-1]["node"]) if pending else None


def _node_before(history: WorkflowHistory, event: HistoryEvent) -> str | None:
    """The last node that started as an activity before an event."""
    nodes = [_node_of(_task_of(item)) for item in history.events if item.event_id < event.event_id]
    return next((node for node in reversed(nodes) if node), None)
