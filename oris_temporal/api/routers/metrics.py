"""Metrics for Prometheus; public, and outside the envelope."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from ..metrics import CONTENT_TYPE
from ..openapi import errors
from ..transport.route import WireRoute
from .dependencies import ServicesDep

router = APIRouter(tags=["health"], route_class=WireRoute)


@router.get(
    "/metrics",
    name="metrics",
    summary="Metrics of this process",
    response_class=PlainTextResponse,
    responses={503: errors()[503]},
)
async def metrics(services: ServicesDep) -> PlainTextResponse:
    """Prometheus' text format. The queue is counted now; everything else since this process started."""
    text = services.metrics.render(await services.attempts.waiting())
    return PlainTextResponse(text, headers={"content-type": CONTENT_TYPE})
