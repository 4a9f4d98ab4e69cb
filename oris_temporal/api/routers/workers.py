"""The protocol of HTTP workers."""

from __future__ import annotations

from fastapi import APIRouter

from ..models.envelope import Envelope
from ..models.workers import (
    AckRequest,
    AttemptReport,
    HeartbeatAnswer,
    HeartbeatRequest,
    PollAnswer,
    PollRequest,
    ReportStepRequest,
)
from ..openapi import BODY_ERRORS, errors
from .request import WireRequest
from .route import WireRoute

router = APIRouter(prefix="/v1/workers", tags=["workers"], route_class=WireRoute)


@router.post("/poll", name="poll", summary="Ask for an attempt", responses=errors(*BODY_ERRORS))
async def poll(body: PollRequest, request: WireRequest) -> Envelope[PollAnswer]:
    """Lease the attempt that comes first: by priority, then in the order of enqueueing. Answers at once.

    `backpressure` says that a limit is reached, `noop` that there is nothing to do; ask again a little later.
    """
    return request.envelope(await request.services.workers.poll(body, request.caller.tenant))


@router.post(
    "/{worker_id:middle}/heartbeat",
    name="heartbeat",
    summary="Keep a lease",
    responses=errors(*BODY_ERRORS, 404, 409),
)
@router.post(
    "/{worker_id:middle}/extend-lease",
    name="extend_lease",
    summary="Keep a lease (same as heartbeat)",
    responses=errors(*BODY_ERRORS, 404, 409),
)
async def heartbeat(worker_id: str, body: HeartbeatRequest, request: WireRequest) -> Envelope[HeartbeatAnswer]:
    """Extend a lease. One that expired more than 5 seconds ago is lost (404), and its attempt somebody else's."""
    return request.envelope(await request.services.workers.heartbeat(worker_id, body, request.caller.tenant))


@router.post(
    "/{worker_id:middle}/report-step",
    name="report_step",
    summary="Report a step",
    responses=errors(*BODY_ERRORS, 404, 409),
)
async def report_step(worker_id: str, body: ReportStepRequest, request: WireRequest) -> Envelope[AttemptReport]:
    """Keep the status of a step, once for each token. An attempt that is not known is accepted."""
    return request.envelope(await request.services.workers.report_step(worker_id, body, request.caller.tenant))


@router.post(
    "/{worker_id:middle}/ack",
    name="ack",
    summary="Say what became of an attempt",
    responses=errors(*BODY_ERRORS, 404, 409),
)
async def ack(worker_id: str, body: AckRequest, request: WireRequest) -> Envelope[AttemptReport]:
    """End an attempt that the worker holds. One that failed is tried again as `retry_policy` says, or is a dead letter.

    Saying the same again is answered the same; saying something else of an attempt that has ended is a conflict.
    """
    return request.envelope(await request.services.workers.ack(worker_id, body, request.caller.tenant))
