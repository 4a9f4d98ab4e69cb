"""Reading the audit log."""

from __future__ import annotations

from ..control_store import AuditEntry, AuditLog
from ..errors import invalid
from ..models.audit import AuditItem, AuditPage
from ..security import Caller

_MOST = 500


class AuditService:
    """Lists entries of the audit log.

    Args:
        log: The log.
    """

    def __init__(self, log: AuditLog) -> None:
        self._log = log

    async def page(
        self,
        caller: Caller,
        *,
        request_id: str | None,
        action: str | None,
        from_ms: int | None,
        to_ms: int | None,
        limit: int,
    ) -> AuditPage:
        """Entries, newest first; those of its own tenant for a caller that has one."""
        if from_ms is not None and to_ms is not None and from_ms > to_ms:
            raise invalid("from_ms must be less than or equal to to_ms")
        found = await self._log.page(
            request_id=(request_id or "").strip() or None,
            action=(action or "").strip() or None,
            from_ms=from_ms,
            to_ms=to_ms,
            tenant=caller.tenant,
            limit=min(max(limit, 1), _MOST),
        )
        return AuditPage(logs=[_item(entry) for entry in found])


def _item(entry: AuditEntry) -> AuditItem:
    record = entry.record
    return AuditItem(
        audit_id=entry.audit_id,
        actor_type=record.actor_type,
        actor_id=record.actor_id,
        actor_role=record.actor_role,
        action=record.action,
        resource_type=record.resource_type,
        resource_id=record.resource_id,
        result=record.result,
        request_id=record.request_id,
        details=record.details,
        created_at=entry.created_at,
    )
