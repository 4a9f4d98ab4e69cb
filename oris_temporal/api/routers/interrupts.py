"""Questions that runs ask people, across all threads."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from ..models.envelope import Envelope
from ..models.interrupts import InterruptDetail, InterruptList, RejectInterruptRequest, ResumeInterruptRequest
from ..models.jobs import Cancelled, RunJob
from ..openapi import ACCEPTED, BODY_ERRORS, errors
from ..transport.query import Unsigned
from ..transport.route import WireRoute
from .dependencies import OWN_THREAD, ContextDep, PreferencesDep, ServicesDep, envelope, run_envelope

router = APIRouter(prefix="/v1/interrupts", tags=["interrupts"], route_class=WireRoute, dependencies=OWN_THREAD)


@router.get("", name="list_interrupts", summary="List interrupts", responses=errors())
async def list_interrupts(
    services: ServicesDep,
    context: ContextDep,
    status: Annotated[str | None, Query(description="Exact status, such as `pending`.")] = None,
    run_id: Annotated[str | None, Query(description="Only those of this thread.")] = None,
    limit: Annotated[Unsigned, Query(description="At most 200.", examples=[50])] = 50,
) -> Envelope[InterruptList]:
    """The interrupts, newest first; those of the 1,000 threads that changed last, unless `status` is `pending`."""
    return envelope(context, await services.interrupts.page(status, run_id, limit, context.caller.tenant))


@router.get("/{interrupt_id}", name="get_interrupt", summary="Inspect an interrupt", responses=errors(404))
async def get_interrupt(interrupt_id: str, services: ServicesDep, context: ContextDep) -> Envelope[InterruptDetail]:
    """One interrupt."""
    return envelope(context, await services.interrupts.get(interrupt_id))


@router.post(
    "/{interrupt_id:middle}/resume",
    name="resume_interrupt",
    summary="Answer an interrupt",
    responses={**ACCEPTED, **errors(*BODY_ERRORS, 404, 409)},
)
async def resume_interrupt(
    interrupt_id: str,
    body: ResumeInterruptRequest,
    services: ServicesDep,
    context: ContextDep,
    preferences: PreferencesDep,
    response: Response,
) -> Envelope[RunJob]:
    """Hand `value` to the waiting node and wait until the run settles again.

    Answering again with the same value gives the same answer; with another value it is a conflict.
    """
    job = await services.interrupts.resume(interrupt_id, body, preferences, context.caller.name)
    return run_envelope(context, job, preferences, response)


@router.post(
    "/{interrupt_id:middle}/reject",
    name="reject_interrupt",
    summary="Refuse to answer an interrupt",
    responses=errors(*BODY_ERRORS, 404, 409),
)
async def reject_interrupt(
    interrupt_id: str, body: RejectInterruptRequest, services: ServicesDep, context: ContextDep
) -> Envelope[Cancelled]:
    """Cancel the thread that asks. An interrupt that nobody answered before its run ended counts as rejected, too."""
    return envelope(context, await services.interrupts.reject(interrupt_id, body, context.caller.name))
