"""Attempts: work for HTTP workers, in the order in which they are to do it.

Whoever changes an attempt locks its row first (`lock`), then reads and changes its lease, dead letter and retries: so
no two callers stand in each other's way, on one facade or on several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from sqlalchemy import Connection, Row, bindparam, delete, func, or_, select, update

from oris_temporal.graph.errors import PersistenceError

from .database import Database
from .inserts import insert_if_new
from .outcomes import end
from .tables import attempts, dead_letters, leases
from .trace_context import TraceContext

TerminalStatus: TypeAlias = Literal["completed", "failed", "cancelled"]
AttemptStatus: TypeAlias = Literal["queued", "leased", "retry_backoff", TerminalStatus]

TERMINAL = get_args(TerminalStatus)
_NUMBER_MAX = 2**63 - 1

_LOCK = select(attempts).where(attempts.c.attempt_id == bindparam("attempt_id")).with_for_update()
_CHANGE = update(attempts).where(attempts.c.number == bindparam("of_number"))
_OPEN = attempts.c.status.in_(("queued", "leased", "retry_backoff"))
_CLOSE = (
    update(attempts)
    .where(attempts.c.run_id == bindparam("of_run"), attempts.c.number <= bindparam("last"), _OPEN)
    .returning(attempts.c.attempt_id)
)
_SETTLE = update(dead_letters).where(
    dead_letters.c.run_id == bindparam("of_run"), dead_letters.c.replay_status == "pending"
)
_REMOTE = select(attempts.c.attempt_id).where(attempts.c.run_id == bindparam("of_run"), attempts.c.remote)
_SETTLE_OWN = _SETTLE.where(dead_letters.c.attempt_id.not_in(_REMOTE))
_CLOSE_OWN = _CLOSE.where(~attempts.c.remote)


class AttemptNotFoundError(PersistenceError):
    """No attempt has this id."""


@dataclass(frozen=True, slots=True)
class NewAttempt:
    """An attempt to enqueue.

    Attributes:
        attempt_id: Its id.
        run_id: Thread of the run that it belongs to.
        priority: 0 (last) to 100 (first).
        tenant_id: Whose it is; attempts of nobody are not limited by tenant.
        trace: Span of the request that enqueues it.
        timeout_ms: Milliseconds that it may take from its first lease on.
        on_timeout_status: Its status if it takes longer.
        status: ``queued``, or ``completed`` where its run was over at once.
    """

    attempt_id: str
    run_id: str
    priority: int = 0
    tenant_id: str | None = None
    trace: TraceContext | None = None
    timeout_ms: int | None = None
    on_timeout_status: Literal["failed", "cancelled"] = "failed"
    status: Literal["queued", "completed"] = "queued"


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt as it is.

    Attributes:
        attempt_id: Its id.
        run_id: Thread of the run that it belongs to.
        tenant_id: Whose it is.
        status: What became of it so far.
        attempt_no: Which execution it is at, from 1.
    """

    attempt_id: str
    run_id: str
    tenant_id: str | None
    status: AttemptStatus
    attempt_no: int


_FIND = select(*(attempts.c[name] for name in Attempt.__slots__)).where(attempts.c.attempt_id == bindparam("id"))
_NEWEST = select(attempts).where(attempts.c.run_id == bindparam("run_id")).order_by(attempts.c.number.desc()).limit(1)
_OPEN_RUNS = (
    select(attempts.c.run_id, func.max(attempts.c.number).label("last"))
    .where(_OPEN)
    .group_by(attempts.c.run_id)
    .having(func.max(attempts.c.number) > bindparam("after"))
    .order_by("last")
    .limit(bindparam("limit"))
)
_WAITING = (
    select(func.count())
    .select_from(attempts)
    .where(or_(attempts.c.status == "queued", attempts.c.retry_at <= bindparam("now")))
)


