"""What became of attempts."""

from __future__ import annotations

from fastapi import APIRouter

from ..models.attempts import RetryHistory
from ..models.envelope import Envelope
from ..openapi import errors
from .request import WireRequest
from .route import WireRoute

router = APIRouter(prefix="/v1/attempts", tags=["workers"], route_class=WireRoute)


@router.get(
    "/{attempt_id:middle}/retries", name="attempt_retries", summary="Retries of an attempt", responses=errors(404)
)
async def attempt_retries(attempt_id: str, request: WireRequest) -> Envelope[RetryHistory]:
    """The retries that were scheduled, and the attempt's present status."""
    return request.envelope(await request.services.attempts.retries(attempt_id, request.caller.tenant))
