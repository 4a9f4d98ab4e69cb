"""Attempts that failed for good."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from ..models.dead_letters import DeadLetterItem, DeadLetterPage, DeadLetterReplay
from ..models.envelope import Envelope
from ..openapi import errors
from ..transport.query import Unsigned
from .request import WireRequest
from .route import WireRoute

router = APIRouter(prefix="/v1/dlq", tags=["dead letters"], route_class=WireRoute)


@router.get("", name="list_dead_letters", summary="List dead letters", responses=errors())
async def list_dead_letters(
    request: WireRequest,
    status: Annotated[str | None, Query(description="Only those of this `replay_status`.")] = None,
    limit: Annotated[Unsigned, Query(description="1 to 500.", examples=[100])] = 100,
) -> Envelope[DeadLetterPage]:
    """Attempts that failed for good or took too long, newest first."""
    return request.envelope(await request.services.dead_letters.page(status, limit, request.caller.tenant))


@router.get("/{attempt_id}", name="get_dead_letter", summary="Inspect a dead letter", responses=errors(404))
async def get_dead_letter(attempt_id: str, request: WireRequest) -> Envelope[DeadLetterItem]:
    """The dead letter of an attempt."""
    return request.envelope(await request.services.dead_letters.get(attempt_id, request.caller.tenant))


@router.post(
    "/{attempt_id:middle}/replay",
    name="replay_dead_letter",
    summary="Put a dead letter back into the queue",
    responses=errors(404, 409),
)
async def replay_dead_letter(attempt_id: str, request: WireRequest) -> Envelope[DeadLetterReplay]:
    """Have an attempt dispatched again at once, with its retries unspent. A body is ignored."""
    return request.envelope(await request.services.dead_letters.replay(attempt_id, request.caller.tenant))
