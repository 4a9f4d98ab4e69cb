"""The audit log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from ..models.audit import AuditPage
from ..models.envelope import Envelope
from ..openapi import errors
from ..transport.query import Signed, Unsigned
from .request import WireRequest
from .route import WireRoute

router = APIRouter(prefix="/v1/audit", tags=["audit"], route_class=WireRoute)


@router.get("/logs", name="list_audit_logs", summary="List audit entries", responses=errors())
async def list_audit_logs(
    request: WireRequest,
    request_id: Annotated[str | None, Query(description="Only those of this request.")] = None,
    action: Annotated[str | None, Query(description="Exact action.", examples=["job.cancel"])] = None,
    from_ms: Annotated[Signed | None, Query(description="Not before this time, Unix milliseconds.")] = None,
    to_ms: Annotated[Signed | None, Query(description="Not after this time, Unix milliseconds.")] = None,
    limit: Annotated[Unsigned, Query(description="1 to 500.", examples=[100])] = 100,
) -> Envelope[AuditPage]:
    """Who asked for changes and what the answers were, newest first.

    Every `POST` of jobs, interrupts and dead letters is in it, whatever its answer.
    """
    page = await request.services.audit.page(
        request.caller, request_id=request_id, action=action, from_ms=from_ms, to_ms=to_ms, limit=limit
    )
    return request.envelope(page)
