"""Requests and answers of the worker endpoints."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from .base import I64, U32, U64, Moment, RequestModel, ResponseModel
from .trace import Trace

ATTEMPT_ID_EXAMPLE = "attempt-t1-6b0f5a3e-3f1c-4a2b-9d52-0c6f0f3f5a11"
_LEASE_ID_EXAMPLE = "lease-9c1d2b7a-5a55-4c3e-8a0b-52f6f5b8f3d4"


class PollRequest(RequestModel):
    """Ask for an attempt."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"worker_id": "w1"}, {"worker_id": "w1", "max_active_leases": 1}]}
    )

    worker_id: str = Field(description="Not blank; the worker's own choice.")
    limit: U64 | None = Field(
        None, description="How deep to look for a tenant at its limit, at least 16. An answer has one attempt at most."
    )
    max_active_leases: U64 | None = Field(None, description="Most leases of this worker: 1 to 1000, 8 by default.")
    tenant_max_active_leases: U64 | None = Field(None, description="Most leases of a tenant: 1 to 1000, 8 by default.")


class PollAnswer(ResponseModel):
    """An attempt and its lease, or why there is none."""

    decision: Literal["dispatched", "backpressure", "noop"]
    attempt_id: str | None = Field(examples=[ATTEMPT_ID_EXAMPLE])
    lease_id: str | None = Field(examples=[_LEASE_ID_EXAMPLE])
    lease_expires_at: Moment | None
    reason: Literal["worker_limit", "tenant_limit"] | None = Field(description="Which limit holds back.")
    worker_active_leases: int = Field(description="Leases of the worker before this answer.", examples=[0])
    worker_limit: int = Field(examples=[8])
    tenant_id: str | None = Field(description="The attempt's tenant, or the one at its limit.", examples=["acme"])
    tenant_active_leases: int | None = Field(examples=[None])
    tenant_limit: int | None = Field(examples=[None])
    trace: Trace | None
    thread_id: str | None = Field(description="Thread of the run that the attempt belongs to.", examples=["t1"])
    run_id: str | None = Field(description="Temporal's run id, if a node waits for the attempt.")
    graph: str | None = Field(description="Graph of the node that waits for it; `null`: none does.", examples=["scan"])
    node: str | None = Field(description="The node.", examples=["ocr"])
    input: Any = Field(description="What the node is called with: the state fields that it reads, or what was sent.")
    attempt_no: int | None = Field(description="Which execution of the attempt this is.", examples=[1])
    deadline: Moment | None = Field(description="When it ends if it is not acknowledged, whatever its lease says.")


class HeartbeatRequest(RequestModel):
    """Keep a lease."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"lease_id": _LEASE_ID_EXAMPLE, "lease_ttl_seconds": 30}]}
    )

    lease_id: str
    lease_ttl_seconds: I64 | None = Field(
        None, description="From now on, 30 by default; less than 1 counts as 1; at most 86400."
    )


class HeartbeatAnswer(ResponseModel):
    """Until when the lease is the worker's now."""

    worker_id: str = Field(examples=["w1"])
    lease_id: str = Field(examples=[_LEASE_ID_EXAMPLE])
    lease_expires_at: Moment
    trace: Trace | None


class ReportStepRequest(RequestModel):
    """Report a step of an attempt."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "attempt_id": ATTEMPT_ID_EXAMPLE,
                    "action_id": "fetch",
                    "status": "succeeded",
                    "dedupe_token": "fetch-1",
                }
            ]
        }
    )

    attempt_id: str = Field(description="Not blank. An attempt that is known must be leased to the worker.")
    action_id: str = Field(description="What was done; not blank.")
    status: str = Field(description="What became of it, in the worker's words; not blank.")
    dedupe_token: str = Field(description="Tells the reports of an attempt apart; not blank.")


class RetryPolicy(RequestModel):
    """When to try a failed attempt again, and how often."""

    strategy: str = Field(description="`fixed` or `exponential`, in any case.", examples=["exponential"])
    backoff_ms: I64 = Field(description="The first delay, above 0.", examples=[1000])
    max_backoff_ms: I64 | None = Field(None, description="The longest delay.", examples=[60000])
    multiplier: float | None = Field(None, description="Above 1; only for `exponential`, 2 by default.", examples=[2.0])
    max_retries: U32 = Field(description="How often to try again; 0 is never.", examples=[3])


class AckRequest(RequestModel):
    """Say what became of an attempt."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"attempt_id": ATTEMPT_ID_EXAMPLE, "terminal_status": "completed"},
                {
                    "attempt_id": ATTEMPT_ID_EXAMPLE,
                    "terminal_status": "completed",
                    "output": {"text": "What the page says."},
                },
                {
                    "attempt_id": ATTEMPT_ID_EXAMPLE,
                    "terminal_status": "failed",
                    "retry_policy": {"strategy": "fixed", "backoff_ms": 1000, "max_retries": 2},
                },
            ]
        }
    )

    attempt_id: str
    terminal_status: str = Field(description="`completed`, `failed` or `cancelled`.")
    retry_policy: RetryPolicy | None = Field(None, description="Kept for later failures of the attempt as well.")
    output: dict[str, Any] | None = Field(
        None, description="Of a completed attempt that a node waits for: its update of the state."
    )
    error: str | None = Field(None, description="Of a failed one: why; the node fails with it.")


class AttemptReport(ResponseModel):
    """What follows from what a worker said."""

    attempt_id: str = Field(examples=[ATTEMPT_ID_EXAMPLE])
    status: Literal["completed", "failed", "cancelled", "retry_scheduled", "reported", "reported_idempotent"]
    next_retry_at: Moment | None = Field(None, description="When a scheduled retry is due.")
    next_attempt_no: int | None = Field(
        None, description="Number of the coming execution, or of the last one; `null` for step reports.", examples=[2]
    )
    trace: Trace | None
