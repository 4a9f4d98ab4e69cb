"""What running activities say while they run: model tokens and custom stream data.

It travels in heartbeat details, which the server keeps with a pending activity and never writes to history. A look at the run
sees the latest pieces of each; a watcher takes those it has not had.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from temporalio.client import Client

from oris_temporal.graph.records import Event, EventKind
from oris_temporal.workflows.protocol import LLM

from .lookup import Found

LOOK_SECONDS = 0.1
"""Time between two looks at a run that has activities running; workers send heartbeats as often."""

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
    """

    activity_id: str
    attempt: int
    kind: EventKind
    sent: int
    pieces: list[Any]

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
            beats.append(Beat(pending.activity_id, stream["attempt"], kind, stream["sent"], stream["pieces"]))
    return beats


class LiveView:
    """What one watcher has seen of it."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int], int] = {}
        self._shown: defaultdict[str, deque[Any]] = defaultdict(deque)

    def fresh(self, beats: Iterable[Beat], seq: int) -> Iterator[Event]:
        """Pieces that the watcher has not had, as events after the one of a number."""
        for beat in beats:
            key = (beat.activity_id, beat.attempt)
            if key not in self._seen:
                self._seen[key] = 0
                self._shown[beat.task_id].clear()  # an earlier attempt's pieces are not recorded
            missing = beat.sent - self._seen[key]
            self._seen[key] = beat.sent
            for piece in beat.pieces[-missing:] if missing > 0 else ():  # of a flood, the last ones
                if beat.kind == "custom":
                    self._shown[beat.task_id].append(piece)
                yield beat.event(piece, seq)

    def had(self, event: Event) -> bool:
        """Whether an event records a piece that the watcher has had already."""
        shown = self._shown.get(event.task_id or "") if event.kind == "custom" else None
        if not shown:
            return False
        if shown.popleft() == event.data:
            return True
        shown.clear()  # those were of another attempt
        return False
