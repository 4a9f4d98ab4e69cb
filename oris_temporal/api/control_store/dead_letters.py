"""Dead letters: attempts that failed for good, and putting them back into the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, Row, bindparam, select, update

from oris_temporal.graph.errors import ConflictError, PersistenceError

from .attempts import change, lock
from .database import Database
from .inserts import insert_or_change
from .remote_tasks import await_revival, give_up_revival
from .tables import dead_letters
from .times import from_millis

Reason: TypeAlias = Literal["terminal_failed", "execution_timeout"]
ReplayStatus: TypeAlias = Literal["pending", "replayed", "settled"]

_NEWEST_FIRST = (dead_letters.c.dead_at.desc(), dead_letters.c.attempt_id)

_REPLAY = (
    update(dead_letters)
    .where(dead_letters.c.attempt_id == bindparam("of_attempt"), dead_letters.c.replay_status == "pending")
    .values(replay_status="replayed", replay_count=dead_letters.c.replay_count + 1, last_replayed_at=bindparam("now"))
    .returning(dead_letters.c.replay_count)
)
_UNDO = (
    update(dead_letters)
    .where(dead_letters.c.attempt_id == bindparam("of_attempt"), dead_letters.c.replay_status == "replayed")
    .values(replay_status="pending", replay_count=dead_letters.c.replay_count - 1)
)


class DeadLetterNotFoundError(PersistenceError):
    """No attempt with this id has failed for good."""


class DeadLetterReplayedError(ConflictError):
    """The dead letter was replayed already, or its run has ended."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An attempt that failed for good.

    Attributes:
        attempt_id: The attempt.
        run_id: Thread of its run.
        tenant_id: Whose it is.
        attempt_no: Which execution of it failed.
        reason: Whether a worker said so, or it took too long.
        dead_at: When that was (UTC).
        replay_status: ``pending``; ``replayed`` once it is back in the queue; ``settled`` once its run has ended without it.
        replay_count: How often it was put back.
        last_replayed_at: When that was last (UTC).
    """

    attempt_id: str
    run_id: str
    tenant_id: str | None
    attempt_no: int
    reason: Reason
    dead_at: datetime
    replay_status: ReplayStatus
    replay_count: int
    last_replayed_at: datetime | None


class DeadLetters:
    """The dead letters of one control store.

    Every method raises `StoreUnavailableError` when the database cannot be reached.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, *, replay_status: str | None = None, tenant: str | None = None, limit: int = 100
    ) -> Sequence[DeadLetter]:
        """Dead letters, newest first.

        Args:
            replay_status: Only those of this status.
            tenant: Only those of this tenant.
            limit: Most of them.
        """
        exact = {"replay_status": replay_status, "tenant_id": tenant}
        query = select(dead_letters).order_by(*_NEWEST_FIRST).limit(limit)
        query = query.filter_by(**{name: value for name, value in exact.items() if value is not None})
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [_dead_letter(row) for row in rows]

    async def find(self, attempt_id: str) -> DeadLetter | None:
        """The dead letter of an attempt."""
        query = select(dead_letters).where(dead_letters.c.attempt_id == attempt_id)
        row = await self._database.read(lambda connection: connection.execute(query).first())
        return None if row is None else _dead_letter(row)

    async def replay(self, attempt_id: str, now: int, *, tenant: str | None = None) -> int:
        """Put an attempt back into the queue, with its retries unspent; that of a node, once that is called again.

        Args:
            attempt_id: The attempt.
            now: The present, in Unix milliseconds.
            tenant: Only one of this tenant.

        Returns:
            How often that has been done.

        Raises:
            DeadLetterNotFoundError: It is no dead letter.
            DeadLetterReplayedError: It is none any more.
            NotToldError: A node waits for it, whose run does not know yet that it failed.
        """
        return await self._database.write(lambda connection: _replay(connection, attempt_id, now, tenant))

    async def undo_replay(self, attempt_id: str) -> None:
        """Take the replay of an attempt back whose node was not called again."""

        def work(connection: Connection) -> None:
            row = lock(connection, attempt_id)
            if row is not None and give_up_revival(connection, row):
                connection.execute(_UNDO, {"of_attempt": attempt_id})

        await self._database.write(work)


def bury(connection: Connection, row: Row[Any], reason: Reason, now: int) -> None:
    """Make a dead letter of a locked attempt, anew if it was one before."""
    new = {"attempt_no": row.attempt_no, "reason": reason, "dead_at": now, "replay_status": "pending"}
    whose = {"attempt_id": row.attempt_id, "run_id": row.run_id, "tenant_id": row.tenant_id}
    values = {**whose, "replay_count": 0, **new}
    insert_or_change(connection, dead_letters, values, key="attempt_id", changed=tuple(new))


def _replay(connection: Connection, attempt_id: str, now: int, tenant: str | None) -> int:
    row = lock(connection, attempt_id)
    if row is None or tenant not in (None, row.tenant_id):
        raise _unknown(attempt_id)
    count: int | None = connection.scalar(_REPLAY, {"of_attempt": attempt_id, "now": now})
    if count is None:
        known = select(dead_letters.c.attempt_id).where(dead_letters.c.attempt_id == attempt_id)
        if connection.scalar(known) is None:
            raise _unknown(attempt_id)
        raise DeadLetterReplayedError(f"Driver error: dead letter already replayed for attempt: {attempt_id}")
    if row.remote:
        await_revival(connection, row)
    else:
        change(connection, row, status="queued", first_attempt_no=row.attempt_no, worker_id=None)
    return count


def _unknown(attempt_id: str) -> DeadLetterNotFoundError:
    return DeadLetterNotFoundError(f"Driver error: dead letter not found for attempt: {attempt_id}")


def _dead_letter(row: Row[Any]) -> DeadLetter:
    values = dict(row._mapping)
    replayed = values["last_replayed_at"]
    values["dead_at"] = from_millis(values["dead_at"])
    values["last_replayed_at"] = None if replayed is None else from_millis(replayed)
    return DeadLetter(**values)
