"""What the client returns."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from oris_temporal.graph.errors import RunFailedError
from oris_temporal.graph.interrupts import Interrupt
from oris_temporal.graph.records import RunStatus
from oris_temporal.graph.results import StreamChunk
from oris_temporal.models import Usage


@dataclass(frozen=True, slots=True)
class RunHandle:
    """A run that was started.

    Attributes:
        thread_id: The thread.
        run_id: Temporal's run id.
    """

    thread_id: str
    run_id: str


@dataclass(slots=True)
class RunResult:
    """How far a run got.

    Attributes:
        thread_id: The thread.
        run_id: Temporal's run id.
        status: ``running`` (the wait budget ended first), ``interrupted``, ``completed``, ``failed`` or ``cancelled``.
        values: The state as JSON data.
        state: The state; an instance of the graph's schema where the call was given the graph, else the same as `values`.
            ``None`` where what `values` has is no instance yet: the run has not begun, or failed at its input.
        interrupts: What the run waits for, in order.
        next: Nodes that run next, or are running.
        checkpoint_id: Latest checkpoint.
        error: For a failed run: ``code``, ``message``, ``details``.
        usage: What its model calls used, by model.
    """

    thread_id: str
    run_id: str
    status: RunStatus
    values: dict[str, Any]
    state: Any
    interrupts: list[Interrupt] = field(default_factory=list)
    next: list[str] = field(default_factory=list)
    checkpoint_id: str | None = None
    error: dict[str, Any] | None = None
    usage: dict[str, Usage] = field(default_factory=dict)

    def raise_for_status(self) -> RunResult:
        """This result, unless the run failed.

        Raises:
            RunFailedError: It failed.
        """
        if self.status == "failed":
            error = self.error or {}
            code = str(error.get("code", "unknown"))
            raise RunFailedError(
                str(error.get("message", "The run failed.")), failure=code, cause=error.get("details", {})
            )
        return self


@dataclass(slots=True)
class RunSummary:
    """One thread in a list: its latest run.

    Attributes:
        thread_id: The thread.
        run_id: Temporal's run id.
        graph: Name of the graph.
        status: As in `RunResult`.
        created_at: When the run started (UTC).
        updated_at: When its status last changed (UTC).
        tenant: Its tenant, or ``None``.
        parent: Thread it was forked from, or is a subgraph of; of a child of your own workflow, the id of that.
        interrupts: What it waits for; large values are cut.
        asked: How much the thread has asked people so far, over all its runs.
    """

    thread_id: str
    run_id: str
    graph: str
    status: RunStatus
    created_at: datetime
    updated_at: datetime
    tenant: str | None = None
    parent: str | None = None
    interrupts: list[Interrupt] = field(default_factory=list)
    asked: int = 0


@dataclass(slots=True)
class RunInfo(RunSummary):
    """One thread in full.

    Attributes:
        run: Ordinal of the run within the thread.
        values: The state as JSON data; ``None`` if no worker can tell and the run has not completed.
        next: Nodes that run next, or are running.
        checkpoint_id: Latest checkpoint.
        error: For a failed run: ``code``, ``message``, ``details``.
        reason: For a cancelled run: why, where somebody said so.
        task_queue: Task queue of the run.
        history_events: Events in the run's history.
        history_bytes: Bytes of the run's history.
        begun: Whether a worker has begun the run.
        paused: Whether an operator paused the workflow.
        usage: What its model calls used, by model.
    """

    run: int = 1
    values: dict[str, Any] | None = None
    next: list[str] = field(default_factory=list)
    checkpoint_id: str | None = None
    error: dict[str, Any] | None = None
    reason: str | None = None
    task_queue: str = ""
    history_events: int = 0
    history_bytes: int = 0
    begun: bool = True
    paused: bool = False
    usage: dict[str, Usage] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Watch:
    """A stream of what happens in a run.

    Attributes:
        run: Ordinal of the run within the thread.
        chunks: What happens.
    """

    run: int
    chunks: AsyncGenerator[StreamChunk, None]


@dataclass(slots=True)
class TimelineEvent:
    """One thing that happened in a run.

    Attributes:
        seq: Number within the run. Numbers are missing where something happened that only streams show.
        at: When (UTC).
        kind: What, such as ``task_completed``, ``interrupt`` or ``resumed``.
        step: Checkpoint number it belongs to.
        node: Node concerned.
        data: Everything else, JSON data.
    """

    seq: int
    at: datetime
    kind: str
    step: int | None
    node: str | None
    data: dict[str, Any]
