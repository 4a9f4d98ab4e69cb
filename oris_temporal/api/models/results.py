"""How a run stands, or how it ended."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from .base import ResponseModel
from .interrupts import InterruptItem
from .job_reads import CHECKPOINT_ID_EXAMPLE
from .jobs import JobStatus


class RunError(ResponseModel):
    """What a run failed with."""

    code: str = Field(description="Stable word for programs.", examples=["node"])
    message: str = Field(description="For people.", examples=["review.research: ValueError: no tides today"])
    details: dict[str, Any] = Field(description="Facts for programs.", examples=[{"node": "review.research"}])


class JobOutcome(ResponseModel):
    """How a run stands. Which fields are set follows from `status`."""

    thread_id: str = Field(examples=["t1"])
    run: int = Field(description="Which run of the thread, from 1.", examples=[1])
    status: JobStatus = Field(examples=["completed"])
    checkpoint_id: str | None = Field(
        description="Latest checkpoint, if there is one.", examples=[CHECKPOINT_ID_EXAMPLE]
    )
    interrupts: list[InterruptItem] = Field(description="What it waits for, when `interrupted`.", examples=[[]])
    error: RunError | None = Field(description="When `failed`.", examples=[None])
    reason: str | None = Field(description="When `cancelled`, where somebody said why.", examples=[None])


class JobResult(JobOutcome):
    """How a run stands, and its final state."""

    values: Any = Field(
        description="The final state as JSON, when `completed`; `null` before, and of a run that ended otherwise.",
        examples=[{"messages": [{"content": "ok", "message_type": "ai"}]}],
    )
