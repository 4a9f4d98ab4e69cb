"""What time does to leases: an attempt that takes too long ends, and one whose worker is gone goes back into the queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, or_, select

from .attempts import change
from .database import Database
from .dead_letters import bury
from .leases import GRACE_MS
from .outcomes import end
from .tables import attempts, leases
from .times import now_millis

_MOST = 200
"""Leases that one tick ends of each kind, so that others get their turn."""

_OVERDUE = leases.c.times_out_at <= bindparam("now")
_LOST = leases.c.expires_at < bindparam("cutoff")

ANY_DUE = select(select(leases.c.attempt_id).where(or_(_OVERDUE, _LOST)).exists())

_LEASED = (
    select(attempts)
    .join(leases, leases.c.attempt_id == attempts.c.attempt_id)
    .limit(_MOST)
    .with_for_update(of=attempts, skip_locked=True)  # what others are changing comes next time
)
_FIND_OVERDUE = _LEASED.where(_OVERDUE)
_FIND_LOST = _LEASED.where(_LOST)
# A lease may have been extended until its attempt was locked, so its time is looked at again.
_END_OVERDUE = delete(leases).where(leases.c.attempt_id == bindparam("attempt_id"), _OVERDUE)
_END_LOST = delete(leases).where(leases.c.attempt_id == bindparam("attempt_id"), _LOST).returning(leases.c.expires_at)


@dataclass(frozen=True, slots=True)
class Ticked:
    """What a tick did.

    Attributes:
        timed_out: Attempts that took too long.
        requeued: Attempts that are in the queue again.
    """

    timed_out: int
    requeued: int


class Ticks:
    """Lets time pass in one control store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tick(self, now: int | None = None, *, grace_ms: int = GRACE_MS) -> Ticked:
        """End what is due.

        Args:
            now: The present, in Unix milliseconds; by the clock by default.
            grace_ms: How long ago a lease must have expired to be lost.

        Raises:
            StoreUnavailableError: The database cannot be reached.
        """
        now = now_millis() if now is None else now
        due = {"now": now, "cutoff": now - grace_ms}
        if not await self._database.read(lambda connection: connection.scalar(ANY_DUE, due)):
            return Ticked(0, 0)  # most often, and nobody is to wait for that
        return await self._database.write(lambda connection: tick(connection, now, grace_ms))


def tick(connection: Connection, now: int, grace_ms: int = GRACE_MS) -> Ticked:
    """End what is due: first timeouts, so that an attempt that is both late and lost ends."""
    cutoff = now - grace_ms
    timed_out = requeued = 0
    for row in connection.execute(_FIND_OVERDUE, {"now": now}).all():
        if connection.execute(_END_OVERDUE, {"attempt_id": row.attempt_id, "now": now}).rowcount:
            change(connection, row, status=row.on_timeout_status, started_at=None, lost_at=None)
            if row.on_timeout_status == "failed":
                bury(connection, row, "execution_timeout", now)
            if row.remote:
                end(connection, [row.attempt_id], {"error": {"type": "NodeTimeoutError", "message": _too_long(row)}})
            timed_out += 1
    for row in connection.execute(_FIND_LOST, {"cutoff": cutoff}).all():
        expired_at = connection.scalar(_END_LOST, {"attempt_id": row.attempt_id, "cutoff": cutoff})
        if expired_at is not None:
            change(connection, row, status="queued", lost_at=expired_at)
            requeued += 1
    return Ticked(timed_out, requeued)


def _too_long(row: Row[Any]) -> str:
    return f"Worker {row.worker_id} had it for longer than the {row.timeout_ms / 1000:g} s that an attempt may take."
