"""From events of a run to what watchers asked to see.

Both hosts project the same events, so a stream reads the same under either. A cursor is ``<run ordinal>-<event number>``; that of a
chunk which other chunks of its event follow has ``.<number of the chunk>`` behind it. While activities send stream data, there is
``~<mark of the activity>.<number of pieces>`` for each of them at its end.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .errors import StreamModeError
from .messages import REMOVE_ALL
from .records import Event
from .results import StreamChunk
from .wire import to_wire

MODES = ("values", "updates", "messages", "custom", "debug")

_THEIRS = {
    "run_started": "input",
    "updates": "update",
    "state_edited": "update",
    "message": "message",
    "custom": "data",
}
"""Events whose data a graph or its caller makes, and the name of that in the ``debug`` stream and the timeline."""


_CURSOR = re.compile(r"(\d{1,18})-(\d{1,18})(?:\.(\d{1,18}))?((?:~\w{1,64}\.\d{1,18})*)", re.ASCII)


class Cursor(NamedTuple):
    """How much of a stream somebody has had.

    Attributes:
        run: Ordinal of the run.
        seq: Number of the last event, all of it or part of it.
        chunks: Chunks of that event, if not all of them.
        live: Of activities that are running: a mark of each, and the number of pieces.
    """

    run: int
    seq: int
    chunks: int | None = None
    live: tuple[tuple[str, int], ...] = ()

    def had_of(self, seq: int) -> int | None:
        """How many chunks of an event somebody has had; ``None`` is all."""
        return (self.chunks if seq == self.seq else None) if seq <= self.seq else 0

    def __str__(self) -> str:
        part = "" if self.chunks is None else f".{self.chunks}"
        return "~".join([f"{self.run}-{self.seq}{part}", *(f"{mark}.{count}" for mark, count in self.live)])


def read_modes(mode: str | Sequence[str]) -> list[str]:
    """The modes asked for, each once.

    Raises:
        StreamModeError: There is none, or one of them does not exist.
    """
    modes = list(mode) if isinstance(mode, Collection) and not isinstance(mode, str) else [mode]
    if not modes:
        raise StreamModeError(f"A stream needs at least one mode; there are {', '.join(MODES)}.")
    if unknown := [item for item in modes if item not in MODES]:
        raise StreamModeError(f"Unknown stream mode {unknown[0]!r}; there are {', '.join(MODES)}.")
    return list(dict.fromkeys(modes))


def read_cursor(cursor: str | None) -> Cursor:
    """A cursor that a chunk had; zeros for none.

    Raises:
        StreamModeError: It is not a cursor.
    """
    if cursor is None:
        return Cursor(0, 0)
    found = _CURSOR.fullmatch(cursor) if isinstance(cursor, str) else None
    if found is None:
        raise StreamModeError(f"{cursor!r} is not a stream cursor; pass the cursor of a chunk you received.")
    run, seq, chunks, live = found.groups()
    marks = (item.split(".") for item in live.split("~")[1:])
    return Cursor(
        int(run),
        int(seq),
        None if chunks is None else int(chunks),
        tuple((mark, int(count)) for mark, count in marks),
    )


def is_visible(event: Event, *, subgraphs: bool) -> bool:
    """Whether a watcher sees an event: what happens in subgraphs only on request, their interrupts always."""
    return subgraphs or not event.namespace or event.kind == "interrupt"


def project(
    event: Event,
    modes: Sequence[str],
    *,
    ordinal: int,
    values: Mapping[str, Any] | None,
    live: tuple[tuple[str, int], ...] = (),
) -> Iterator[StreamChunk]:
    """Chunks of one event, in the order in which the modes were asked for.

    Args:
        event: The event.
        modes: Modes asked for.
        ordinal: Ordinal of the run.
        values: For a ``checkpoint`` event, the state as JSON data.
        live: For their cursors, see `Cursor`.
    """
    found = [(mode, data) for mode in modes for data in _data(event, mode, values)]
    for number, (mode, data) in enumerate(found, start=1):
        cursor = Cursor(ordinal, event.seq, None if number == len(found) else number, live)
        yield StreamChunk(mode, data, str(cursor), event.namespace)


def _data(event: Event, mode: str, values: Mapping[str, Any] | None) -> Iterator[Any]:
    match mode, event.kind:
        case "values", "checkpoint":
            yield values
        case "updates", "updates":
            yield {event.node: event.data}
        case "updates", "interrupt":
            yield {"__interrupt__": [{"id": event.data["id"], "value": event.data["value"]}]}
        case "messages", "token" | "message":
            yield [event.data, _metadata(event)]
        case "messages", "updates":
            for message in _messages(event.data):
                yield [message, _metadata(event)]
        case "custom", "custom":
            yield event.data
        case "debug", kind if kind != "token":
            yield debug_info(event)


def debug_info(event: Event) -> dict[str, Any]:
    """An event as JSON data. What has names that a graph or its caller chose is under a name of its own."""
    info: dict[str, Any] = {"event_type": event.kind, "at": to_wire(event.at, "time"), "step": event.step}
    for name in ("node", "task_id", "namespace"):
        if getattr(event, name):
            info[name] = getattr(event, name)
    if event.data is None:
        return info
    if event.kind in _THEIRS:
        return {**info, _THEIRS[event.kind]: event.data}
    return {**info, **event.data}


def trace_of(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Oris's trace of a call: ``StepCompleted``, ``InterruptReached`` and ``ResumeReceived``, in order."""
    trace: list[dict[str, Any]] = []
    for event in events:
        common = {"step": event.step, "namespace": event.namespace, "ts": to_wire(event.at, "time")}
        match event.kind:
            case "task_completed":
                trace.append({"StepCompleted": {"node": event.node, "task_id": event.task_id, **common}})
            case "interrupt":
                trace.append({"InterruptReached": {"value": event.data["value"], "node": event.node, **common}})
            case "resumed":
                trace.append({"ResumeReceived": {"value": event.data["value"], "node": event.node, **common}})
    return trace


def _metadata(event: Event) -> dict[str, Any]:
    place: dict[str, Any] = {"graph_node": event.node, "step": event.step, "namespace": event.namespace, "tags": []}
    return {**place, "task_id": event.task_id} if event.task_id else place


def _messages(update: Mapping[str, Any]) -> Iterator[Any]:
    """Complete messages among the values of an update, without those of models, which were shown when they were written.

    Of a conversation that is written anew it is what the assistant says: the rest was said, and shown, before.
    """
    for value in update.values():
        items = value if isinstance(value, list) else [value]
        anew = REMOVE_ALL in items
        for item in items:
            is_message = isinstance(item, dict) and "message_type" in item and "content" in item
            if not is_message or "provider" in (item.get("extra") or {}):
                continue
            if not anew or item["message_type"] == "ai":
                yield item