class Attempts:
    """The attempts of one control store.

    Every method raises `StoreUnavailableError` when the database cannot be reached. Times are Unix milliseconds.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def enqueue(self, new: NewAttempt, now: int) -> None:
        """Add an attempt; nothing happens if there is one with its id."""
        await self._database.write(lambda connection: enqueue(connection, new, now))

    async def begin(self, new: NewAttempt, now: int) -> bool:
        """Add the attempt of a run that takes the place of the thread's earlier ones, which are cancelled.

        Those that nodes wait for end with their nodes.

        Returns:
            Whether it is new; otherwise nothing happens.
        """

        def work(connection: Connection) -> bool:
            if not enqueue(connection, new, now):
                return False
            row = lock(connection, new.attempt_id)
            if row is not None:
                _close(connection, new.run_id, "cancelled", row.number - 1, spare_nodes=True)
            return True

        return await self._database.write(work)

    async def close(self, run_id: str, status: TerminalStatus, *, last: int = _NUMBER_MAX) -> None:
        """End all attempts of a thread that are open, leased ones too, and settle its pending dead letters.

        Args:
            run_id: The thread.
            status: How its job ended.
            last: Number of the last attempt that is concerned; all by default.
        """
        await self._database.write(lambda connection: _close(connection, run_id, status, last))

    async def open_runs(self, *, after: int = 0, limit: int = 100) -> Sequence[tuple[str, int]]:
        """Threads that have an open attempt, each with the number of its last one, in the order of these.

        Args:
            after: Only those whose last one has a higher number.
            limit: Most threads.
        """
        bounds = {"after": after, "limit": limit}
        found = await self._database.read(lambda connection: connection.execute(_OPEN_RUNS, bounds).all())
        return [(row.run_id, row.last) for row in found]

    async def find(self, attempt_id: str) -> Attempt | None:
        """The attempt with an id."""
        row = await self._database.read(lambda connection: connection.execute(_FIND, {"id": attempt_id}).first())
        return None if row is None else Attempt(*row)

    async def trace_of(self, run_id: str) -> TraceContext | None:
        """Where the newest attempt of a thread stands in its trace."""
        row = await self._database.read(lambda connection: connection.execute(_NEWEST, {"run_id": run_id}).first())
        return None if row is None else trace_in(row)

    async def waiting(self, now: int) -> int:
        """How many could be dispatched now, limits aside."""
        return await self._database.read(lambda connection: connection.scalar(_WAITING, {"now": now})) or 0


def lock(connection: Connection, attempt_id: str) -> Row[Any] | None:
    """An attempt's row, which nobody else changes until the transaction ends."""
    return connection.execute(_LOCK, {"attempt_id": attempt_id}).first()


def change(connection: Connection, row: Row[Any], **values: Any) -> None:
    """Change a locked attempt."""
    if values:
        connection.execute(_CHANGE, {"of_number": row.number, **values})


def trace_in(row: Row[Any]) -> TraceContext | None:
    """Where an attempt stands in its trace; ``None`` if it has none."""
    if row.trace_id is None:
        return None
    return TraceContext(row.trace_id, row.span_id, row.parent_span_id, row.trace_flags)


def trace_columns(trace: TraceContext | None) -> dict[str, Any]:
    """A trace as an attempt has it."""
    return {} if trace is None else {name: getattr(trace, name) for name in TraceContext.__slots__}


def enqueue(connection: Connection, new: NewAttempt, now: int, **more: Any) -> bool:
    """Add an attempt, with more columns; returns whether there was none with its id."""
    values = {name: getattr(new, name) for name in NewAttempt.__slots__ if name != "trace"}
    values |= {"attempt_no": 1, "first_attempt_no": 1, "created_at": now, **trace_columns(new.trace), **more}
    return insert_if_new(connection, attempts, values)


def _close(
    connection: Connection,
    run_id: str,
    status: TerminalStatus,
    last: int = _NUMBER_MAX,
    *,
    spare_nodes: bool = False,
) -> None:
    # Dead letters first: one that is replayed just then has either put its attempt back, to be closed next, or finds itself settled.
    # What a job has failed of can be revived, and the job with it.
    connection.execute(_SETTLE_OWN if status == "failed" else _SETTLE, {"of_run": run_id, "replay_status": "settled"})
    ended = {"status": status, "retry_at": None, "started_at": None, "lost_at": None}
    closed = connection.scalars(_CLOSE_OWN if spare_nodes else _CLOSE, {"of_run": run_id, "last": last, **ended}).all()
    if closed:
        connection.execute(delete(leases).where(leases.c.attempt_id.in_(closed)))
        end(connection, closed, {"cancelled": f"The job is {status}."})
