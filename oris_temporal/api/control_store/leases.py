"""Leases: which worker has which attempt, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from oris_temporal.graph.errors import ConflictError, PersistenceError

from .attempts import change, lock, trace_columns, trace_in
from .database import Database
from .tables import leases
from .trace_context import TraceContext

LEASE_MS = 30_000
"""How long a lease lasts if its worker does not extend it."""

GRACE_MS = 5_000
"""How long a lease that has expired is still its worker's, who may be late with a heartbeat."""

_FIND = select(leases).where(leases.c.lease_id == bindparam("lease_id"))
_OF_ATTEMPT = select(leases).where(leases.c.attempt_id == bindparam("attempt_id"))
_TAKE = insert(leases)
_EXTEND = update(leases).where(leases.c.lease_id == bindparam("of_lease"), leases.c.version == bindparam("of_version"))
_GIVE_BACK = delete(leases).where(
    leases.c.attempt_id == bindparam("attempt_id"),
    leases.c.worker_id == bindparam("worker_id"),
    leases.c.expires_at >= bindparam("cutoff"),
)


class LeaseNotFoundError(PersistenceError):
    """No lease has this id: it was given back, or lost."""


class LeaseOwnershipError(ConflictError):
    """Somebody else holds the lease, or nobody does.

    Args:
        owner: Who holds it.
        worker_id: Who asked.
    """

    def __init__(self, owner: str | None, worker_id: str) -> None:
        super().__init__("lease ownership mismatch", expected_worker_id=owner, actual_worker_id=worker_id)


class LeaseVersionError(ConflictError):
    """The lease was changed since it was looked at."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as it was found.

    Attributes:
        lease_id: Its id.
        attempt_id: What is leased.
        worker_id: By whom.
        tenant_id: Whose the attempt is.
        version: How often it has been changed, from 1.
        expires_at: Until when, in Unix milliseconds.
    """

    lease_id: str
    attempt_id: str
    worker_id: str
    tenant_id: str | None
    version: int
    expires_at: int


class Leases:
    """The leases of one control store.

    Every method raises `StoreUnavailableError` when the database cannot be reached. Times are Unix milliseconds.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def held(self, lease_id: str, worker_id: str, now: int, *, tenant: str | None = None) -> Lease:
        """The lease with an id; with a tenant, one of an attempt of that.

        Raises:
            LeaseNotFoundError: There is none, or its grace is over.
            LeaseOwnershipError: Another worker holds it.
        """
        row = await self._database.read(lambda connection: connection.execute(_FIND, {"lease_id": lease_id}).first())
        if row is None or row.expires_at < now - GRACE_MS or tenant not in (None, row.tenant_id):
            raise LeaseNotFoundError("lease not found")
        if row.worker_id != worker_id:
            raise LeaseOwnershipError(row.worker_id, worker_id)
        return Lease(**{name: getattr(row, name) for name in Lease.__slots__})

    async def extend(self, lease: Lease, expires_at: int, span_id: str) -> TraceContext | None:
        """Let a lease last until another time.

        Args:
            lease: As it was found.
            expires_at: When it is to expire.
            span_id: The attempt's next span.

        Returns:
            Where the attempt stands in its trace now.

        Raises:
            LeaseVersionError: It is no longer as it was found.
        """

        def work(connection: Connection) -> TraceContext | None:
            row = lock(connection, lease.attempt_id)
            seen = {"of_lease": lease.lease_id, "of_version": lease.version}
            new = {"expires_at": expires_at, "version": lease.version + 1}
            if row is None or connection.execute(_EXTEND, seen | new).rowcount == 0:
                raise LeaseVersionError(f"Driver error: lease heartbeat version conflict for lease: {lease.lease_id}")
            trace = (before := trace_in(row)) and before.advanced(span_id)
            change(connection, row, **trace_columns(trace))
            return trace

        return await self._database.write(work)


def take(connection: Connection, values: dict[str, Any]) -> None:
    """Lease a locked attempt."""
    connection.execute(_TAKE, {**values, "version": 1})


def give_back(connection: Connection, attempt_id: str, worker_id: str, now: int) -> None:
    """End the lease that a worker has on a locked attempt.

    Raises:
        LeaseOwnershipError: It has none.
    """
    mine = {"attempt_id": attempt_id, "worker_id": worker_id, "cutoff": now - GRACE_MS}
    if connection.execute(_GIVE_BACK, mine).rowcount == 0:
        raise LeaseOwnershipError(owner(connection, attempt_id, now), worker_id)


def owner(connection: Connection, attempt_id: str, now: int) -> str | None:
    """Who holds the lease on a locked attempt."""
    row = connection.execute(_OF_ATTEMPT, {"attempt_id": attempt_id}).first()
    return None if row is None or row.expires_at < now - GRACE_MS else row.worker_id
