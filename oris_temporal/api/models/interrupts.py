"""Requests and answers of the interrupt endpoints."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from .base import Millisecond, RequestModel, ResponseModel, WaitMs


class InterruptItem(ResponseModel):
    """A question that a run asks."""

    interrupt_id: str = Field(description="`int-<thread_id>-<n>`, n counting per thread from 0.", examples=["int-t1-0"])
    thread_id: str = Field(examples=["t1"])
    run_id: str = Field(description="The same as `thread_id`.", examples=["t1"])
    value: Any = Field(description="The payload for the person.", examples=["approve?"])
    status: Literal["pending", "resuming", "resumed", "rejected"]
    created_at: Millisecond
    tool: str | None = Field(
        None, description="The tool that asks; left out where a node asks.", exclude_if=lambda value: value is None
    )
    tool_call_id: str | None = Field(
        None,
        description="Id of the model's call of that tool; left out likewise.",
        exclude_if=lambda value: value is None,
    )


class InterruptDetail(InterruptItem):
    """An interrupt on its own."""

    attempt_id: str = Field(description="A label; attempts of this name do not exist.", examples=["attempt-t1-main"])


class InterruptList(ResponseModel):
    """Interrupts, newest first."""

    interrupts: list[InterruptItem]


class ResumeInterruptRequest(RequestModel):
    """Answer an interrupt."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"value": True}]})

    value: Any = Field(description="Any JSON, `null` included; must be present.")
    wait_ms: WaitMs = None


class RejectInterruptRequest(RequestModel):
    """Refuse to answer; the thread is cancelled."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}, {"reason": "not this way"}]})

    reason: str | None = Field(None, description="Shown in the workflow's history; the answer does not echo it.")
