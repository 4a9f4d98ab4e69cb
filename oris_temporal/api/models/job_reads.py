"""Answers that show a job's state and past."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .base import Moment, ResponseModel, Values
from .interrupts import InterruptDetail
from .jobs import JobStatus
from .trace import Trace

CHECKPOINT_ID_EXAMPLE = "0001-000001"


class JobState(ResponseModel):
    """A thread's state at a checkpoint."""

    thread_id: str = Field(examples=["t1"])
    checkpoint_id: str | None = Field(examples=[CHECKPOINT_ID_EXAMPLE])
    created_at: Moment
    values: Values


class HistoryItem(ResponseModel):
    """One checkpoint."""

    checkpoint_id: str | None = Field(examples=[CHECKPOINT_ID_EXAMPLE])
    created_at: Moment


class TimelineItem(ResponseModel):
    """One event of a thread."""

    seq: int = Field(description="Position, from 1.", examples=[1])
    event_type: Literal["checkpoint_saved"] = "checkpoint_saved"
    checkpoint_id: str | None = Field(examples=[CHECKPOINT_ID_EXAMPLE])
    created_at: Moment


class Observability(ResponseModel):
    """The timeline in short."""

    reasoning_timeline: list[str] = Field(examples=[["CheckpointSaved#1"]])
    lease_graph: list[tuple[str, str]] | None = None
    replay_cost: int = Field(description="Number of checkpoints.", examples=[1])
    interrupt_latency_ms: int | None = None


class History(ResponseModel):
    """All checkpoints of a thread over all its runs, oldest first."""

    thread_id: str = Field(examples=["t1"])
    history: list[HistoryItem]


class Timeline(ResponseModel):
    """What happened on a thread, oldest first."""

    thread_id: str = Field(examples=["t1"])
    timeline: list[TimelineItem]
    observability: Observability


class TimelineExport(Timeline):
    """Timeline and history in one document."""

    history: list[HistoryItem]


class JobDetail(ResponseModel):
    """Everything about a job in one answer."""

    thread_id: str = Field(examples=["t1"])
    status: JobStatus
    reason: str | None = Field(
        None,
        description="Why it failed or was cancelled; left out where nobody said so.",
        exclude_if=lambda value: value is None,
    )
    checkpoint_id: str | None = Field(examples=[CHECKPOINT_ID_EXAMPLE])
    values: Values
    history: list[HistoryItem]
    timeline: list[TimelineItem]
    pending_interrupt: InterruptDetail | None = Field(description="The newest unanswered interrupt.")
    trace: Trace | None = Field(None, description="Where the thread's newest attempt stands in its trace.")
    observability: Observability | None = Field(
        None, description="Left out when there is no history.", exclude_if=lambda value: value is None
    )


class JobInspection(JobDetail):
    """`JobState` and, beyond Oris's server but as its client SDKs expect, the fields of `JobDetail`."""

    created_at: Moment
