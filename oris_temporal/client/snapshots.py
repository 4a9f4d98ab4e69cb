"""Reading the JSON answers of the graph workflow's queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from oris_temporal.graph.interrupts import Interrupt
from oris_temporal.graph.records import Event
from oris_temporal.graph.results import StateSnapshot
from oris_temporal.models import Usage

from .records import TimelineEvent


def read_snapshot(wire: Mapping[str, Any]) -> StateSnapshot:
    """A checkpoint."""
    return StateSnapshot(
        values=wire.get("values", {}),
        next=list(wire["next"]),
        config=wire["config"],
        metadata=wire["metadata"],
        created_at=datetime.fromisoformat(wire["created_at"]),
        parent_config=wire["parent_config"],
        interrupts=[
            Interrupt.from_wire({**item, "key": ""}) for item in wire["interrupts"]
        ],  # as everywhere on this side
    )


def read_timeline(wires: Sequence[Mapping[str, Any]]) -> list[TimelineEvent]:
    """A timeline."""
    common = {"seq", "event_type", "at", "step", "node"}
    return [
        TimelineEvent(
            seq=wire["seq"],
            at=datetime.fromisoformat(wire["at"]),
            kind=wire["event_type"],
            step=wire.get("step"),
            node=wire.get("node"),
            data={name: value for name, value in wire.items() if name not in common},
        )
        for wire in wires
    ]


def read_usage(wire: Mapping[str, Any] | None) -> dict[str, Usage]:
    """What model calls used, by model."""
    return {model: Usage.from_wire(used) for model, used in (wire or {}).items()}


def read_event(wire: Mapping[str, Any]) -> Event:
    """An event."""
    return Event(
        seq=wire["seq"],
        at=datetime.fromisoformat(wire["at"]),
        kind=wire["kind"],
        namespace=wire["namespace"],
        node=wire["node"],
        task_id=wire["task_id"],
        step=wire["step"],
        data=wire["data"],
    )
