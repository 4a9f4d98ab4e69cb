"""How runs stand, and how they ended."""

from __future__ import annotations

from oris_temporal.client import RunInfo

from ..models.jobs import JobStatus
from ..models.results import JobOutcome, JobResult, RunError
from .interrupts import interrupt_item


def job_status(run: RunInfo) -> JobStatus:
    """Status of a run; until a worker has begun it, it is queued."""
    return "queued" if run.status == "running" and not run.begun else run.status


def job_outcome(run: RunInfo) -> JobOutcome:
    """How a run stands."""
    return JobOutcome(
        thread_id=run.thread_id,
        run=run.run,
        status=job_status(run),
        checkpoint_id=run.checkpoint_id,
        interrupts=[interrupt_item(interrupt) for interrupt in run.interrupts],
        error=None if run.error is None else RunError(**run.error),
        reason=run.reason,
    )


def job_result(run: RunInfo) -> JobResult:
    """How a run stands, and its final state."""
    return JobResult(**dict(job_outcome(run)), values=run.values if run.status == "completed" else None)
