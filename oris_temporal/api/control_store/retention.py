"""What is forgotten: records of work that ended long ago."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, select

from .attempts import TERMINAL
from .database import Database
from .tables import attempts, dead_letters, idempotency_keys, remote_tasks, replay_effects, retries, step_reports
from .times import now_millis

_DAY_MS = 24 * 60 * 60 * 1_000

_MOST = 500
"""Attempts that one transaction forgets, so that others get their turn."""

_UNTOLD = select(remote_tasks.c.attempt_id).where(
    remote_tasks.c.attempt_id == attempts.c.attempt_id, remote_tasks.c.state != "told"
)
_TO_REPLAY = select(dead_letters.c.attempt_id).where(
    dead_letters.c.attempt_id == attempts.c.attempt_id, dead_letters.c.replay_status == "pending"
)
_OLD_ATTEMPTS = (
    select(attempts.c.attempt_id)
    .where(attempts.c.status.in_(TERMINAL), attempts.c.created_at < bindparam("before"))
    .where(~_UNTOLD.exists(), ~_TO_REPLAY.exists())
    .order_by(attempts.c.number)
    .limit(_MOST)
    .with_for_update(of=attempts, skip_locked=True)
)
_OF_ATTEMPTS = [
    delete(table).where(table.c.attempt_id.in_(bindparam("ids", expanding=True)))
    for table in (retries, remote_tasks, dead_letters, attempts)  # those that name attempts first
]
_OLD_REST = [
    delete(step_reports).where(step_reports.c.reported_at < bindparam("before")),
    delete(idempotency_keys).where(idempotency_keys.c.completed_at < bindparam("before")),
    delete(replay_effects).where(replay_effects.c.completed_at < bindparam("before")),
]


class Retention:
    """Forgets what ended long ago in one control store.

    What somebody may still ask for stays: the audit log, keys of callers, cancelled threads, and dead letters that wait to be
    replayed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def forget(self, now: int | None = None) -> int:
        """Delete what is older than the settings' ``retention_days``: reports, answers to repeated requests, and attempts that have ended.

        An attempt's age is counted from when it was enqueued.

        Args:
            now: The present, in Unix milliseconds; by the clock by default.

        Returns:
            How many attempts.

        Raises:
            StoreUnavailableError: The database cannot be reached.
        """
        if (days := self._database.settings.retention_days) is None:
            return 0
        before = (now_millis() if now is None else now) - days * _DAY_MS
        await self._database.write(lambda connection: _forget_rest(connection, before))
        forgotten = 0
        while number := await self._database.write(lambda connection: _forget_some(connection, before)):
            forgotten += number
        return forgotten


def _forget_rest(connection: Connection, before: int) -> None:
    for statement in _OLD_REST:
        connection.execute(statement, {"before": before})


def _forget_some(connection: Connection, before: int) -> int:
    ids = list(connection.scalars(_OLD_ATTEMPTS, {"before": before}))
    for statement in _OF_ATTEMPTS if ids else ():
        connection.execute(statement, {"ids": ids})
    return len(ids)
