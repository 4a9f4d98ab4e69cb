"""Looking at a thread: its state, its checkpoints, its timeline."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from ..models.envelope import Envelope
from ..models.job_reads import History, JobDetail, JobInspection, JobState, Timeline, TimelineExport
from ..models.results import JobResult
from ..openapi import errors
from ..transport.query import Unsigned
from .dependencies import OWN_THREAD
from .request import WireRequest
from .route import WireRoute

router = APIRouter(prefix="/v1/jobs", tags=["inspection"], route_class=WireRoute, dependencies=OWN_THREAD)


@router.get("/{thread_id:last_thread}", name="inspect_job", summary="Inspect a job", responses=errors(404))
async def inspect_job(thread_id: str, request: WireRequest) -> Envelope[JobInspection]:
    """The latest state, with status, history, timeline and the pending interrupt."""
    return request.envelope(await request.services.reads.inspect(thread_id))


@router.get("/{thread_id:middle}/state", name="job_state", summary="Latest state", responses=errors(404))
async def job_state(thread_id: str, request: WireRequest) -> Envelope[JobState]:
    """The latest checkpoint and nothing else."""
    return request.envelope(await request.services.reads.state(thread_id))


@router.get("/{thread_id:middle}/result", name="job_result", summary="How a job ended", responses=errors(404))
async def job_result(
    thread_id: str,
    request: WireRequest,
    wait_ms: Annotated[
        Unsigned, Query(description="Milliseconds to wait for the run to settle; at most 50000.", examples=[0])
    ] = 0,
) -> Envelope[JobResult]:
    """The final state of the latest run or, by its status, what it waits for, failed with, or was cancelled for.

    The answer is 200 whatever the status.
    """
    return request.envelope(await request.services.reads.result(thread_id, wait_ms))


@router.get("/{thread_id:middle}/detail", name="job_detail", summary="Everything about a job", responses=errors(404))
async def job_detail(thread_id: str, request: WireRequest) -> Envelope[JobDetail]:
    """Status, latest state, history, timeline, pending interrupt and trace."""
    return request.envelope(await request.services.reads.detail(thread_id))


@router.get("/{thread_id:middle}/history", name="job_history", summary="Checkpoints of a thread", responses=errors())
async def job_history(thread_id: str, request: WireRequest) -> Envelope[History]:
    """All checkpoints over all runs of the thread, oldest first; empty for an unknown thread."""
    return request.envelope(await request.services.reads.history(thread_id))


@router.get("/{thread_id:middle}/timeline", name="job_timeline", summary="Timeline of a thread", responses=errors(404))
async def job_timeline(thread_id: str, request: WireRequest) -> Envelope[Timeline]:
    """One event per checkpoint, oldest first."""
    return request.envelope(await request.services.reads.timeline(thread_id))


@router.get(
    "/{thread_id:middle}/timeline/export",
    name="export_timeline",
    summary="Timeline and history",
    responses=errors(404),
)
async def export_timeline(thread_id: str, request: WireRequest) -> Envelope[TimelineExport]:
    """The timeline together with the checkpoints it is made from."""
    return request.envelope(await request.services.reads.export(thread_id))


@router.get(
    "/{thread_id:middle}/checkpoints/{checkpoint_id}",
    name="job_checkpoint",
    summary="State at a checkpoint",
    responses=errors(404),
)
async def job_checkpoint(thread_id: str, checkpoint_id: str, request: WireRequest) -> Envelope[JobState]:
    """The thread's state as it was at one of its checkpoints."""
    return request.envelope(await request.services.reads.checkpoint(thread_id, checkpoint_id))
