"""Questions that runs ask people, across all threads."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from ..models.envelope import Envelope
from ..models.interrupts import InterruptDetail, InterruptList, RejectInterruptRequest, ResumeInterruptRequest
from ..models.jobs import Cancelled, RunJob
from ..openapi import ACCEPTED, BODY_ERRORS, errors
from ..transport.query import Unsigned
from .dependencies import OWN_THREAD, PreferencesDep, run_envelope
from .request import WireRequest
from .route import WireRoute

router = APIRouter(prefix="/v1/interrupts", tags=["interrupts"], route_class=WireRoute, dependencies=OWN_THREAD)


@router.get("", name="list_interrupts", summary="List interrupts", responses=errors())
async def list_interrupts(
    request: WireRequest,
    status: Annotated[str | None, Query(description="Exact status, such as `pending`.")] = None,
    run_id: Annotated[str | None, Query(description="Only those of this thread.")] = None,
    limit: Annotated[Unsigned, Query(description="At most 200.", examples=[50])] = 50,
) -> Envelope[InterruptList]:
    """The interrupts, newest first; those of the 1,000 threads that changed last, unless `status` is `pending`."""
    return request.envelope(await request.services.interrupts.page(status, run_id, limit, request.caller.tenant))


@router.get("/{interrupt_id}", name="get_interrupt", summary="Inspect an interrupt", responses=errors(404))
async def get_interrupt(interrupt_id: str, request: WireRequest) -> Envelope[InterruptDetail]:
    """One interrupt."""
    return request.envelope(await request.services.interrupts.get(interrupt_id))


@router.post(
    "/{interrupt_id:middle}/resume",
    name="resume_interrupt",
    summary="Answer an interrupt",
    responses={**ACCEPTED, **errors(*BODY_ERRORS, 404, 409)},
)
async def resume_interrupt(
    interrupt_id: str,
    body: ResumeInterruptRequest,
    request: WireRequest,
    preferences: PreferencesDep,
    response: Response,
) -> Envelope[RunJob]:
    """Hand `value` to the waiting node and wait until the run settles again.

    Answering again with the same value gives the same answer; with another value it is a conflict.
    """
    job = await request.services.interrupts.resume(interrupt_id, body, preferences, request.caller.name)
    return run_envelope(request, job, preferences, response)


@router.post(
    "/{interrupt_id:middle}/reject",
    name="reject_interrupt",
    summary="Refuse to answer an interrupt",
    responses=errors(*BODY_ERRORS, 404, 409),
)
async def reject_interrupt(
    interrupt_id: str, body: RejectInterruptRequest, request: WireRequest
) -> Envelope[Cancelled]:
    """Cancel the thread that asks. An interrupt that nobody answered before its run ended counts as rejected, too."""
    return request.envelope(await request.services.interrupts.reject(interrupt_id, body, request.caller.name))
