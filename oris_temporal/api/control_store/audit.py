"""The audit log: who asked for a change, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from sqlalchemy import insert, select

from .database import Database
from .tables import audit_log
from .times import from_millis, now_millis

ActorType: TypeAlias = Literal["bearer", "api_key", "anonymous"]


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """What the log says of a request.

    Attributes:
        actor_type: How the caller showed who it is.
        actor_id: Id of its key, if that has one.
        actor_role: Its role; ``None`` for an anonymous caller.
        tenant: Its tenant, if its key has one.
        action: What it asked for, ``job.run``.
        resource_type: What kind of thing that concerns, ``thread``.
        resource_id: Which one.
        result: Whether the answer was a success.
        request_id: The request's id.
        details: More: method, path and status.
    """

    actor_type: ActorType
    actor_id: str | None
    actor_role: str | None
    tenant: str | None
    action: str
    resource_type: str
    resource_id: str | None
    result: Literal["success", "error"]
    request_id: str
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An entry of the log.

    Attributes:
        audit_id: Its number; later entries have higher ones.
        created_at: When it was written (UTC).
        record: What it says.
    """

    audit_id: int
    created_at: datetime
    record: AuditRecord


class AuditLog:
    """The log of one control store.

    Every method raises `StoreUnavailableError` when the database cannot be reached.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, record: AuditRecord) -> None:
        """Write an entry."""
        entry = insert(audit_log).values(**_values(record), created_at=now_millis())
        await self._database.write(lambda connection: connection.execute(entry))

    async def page(
        self,
        *,
        request_id: str | None = None,
        action: str | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
        tenant: str | None = None,
        limit: int = 100,
    ) -> Sequence[AuditEntry]:
        """Entries, newest first.

        Args:
            request_id: Only those of this request.
            action: Only those of this action.
            from_ms: Only those of this time (Unix milliseconds) or later.
            to_ms: Only those of this time or earlier.
            tenant: Only those of callers of this tenant.
            limit: Most entries.
        """
        exact = {"request_id": request_id, "action": action, "tenant": tenant}
        query = select(audit_log).order_by(audit_log.c.audit_id.desc()).limit(limit)
        query = query.filter_by(**{name: value for name, value in exact.items() if value is not None})
        if from_ms is not None:
            query = query.where(audit_log.c.created_at >= from_ms)
        if to_ms is not None:
            query = query.where(audit_log.c.created_at <= to_ms)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [_entry(row._mapping) for row in rows]


def _values(record: AuditRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in AuditRecord.__slots__}


def _entry(row: Any) -> AuditEntry:
    record = AuditRecord(**{name: row[name] for name in AuditRecord.__slots__})
    return AuditEntry(row["audit_id"], from_millis(row["created_at"]), record)
