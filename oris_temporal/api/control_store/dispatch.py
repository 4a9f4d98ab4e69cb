"""Handing out attempts: which one a worker gets, or why it gets none."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, and_, bindparam, func, null, or_, select, text, update

from .attempts import change, trace_columns, trace_in
from .database import Database
from .leases import GRACE_MS, LEASE_MS, take
from .remote_tasks import RemoteTask, task_of
from .tables import attempts, leases
from .ticks import ANY_DUE, tick
from .trace_context import TraceContext

_LIVE = leases.c.expires_at >= bindparam("now")
_DUE_RETRY = attempts.c.retry_at <= bindparam("now")

_OF_WORKER = select(func.count()).select_from(leases).where(leases.c.worker_id == bindparam("worker_id"), _LIVE)
_LOOK = select(
    _OF_WORKER.scalar_subquery().label("active"),
    ANY_DUE.scalar_subquery().label("lease_due"),
    select(attempts.c.number).where(_DUE_RETRY).exists().label("retry_due"),
)
_FREE = select(attempts.c.number).where(_DUE_RETRY).with_for_update(skip_locked=True)
_QUEUE_RETRIES = update(attempts).where(attempts.c.number.in_(_FREE)).values(status="queued", retry_at=null())

_FULL_TENANTS = (
    select(leases.c.tenant_id)
    .where(leases.c.tenant_id.is_not(None), _LIVE)
    .group_by(leases.c.tenant_id)
    .having(func.count() >= bindparam("tenant_limit"))
)
_IN_ORDER = (attempts.c.priority.desc(), attempts.c.attempt_no, attempts.c.number)
_QUEUED = attempts.c.status == "queued"
_NEXT = (
    select(attempts)
    .where(and_(_QUEUED, or_(attempts.c.tenant_id.is_(None), attempts.c.tenant_id.not_in(_FULL_TENANTS))))
    .order_by(*_IN_ORDER)
    .limit(1)
    .with_for_update(of=attempts, skip_locked=True)
)
_OF_TENANT = attempts.c.tenant_id == bindparam("tenant")
_NEXT_OF_TENANT = _NEXT.where(_OF_TENANT)
_HOW_FULL = _FULL_TENANTS.add_columns(func.count())
_FIRST = select(attempts.c.tenant_id).where(_QUEUED).order_by(*_IN_ORDER).limit(bindparam("depth"))
_FIRST_OF_TENANT = _FIRST.where(_OF_TENANT)

_TAKE_TURNS = text("SELECT pg_advisory_xact_lock(hashtext('oris_dispatch'))")
"""Limits count leases of others, so polls take turns; SQLite's writers do anyway."""


@dataclass(frozen=True, slots=True)
class Poll:
    """What a worker asks for.

    Attributes:
        worker_id: The worker.
        worker_limit: Most leases that it may have.
        tenant_limit: Most leases that a tenant may have.
        depth: How many attempts are looked at to tell which tenant is at its limit.
        span_id: The attempt's next span.
        tenant: Tenant whose attempts it may have; ``None`` is all.
    """

    worker_id: str
    worker_limit: int
    tenant_limit: int
    depth: int
    span_id: str
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What a worker gets.

    Attributes:
        decision: Whether it gets an attempt, may not have one, or there is none.
        worker_active: Leases that the worker had.
        reason: Which limit is reached.
        attempt_id: The attempt.
        lease_id: Its lease.
        expires_at: Until when it is leased, in Unix milliseconds.
        lost_at: When the lease expired that was lost before this one, if one was.
        tenant_id: The attempt's tenant, or the one that is at its limit.
        tenant_active: Leases that a tenant at its limit has.
        trace: Where the attempt stands in its trace.
        thread_id: Thread of the run that the attempt belongs to.
        attempt_no: Which execution of it this is.
        times_out_at: When it ends if it is not acknowledged, in Unix milliseconds.
        task: What a node of a graph wants done.
    """

    decision: Literal["dispatched", "backpressure", "noop"]
    worker_active: int
    reason: Literal["worker_limit", "tenant_limit"] | None = None
    attempt_id: str | None = None
    lease_id: str | None = None
    expires_at: int | None = None
    lost_at: int | None = None
    tenant_id: str | None = None
    tenant_active: int | None = None
    trace: TraceContext | None = None
    thread_id: str | None = None
    attempt_no: int | None = None
    times_out_at: int | None = None
    task: RemoteTask | None = None


class Dispatcher:
    """Hands out the attempts of one control store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def poll(self, poll: Poll, now: int) -> Decision:
        """Lease the first attempt that no limit holds back, after what time has done (`tick`).

        Raises:
            StoreUnavailableError: The database cannot be reached.
        """
        return await self._database.write(lambda connection: _poll(connection, poll, now))


