"""What running activities say while they run: model tokens and custom stream data.

It travels in heartbeat details, which the server keeps with a pending activity and never writes to history. A look at the run
sees the latest pieces of each; a watcher takes those it has not had.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from temporalio.client import Client

from oris_temporal.graph.records import Event, EventKind
from oris_temporal.workflows.protocol import LLM

from .lookup import Found

LOOK_SECONDS = 0.1
"""Time between two looks at a run that has activities running; workers send heartbeats as often."""

_UNKNOWN = object()
"""A piece that is no longer there to be compared."""

LIVE_MODES = frozenset({"messages", "custom"})


@dataclass(frozen=True, slots=True)
class Beat:
    """The latest heartbeat of an activity that sends stream data.

    Attributes:
        activity_id: The activity.
        attempt: The attempt that sent it.
        kind: What it sends.
        sent: Pieces it has sent so far.
        pieces: The last of them.
        mark: What tells the attempt from others, in cursors.
        at: When the server got it (UTC).
    """

    activity_id: str
    attempt: int
    kind: EventKind
    sent: int
    pieces: list[Any]
    mark: str
    at: datetime

    @property
    def task_id(self) -> str:
        """Task it belongs to."""
        return task_of(self.activity_id)

    def event(self, piece: Any, seq: int) -> Event:
        """A piece as an event of the run, right after the one of a number."""
        *namespace, step, node, _ = self.task_id.split("/")
        return Event(
            seq=seq,
            at=datetime.now(UTC),
            kind=self.kind,
            namespace="/".join(namespace),
            node=node,
            task_id=self.task_id,
            step=int(step),
            data=piece,
        )


def task_of(activity_id: str) -> str:
    """Task that an activity belongs to: ids of its calls and attempts are ``<task>@<n>`` and ``<task>#<n>``."""
    head, _, tail = activity_id.rpartition("/")
    return f"{head}/{tail.partition('@')[0].partition('#')[0]}"


async def beats_of(temporal: Client, found: Found) -> list[Beat]:
    """What a run's activities sent, as its description has it."""
    beats: list[Beat] = []
    for pending in found.description.pending_activities if found.description is not None else ():
        if not pending.HasField("heartbeat_details"):
            continue
        details = await temporal.data_converter.decode(pending.heartbeat_details.payloads)
        stream = details[0].get("stream") if details and isinstance(details[0], dict) else None
        if stream:
            kind: EventKind = "token" if pending.activity_type.name == LLM else "custom"
            id, attempt = pending.activity_id, stream["attempt"]
            mark = sha256(f"{id}#{attempt}".encode()).hexdigest()[:8]
            at = pending.last_heartbeat_time.ToDatetime(UTC)
            beats.append(Beat(id, attempt, kind, stream["sent"], stream["pieces"], mark, at))
    return beats


class LiveView:
    """What one watcher has seen of it.

    Args:
        had: What it had seen when it connected, see `Cursor.live`.
    """

    def __init__(self, had: Iterable[tuple[str, int]]) -> None:
        self._had = dict(had)
        self._seen: dict[str, int] = {}
        self._shown: defaultdict[str, deque[Any]] = defaultdict(deque)

    def fresh(self, beats: Iterable[Beat], seq: int) -> Iterator[Event]:
        """Pieces that the watcher has not had, as events after the one of a number."""
        for beat in beats:
            first = beat.sent - len(beat.pieces)  # of a flood, the last ones
            if beat.mark not in self._seen:
                self._begin(beat, first)
            for number, piece in enumerate(beat.pieces, start=first + 1):
                if number <= self._seen[beat.mark]:
                    continue
                self._seen[beat.mark] = number
                if beat.kind == "custom":
                    self._shown[beat.task_id].append(piece)
                yield beat.event(piece, seq)

    def _begin(self, beat: Beat, first: int) -> None:
        """Begin with an attempt of an activity. What an earlier one wrote is not recorded."""
        had = self._seen[beat.mark] = min(self._had.get(beat.mark, 0), beat.sent)
        shown = self._shown[beat.task_id] = deque()
        if beat.kind == "custom":
            shown.extend([_UNKNOWN] * min(had, first))
            shown.extend(beat.pieces[: max(0, had - first)])

    def position(self, beats: Iterable[Beat]) -> tuple[tuple[str, int], ...]:
        """How much the watcher has had of what is being sent."""
        return tuple((beat.mark, self._seen[beat.mark]) for beat in beats if self._seen.get(beat.mark))

    def had(self, event: Event) -> bool:
        """Whether an event records a piece that the watcher has had already."""
        shown = self._shown.get(event.task_id or "") if event.kind == "custom" else None
        if not shown:
            return False
        if shown.popleft() in (_UNKNOWN, event.data):
            return True
        shown.clear()  # those were of another attempt
        return False
