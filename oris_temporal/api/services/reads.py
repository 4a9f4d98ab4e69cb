"""Looking at threads: state, checkpoints, timeline."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from oris_temporal.client import OrisClient, RunInfo
from oris_temporal.graph.errors import (
    GraphNotFoundError,
    OrisError,
    PersistenceError,
    ThreadNotFoundError,
    UnavailableError,
)

from ..control_store.attempts import Attempts
from ..control_store.trace_context import TraceContext
from ..error_mapping import failing
from ..errors import not_found, unavailable
from ..models.job_reads import (
    History,
    HistoryItem,
    JobDetail,
    JobInspection,
    JobState,
    Observability,
    Timeline,
    TimelineExport,
    TimelineItem,
)
from ..models.jobs import JobStatus
from ..models.results import JobResult
from ..transport.preferences import Preferences
from .checks import require
from .interrupts import by_age, interrupt_detail
from .results import job_result, job_status
from .threads import ThreadGuard, no_state
from .trace import wire_trace
from .waiting import check_wait


class ReadService:
    """Reads threads; changes nothing.

    Args:
        client: The client.
        guard: Knows which threads were cancelled.
        attempts: Where the traces of jobs are.
    """

    def __init__(self, client: OrisClient, guard: ThreadGuard, attempts: Attempts) -> None:
        self._client = client
        self._guard = guard
        self._attempts = attempts

    async def state(self, thread_id: str) -> JobState:
        """The latest checkpoint."""
        look = await self._look(thread_id)
        return JobState(
            thread_id=thread_id,
            checkpoint_id=look.checkpoint_id,
            created_at=look.saved_at(),
            values=look.values(),
        )

    async def inspect(self, thread_id: str) -> JobInspection:
        """The latest checkpoint and everything of `detail`."""
        look = await self._look(thread_id)
        look.values()
        detail = _detail(look, await self._attempts.trace_of(thread_id))
        return JobInspection(**dict(detail), created_at=look.saved_at())

    async def detail(self, thread_id: str) -> JobDetail:
        """Everything about the job, as far as it can be read now."""
        return _detail(await self._look(thread_id), await self._attempts.trace_of(thread_id))

    async def result(self, thread_id: str, wait_ms: int) -> JobResult:
        """How the latest run stands: at once, or when it has settled or the wait is over."""
        require(thread_id, "thread_id")
        try:
            if wait_ms:
                with suppress(UnavailableError, GraphNotFoundError):  # it cannot go on now, which its status says
                    await self._client.result(thread_id, wait=check_wait(wait_ms, Preferences()))
            return job_result(await self._client.inspect(thread_id))
        except ThreadNotFoundError:
            raise no_state(thread_id) from None

    async def history(self, thread_id: str) -> History:
        """All checkpoints; none for an unknown thread."""
        require(thread_id, "thread_id")
        with failing("history failed"):
            return History(thread_id=thread_id, history=await self._history(thread_id))

    async def timeline(self, thread_id: str) -> Timeline:
        """One event per checkpoint."""
        require(thread_id, "thread_id")
        with failing("timeline failed"):
            history = await self._known_history(thread_id)
        return Timeline(thread_id=thread_id, timeline=timeline_of(history), observability=observability_of(history))

    async def export(self, thread_id: str) -> TimelineExport:
        """Timeline and checkpoints."""
        require(thread_id, "thread_id")
        with failing("timeline export failed"):
            history = await self._known_history(thread_id)
        return TimelineExport(
            thread_id=thread_id,
            timeline=timeline_of(history),
            observability=observability_of(history),
            history=history,
        )

    async def checkpoint(self, thread_id: str, checkpoint_id: str) -> JobState:
        """The state at one checkpoint."""
        require(thread_id, "thread_id")
        require(checkpoint_id, "checkpoint_id")
        try:
            snapshot = await self._client.checkpoint(thread_id, checkpoint_id)
        except PersistenceError:
            raise no_state(thread_id) from None
        return JobState(
            thread_id=thread_id,
            checkpoint_id=checkpoint_id,
            created_at=snapshot.created_at,
            values=snapshot.values,
        )

    async def _look(self, thread_id: str) -> _Look:
        require(thread_id, "thread_id")
        run, history, cancelled = await asyncio.gather(
            self._client.inspect(thread_id, ask_worker=False),  # its checkpoints are asked for anyway
            self._history(thread_id),
            self._guard.is_cancelled(thread_id),
            return_exceptions=True,
        )
        if isinstance(run, ThreadNotFoundError):
            raise no_state(thread_id) from None
        if isinstance(run, BaseException):
            raise run
        if isinstance(cancelled, BaseException):
            raise cancelled
        status: JobStatus = "cancelled" if cancelled else job_status(run)
        if isinstance(history, OrisError):
            return _Look(run, status, [], unreadable=history)
        if isinstance(history, BaseException):
            raise history
        return _Look(run, status, history)

    async def _history(self, thread_id: str) -> list[HistoryItem]:
        try:
            snapshots = await self._client.history(thread_id, values=False)
        except ThreadNotFoundError:
            return []
        return [
            HistoryItem(checkpoint_id=snapshot.checkpoint_id, created_at=snapshot.created_at) for snapshot in snapshots
        ]

    async def _known_history(self, thread_id: str) -> list[HistoryItem]:
        history = await self._history(thread_id)
        if not history:
            raise not_found(f"No timeline found for thread: {thread_id}")
        return history


@dataclass(frozen=True, slots=True)
class _Look:
    """A thread as it was found: its latest run, its status, its checkpoints, and why they could not be read."""

    run: RunInfo
    status: JobStatus
    history: list[HistoryItem]
    unreadable: OrisError | None = None

    def values(self) -> dict[str, Any]:
        if self.run.values is None:
            busy = unavailable(f"thread '{self.run.thread_id}' cannot be read just now") if self.history else None
            raise self.unreadable or busy or no_state(self.run.thread_id)
        return self.run.values

    def saved_at(self) -> datetime:
        saved = {item.checkpoint_id: item.created_at for item in self.history}
        return saved.get(self.checkpoint_id or "", self.run.updated_at)

    @property
    def checkpoint_id(self) -> str | None:
        """The run's latest checkpoint; of one that has completed, the thread's."""
        last = self.history[-1].checkpoint_id if self.history and self.run.status == "completed" else None
        return self.run.checkpoint_id or last


def _detail(look: _Look, trace: TraceContext | None) -> JobDetail:
    run, history = look.run, look.history
    return JobDetail(
        thread_id=run.thread_id,
        status=look.status,
        reason=str(run.error.get("message", "")) if run.error else run.reason,
        checkpoint_id=look.checkpoint_id,
        values=run.values,
        history=history,
        timeline=timeline_of(history),
        pending_interrupt=interrupt_detail(max(run.interrupts, key=by_age)) if run.interrupts else None,
        trace=wire_trace(trace),
        observability=observability_of(history) if history else None,
    )


def timeline_of(history: list[HistoryItem]) -> list[TimelineItem]:
    """One event per checkpoint; positions are contiguous from 1."""
    return [
        TimelineItem(seq=seq, checkpoint_id=item.checkpoint_id, created_at=item.created_at)
        for seq, item in enumerate(history, start=1)
    ]


def observability_of(history: list[HistoryItem]) -> Observability:
    """The timeline in short."""
    return Observability(
        reasoning_timeline=[f"CheckpointSaved#{seq}" for seq in range(1, len(history) + 1)],
        replay_cost=len(history),
    )
