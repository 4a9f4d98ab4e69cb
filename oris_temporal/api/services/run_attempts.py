"""The attempt that every run has for HTTP workers: open while its job is, and closed with it."""

from __future__ import annotations

import uuid

from oris_temporal.client import OrisClient, RunResult
from oris_temporal.client.lookup import find

from ..control_store.attempts import Attempts, NewAttempt, TerminalStatus
from ..control_store.times import now_millis
from ..control_store.trace_context import TraceContext
from .checks import TimeLimit


class RunAttempts:
    """Keeps the attempts of runs as open as their jobs.

    Args:
        client: The client.
        attempts: Where they are kept.
    """

    def __init__(self, client: OrisClient, attempts: Attempts) -> None:
        self._client = client
        self._attempts = attempts
        self._looked_at = 0

    async def began(
        self,
        result: RunResult,
        *,
        key: str | None,
        priority: int,
        tenant: str | None,
        limit: TimeLimit,
        trace: TraceContext,
    ) -> None:
        """Note a run that a request has started, as far as it got while that waited. It replaces the thread's earlier ones.

        A run that was started with a key is noted once, however often its request is repeated.
        """
        if result.status in ("failed", "cancelled"):
            await self.follow(result)
            return
        new = NewAttempt(
            attempt_id=f"attempt-{result.thread_id}-{_uuid(key)}",
            run_id=result.thread_id,
            priority=priority,
            tenant_id=tenant,
            trace=trace,
            timeout_ms=None if limit.time is None else round(limit.time.total_seconds() * 1_000),
            on_timeout_status=limit.then,
            status="completed" if result.status == "completed" else "queued",
        )
        if not await self._attempts.begin(new, now_millis()):
            await self.follow(result)

    async def follow(self, result: RunResult) -> None:
        """Close what is open of a thread whose job has ended."""
        if result.status in ("completed", "failed", "cancelled"):
            await self.ended(result.thread_id, result.status)

    async def ended(self, thread_id: str, status: TerminalStatus) -> None:
        """Close what is open of a thread."""
        await self._attempts.close(thread_id, status)

    async def catch_up(self) -> None:
        """Close what is open of threads whose jobs ended while no request waited, of some threads at a time."""
        open_runs = await self._attempts.open_runs(after=self._looked_at)
        for thread_id, last in open_runs:
            found = await find(self._client.temporal, f"{self._client.id_prefix}{thread_id}", thread_id)
            if found is not None and found.status in ("completed", "failed", "cancelled") and not found.continued:
                await self._attempts.close(thread_id, found.status, last=last)
        self._looked_at = open_runs[-1][1] if open_runs else 0


def _uuid(key: str | None) -> uuid.UUID:
    return uuid.uuid4() if key is None else uuid.uuid5(uuid.NAMESPACE_OID, key)
