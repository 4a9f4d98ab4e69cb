"""Answers of the attempt endpoints."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .base import Millisecond, ResponseModel
from .workers import ATTEMPT_ID_EXAMPLE


class RetryItem(ResponseModel):
    """A retry that was scheduled."""

    retry_no: int = Field(description="From 1.", examples=[1])
    attempt_no: int = Field(description="Which execution of the attempt it is.", examples=[2])
    strategy: Literal["fixed", "exponential"]
    backoff_ms: int = Field(description="The delay before it.", examples=[1000])
    max_retries: int = Field(examples=[2])
    scheduled_at: Millisecond = Field(description="When it is due.")


class RetryHistory(ResponseModel):
    """How often an attempt was tried again."""

    attempt_id: str = Field(examples=[ATTEMPT_ID_EXAMPLE])
    current_attempt_no: int = Field(examples=[2])
    current_status: Literal["queued", "leased", "retry_backoff", "completed", "failed", "cancelled"]
    history: list[RetryItem] = Field(description="Oldest first.")
