"""Requests and answers of the job endpoints."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from .base import I32, I64, Millisecond, OnConflict, RequestModel, ResponseModel, WaitMs
from .trace import Trace

JobStatus = Literal["queued", "running", "interrupted", "completed", "failed", "cancelled"]


class TimeoutPolicy(RequestModel):
    """How long a job may take, and how it ends if it takes longer."""

    timeout_ms: I64 = Field(description="Milliseconds, above 0.", examples=[60000])
    on_timeout_status: str = Field(description="`failed` or `cancelled`, in any case.", examples=["failed"])


class RunJobRequest(RequestModel):
    """Start a graph on a thread."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"thread_id": "t1", "input": "hello"},
                {
                    "thread_id": "t2",
                    "input": {"topic": "tides"},
                    "graph": "review",
                    "priority": 80,
                    "tenant_id": "acme",
                    "on_conflict": "replace",
                    "wait_ms": 5000,
                },
            ]
        }
    )

    thread_id: str = Field(description="Any non-blank id of the caller's choice; also names the Temporal workflow.")
    input: str | dict[str, Any] | None = Field(
        None,
        description="A string becomes one human message, an object the initial state. Default: `API run`.",
    )
    graph: str | None = Field(None, description="Which graph to run. Default: the server's default graph.")
    idempotency_key: str | None = Field(
        None, description="Repeating a request with its key does the work once. Not blank."
    )
    timeout_policy: TimeoutPolicy | None = None
    priority: I32 | None = Field(None, description="0 (default) to 100; higher goes first.")
    tenant_id: str | None = Field(None, description="Up to 128 of ASCII letters, digits and `-_.:`.")
    on_conflict: OnConflict = None
    wait_ms: WaitMs = None


class ResumeJobRequest(RequestModel):
    """Answer the interrupt that a thread waits on."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"value": True}, {"value": {"ok": False, "why": "too long"}}]}
    )

    value: Any = Field(description="Any JSON, `null` included; must be present.")
    checkpoint_id: str | None = Field(
        None, description="Go back to this checkpoint first. Default: answer where the thread waits."
    )
    wait_ms: WaitMs = None


class ReplayJobRequest(RequestModel):
    """Run a thread again from one of its checkpoints."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}, {"checkpoint_id": "0001-000001"}]})

    checkpoint_id: str | None = Field(
        None, description="Go on from this checkpoint. Default: run the graph from its start, with the latest state."
    )
    on_conflict: OnConflict = None
    wait_ms: WaitMs = None


class ForkJobRequest(RequestModel):
    """Start a new thread from a checkpoint of another."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {},
                {"checkpoint_id": "0001-000001", "new_thread_id": "t1-other", "update": {"topic": "tides"}},
            ]
        }
    )

    checkpoint_id: str | None = Field(None, description="Where to start. Default: the latest.")
    new_thread_id: str | None = Field(None, description="Must be new. Default: `<thread_id>/fork/<n>`.")
    update: dict[str, Any] | None = Field(None, description="State update to merge first.")
    as_node: str | None = Field(
        None,
        description="Decide what runs next as if this node had written the update. Default: as the checkpoint says.",
    )
    wait_ms: WaitMs = None


class EditStateRequest(RequestModel):
    """Change a thread's state."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"values": {"topic": "tides"}}]})

    values: dict[str, Any] = Field(description="State update, merged as one of a node is.")
    as_node: str | None = Field(
        None,
        description="Decide what runs next as if this node had written the values, and stop before that until a resume.",
    )


class EditedState(ResponseModel):
    """The state is changed, or will be."""

    thread_id: str = Field(examples=["t1"])
    checkpoint_id: str | None = Field(
        description="The checkpoint with the change; `null` if nodes still run: it is made when they are through.",
        examples=["0001-000002"],
    )


class CancelJobRequest(RequestModel):
    """Stop a thread for good."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}, {"reason": "no longer needed"}]})

    reason: str | None = Field(None, description="Echoed in the answer and shown in the workflow's history.")


class RunJob(ResponseModel):
    """How a run, resume or replay left the thread."""

    thread_id: str = Field(examples=["t1"])
    status: Literal["completed", "interrupted", "running"] = Field(
        description="`interrupted` when somebody has to answer; `running` when the wait budget ended first.",
        examples=["interrupted"],
    )
    interrupts: list[Any] = Field(
        description="Payloads of the pending interrupts; `/v1/interrupts` lists their ids.",
        examples=[["approve?"]],
    )
    idempotency_key: str | None = Field(None, examples=[None])
    idempotent_replay: bool = Field(False, description="Whether this is the stored answer of an earlier request.")
    trace: Trace | None = None


class Cancelled(ResponseModel):
    """The thread is cancelled, whatever it was before."""

    thread_id: str = Field(examples=["t1"])
    status: Literal["cancelled"] = "cancelled"
    reason: str | None = Field(None, examples=["no longer needed"])


class JobSummary(ResponseModel):
    """One line of the job list."""

    thread_id: str = Field(examples=["t1"])
    status: JobStatus
    updated_at: Millisecond


class JobList(ResponseModel):
    """Jobs, most recently changed first."""

    jobs: list[JobSummary]
