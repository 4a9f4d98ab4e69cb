"""What happened in a run: its events and checkpoints, as far as they are kept."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import Any

from .errors import CheckpointNotFoundError
from .records import Checkpoint, Event


class RunLog:
    """Events and checkpoints of one run, oldest first.

    Args:
        thread_id: The run's thread, for errors.
        keep: Events and checkpoints kept at least; older ones are dropped.

    Attributes:
        events: The events.
        checkpoints: The checkpoints, of all namespaces.
        sequence: Number of the latest event.
        finished_nodes: How often each of the graph's own nodes finished.
        carried: By namespace, the checkpoints at which the run continued from an earlier history, which has them among its own.
    """

    def __init__(self, thread_id: str, keep: int) -> None:
        self.events: list[Event] = []
        self.checkpoints: list[Checkpoint] = []
        self.sequence = 0
        self.finished_nodes: Counter[str] = Counter()
        self.carried: dict[str, Checkpoint] = {}
        self._thread_id = thread_id
        self._keep = keep

    def append(self, event: Event) -> None:
        """Note an event."""
        self.sequence = event.seq
        self.events.append(event)
        if event.kind == "task_completed" and event.node and not event.namespace:
            self.finished_nodes[event.node] += 1
        if len(self.events) > 2 * self._keep:
            del self.events[: self._keep]

    def add(self, checkpoint: Checkpoint) -> None:
        """Note a checkpoint."""
        self.checkpoints.append(checkpoint)
        if len(self.checkpoints) > 2 * self._keep:
            del self.checkpoints[: self._keep]

    def find(self, checkpoint_id: str | None = None, namespace: str = "") -> Checkpoint | None:
        """A checkpoint by id, or the latest of a namespace; ``None`` if there is none."""
        newest_first = chain(reversed(self.checkpoints), self.carried.values())
        return next(
            (item for item in newest_first if item.namespace == namespace and checkpoint_id in (None, item.id)), None
        )

    def of(self, namespace: str) -> list[Checkpoint]:
        """The checkpoints of a namespace, oldest first, from the one at which the run continued from an earlier history."""
        carried = [self.carried[namespace]] if namespace in self.carried else []
        return [*carried, *(item for item in self.checkpoints if item.namespace == namespace)]

    def checkpoint(self, checkpoint_id: str | None = None, namespace: str = "") -> Checkpoint:
        """A checkpoint by id, or the latest of a namespace.

        Raises:
            CheckpointNotFoundError: There is none.
        """
        found = self.find(checkpoint_id, namespace)
        if found is None:
            raise CheckpointNotFoundError(
                f"Thread {self._thread_id!r} has no checkpoint {checkpoint_id!r}"
                + (f" in namespace {namespace!r}." if namespace else "."),
                thread_id=self._thread_id,
            )
        return found

    def first(self) -> Checkpoint:
        """The checkpoint the run started with.

        Raises:
            CheckpointNotFoundError: The run has none.
        """
        return next((item for item in self.checkpoints if not item.namespace), None) or self.checkpoint()

    def latest(self, namespace: str) -> Checkpoint | None:
        """The latest checkpoint of a namespace."""
        return self.find(None, namespace)

    def values_at(self, event: Event) -> dict[str, Any] | None:
        """For the event of a checkpoint, the state as JSON data."""
        return self.checkpoint(event.data["id"], event.namespace).encoded() if event.kind == "checkpoint" else None
