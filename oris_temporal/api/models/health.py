"""Answers of the health endpoints; they have no envelope."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .base import ResponseModel


class Health(ResponseModel):
    """The process is up."""

    status: Literal["ok"] = "ok"


class Readiness(ResponseModel):
    """Whether a run that is started now would make progress."""

    status: Literal["ready", "unavailable"]
    temporal: bool = Field(description="Temporal answers.")
    worker: bool = Field(description="A worker polls the task queue.")
    task_queue: str = Field(examples=["oris"])
    reason: str | None = Field(None, description="What is missing, when unavailable.")
