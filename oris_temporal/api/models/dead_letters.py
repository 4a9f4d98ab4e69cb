"""Answers of the dead letter endpoints."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .base import Millisecond, ResponseModel
from .workers import ATTEMPT_ID_EXAMPLE


class DeadLetterItem(ResponseModel):
    """An attempt that failed for good."""

    attempt_id: str = Field(examples=[ATTEMPT_ID_EXAMPLE])
    run_id: str = Field(description="The thread.", examples=["t1"])
    attempt_no: int = Field(description="Which execution of the attempt failed.", examples=[1])
    terminal_status: Literal["failed"] = "failed"
    reason: Literal["terminal_failed", "execution_timeout"]
    dead_at: Millisecond
    replay_status: Literal["pending", "replayed", "settled"] = Field(
        description="`settled`: its job has ended without it, so there is nothing to replay."
    )
    replay_count: int = Field(examples=[0])
    last_replayed_at: Millisecond | None


class DeadLetterPage(ResponseModel):
    """Dead letters, newest first."""

    entries: list[DeadLetterItem]


class DeadLetterReplay(ResponseModel):
    """The attempt is in the queue again."""

    attempt_id: str = Field(examples=[ATTEMPT_ID_EXAMPLE])
    status: Literal["requeued"] = "requeued"
    replay_count: int = Field(examples=[1])
