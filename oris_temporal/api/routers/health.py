"""Probes for operators and load balancers; public, and outside the envelope."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from ..models.health import Health, Readiness
from .request import WireRequest
from .route import WireRoute

router = APIRouter(tags=["health"], route_class=WireRoute)


@router.get("/healthz", name="healthz", summary="Is the process up?")
async def healthz() -> Health:
    """Always `ok`: asks nobody."""
    return Health()


@router.get(
    "/readyz",
    name="readyz",
    summary="Would a run make progress?",
    response_model=Readiness,
    responses={
        503: {
            "model": Readiness,
            "description": "Temporal does not answer, or no worker polls the task queue.",
        }
    },
)
async def readyz(request: WireRequest) -> JSONResponse:
    """Asks Temporal whether it answers and whether a worker polls the task queue."""
    readiness = await request.services.health.readiness()
    return JSONResponse(readiness.model_dump(), status_code=200 if readiness.status == "ready" else 503)