def _poll(connection: Connection, poll: Poll, now: int) -> Decision:
    if connection.dialect.name == "postgresql":
        connection.execute(_TAKE_TURNS)
    active = _let_time_pass(connection, poll.worker_id, now)
    if active >= poll.worker_limit:
        return Decision("backpressure", active, reason="worker_limit")
    whose = {} if poll.tenant is None else {"tenant": poll.tenant}
    query = _NEXT_OF_TENANT if whose else _NEXT
    row = connection.execute(query, {"now": now, "tenant_limit": poll.tenant_limit, **whose}).first()
    if row is None:
        return _nothing(connection, poll, now, active)
    lease_id, expires_at = f"lease-{uuid.uuid4()}", now + LEASE_MS
    started_at = now if row.started_at is None else row.started_at
    trace = (before := trace_in(row)) and before.advanced(poll.span_id)
    new = {"status": "leased", "worker_id": poll.worker_id, "started_at": started_at, "lost_at": None}
    change(connection, row, **new, **trace_columns(trace))
    lease: dict[str, Any] = {"attempt_id": row.attempt_id, "lease_id": lease_id, "worker_id": poll.worker_id}
    times_out_at = None if row.timeout_ms is None else started_at + row.timeout_ms
    take(connection, {**lease, "tenant_id": row.tenant_id, "expires_at": expires_at, "times_out_at": times_out_at})
    return Decision(
        "dispatched",
        active,
        attempt_id=row.attempt_id,
        lease_id=lease_id,
        expires_at=expires_at,
        lost_at=row.lost_at,
        tenant_id=row.tenant_id,
        trace=trace,
        thread_id=row.run_id,
        attempt_no=row.attempt_no,
        times_out_at=times_out_at,
        task=task_of(connection, row.attempt_id) if row.remote else None,
    )


def _let_time_pass(connection: Connection, worker_id: str, now: int) -> int:
    """End and requeue what is due.

    Returns:
        The leases that a worker has then.
    """
    seen = connection.execute(_LOOK, {"worker_id": worker_id, "now": now, "cutoff": now - GRACE_MS}).one()
    if seen.retry_due:
        connection.execute(_QUEUE_RETRIES, {"now": now})
    if not seen.lease_due:
        return int(seen.active)
    tick(connection, now)
    return connection.scalar(_OF_WORKER, {"worker_id": worker_id, "now": now}) or 0


def _nothing(connection: Connection, poll: Poll, now: int, active: int) -> Decision:
    """Why there is no attempt: a tenant at its limit, the last of those that were passed over, or an empty queue."""
    full = connection.execute(_HOW_FULL, {"now": now, "tenant_limit": poll.tenant_limit})
    held: dict[str | None, int] = {row[0]: row[1] for row in full}
    whose = {} if poll.tenant is None else {"tenant": poll.tenant}
    query = _FIRST_OF_TENANT if whose else _FIRST
    passed = [tenant for tenant in connection.scalars(query, {"depth": poll.depth, **whose}) if tenant in held]
    if not passed:
        return Decision("noop", active)
    tenant = passed[-1]
    return Decision("backpressure", active, reason="tenant_limit", tenant_id=tenant, tenant_active=held[tenant])
