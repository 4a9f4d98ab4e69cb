"""Metrics for Prometheus; public, and outside the envelope."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from ..metrics import CONTENT_TYPE
from ..openapi import errors
from ..process_metrics import ProcessMetrics
from .request import WireRequest
from .route import WireRoute

router = APIRouter(tags=["health"], route_class=WireRoute)


@router.get(
    "/metrics",
    name="metrics",
    summary="Metrics of this process",
    response_class=PlainTextResponse,
    responses={503: errors()[503]},
)
async def metrics(request: WireRequest) -> PlainTextResponse:
    """Prometheus' text format: Oris's metrics, then those of this process and of its Temporal client.

    The queue is counted now; everything else since this process started.
    """
    process: ProcessMetrics = request.app.state.process_metrics
    text = request.services.metrics.render(await request.services.attempts.waiting()) + await process.render()
    return PlainTextResponse(text, headers={"content-type": CONTENT_TYPE})
