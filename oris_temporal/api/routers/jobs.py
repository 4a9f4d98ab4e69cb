"""Running graphs on threads, and steering them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from ..models.envelope import Envelope
from ..models.jobs import (
    CancelJobRequest,
    Cancelled,
    EditedState,
    EditStateRequest,
    ForkJobRequest,
    JobList,
    ReplayJobRequest,
    ResumeJobRequest,
    RunJob,
    RunJobRequest,
)
from ..openapi import ACCEPTED, BODY_ERRORS, TRACEPARENT, errors
from ..transport.query import Unsigned
from .dependencies import OWN_THREAD, PreferencesDep, run_envelope
from .request import WireRequest
from .route import WireRoute

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=WireRoute, dependencies=OWN_THREAD)


@router.post(
    "/run",
    name="run_job",
    summary="Run a graph on a thread",
    responses={**ACCEPTED, **errors(*BODY_ERRORS, 404, 409)},
    openapi_extra=TRACEPARENT,
)
@router.post(
    "",
    name="create_job",
    summary="Run a graph on a thread (same as /v1/jobs/run)",
    responses={**ACCEPTED, **errors(*BODY_ERRORS, 404, 409)},
    openapi_extra=TRACEPARENT,
)
async def run_job(
    body: RunJobRequest,
    request: WireRequest,
    preferences: PreferencesDep,
    response: Response,
) -> Envelope[RunJob]:
    """Start a graph and wait until it completes or asks for an answer.

    A thread may run again, from a fresh state, once its last run is over or waits; a run that waits is replaced, and
    its question dropped. A run that is busy refuses (409) unless `on_conflict` says otherwise, and so does a cancelled
    thread. A run that outlasts the wait answers `running` and goes on.
    """
    job = await request.services.runs.run(body, preferences, request.traceparent, request.caller)
    return run_envelope(request, job, preferences, response)


@router.get("", name="list_jobs", summary="List jobs", responses=errors())
async def list_jobs(
    request: WireRequest,
    status: Annotated[str | None, Query(description="Exact status; an unknown one matches nothing.")] = None,
    limit: Annotated[Unsigned, Query(description="At most 200.", examples=[50])] = 50,
    offset: Annotated[Unsigned, Query(description="How many to skip.", examples=[0])] = 0,
) -> Envelope[JobList]:
    """The jobs, most recently changed first."""
    return request.envelope(await request.services.runs.page(status, limit, offset, request.caller.tenant))


@router.post(
    "/{thread_id:middle}/resume",
    name="resume_job",
    summary="Answer what a thread waits for",
    responses={**ACCEPTED, **errors(*BODY_ERRORS, 404, 409)},
)
async def resume_job(
    thread_id: str,
    body: ResumeJobRequest,
    request: WireRequest,
    preferences: PreferencesDep,
    response: Response,
) -> Envelope[RunJob]:
    """Hand `value` to the waiting node and wait until the run settles again.

    With several interrupts pending, answer each by its id under `/v1/interrupts`.
    """
    job = await request.services.control.resume(thread_id, body, preferences, request.caller.name)
    return run_envelope(request, job, preferences, response)


@router.post(
    "/{thread_id:middle}/replay",
    name="replay_job",
    summary="Run a thread again from a checkpoint",
    responses={**ACCEPTED, **errors(*BODY_ERRORS, 404, 409)},
)
async def replay_job(
    thread_id: str,
    request: WireRequest,
    preferences: PreferencesDep,
    response: Response,
    body: ReplayJobRequest | None = None,
) -> Envelope[RunJob]:
    """Start a new run of the thread: what comes after a checkpoint, or the whole graph with the latest state.

    The same target is replayed once: later requests are answered what the first one was. A question that the thread
    waits with is dropped. The body may be left out.
    """
    job = await request.services.control.replay(thread_id, body or ReplayJobRequest(), preferences)
    return run_envelope(request, job, preferences, response)


@router.post(
    "/{thread_id:middle}/fork",
    name="fork_job",
    summary="Start a new thread from a checkpoint",
    responses={**ACCEPTED, **errors(*BODY_ERRORS, 404, 409)},
)
async def fork_job(
    thread_id: str,
    request: WireRequest,
    preferences: PreferencesDep,
    response: Response,
    body: ForkJobRequest | None = None,
) -> Envelope[RunJob]:
    """Start a thread of its own with what comes after a checkpoint of this one, which stays as it is.

    The answer is about the new thread. The body may be left out.
    """
    job = await request.services.control.fork(thread_id, body or ForkJobRequest(), preferences, request.caller.tenant)
    return run_envelope(request, job, preferences, response)


@router.post(
    "/{thread_id:middle}/state",
    name="edit_job_state",
    summary="Change the state of a thread",
    responses=errors(*BODY_ERRORS, 404, 409),
)
async def edit_job_state(thread_id: str, body: EditStateRequest, request: WireRequest) -> Envelope[EditedState]:
    """Merge values into the state of a run that waits, or that still has something to run."""
    return request.envelope(await request.services.control.edit(thread_id, body))


@router.post(
    "/{thread_id:middle}/cancel",
    name="cancel_job",
    summary="Cancel a thread",
    responses=errors(*BODY_ERRORS),
)
async def cancel_job(thread_id: str, request: WireRequest, body: CancelJobRequest | None = None) -> Envelope[Cancelled]:
    """Stop the running workflow and refuse further runs of the thread.

    Succeeds for unknown, finished and cancelled threads as well. The body may be left out.
    """
    return request.envelope(
        await request.services.control.cancel(thread_id, body or CancelJobRequest(), request.caller.name)
    )
