"""Acknowledging: a worker says what became of its attempt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row

from oris_temporal.graph.errors import ConflictError, InvalidOptionError

from .attempts import TERMINAL, AttemptNotFoundError, TerminalStatus, change, lock, trace_columns, trace_in
from .database import Database
from .dead_letters import bury
from .leases import give_back
from .outcomes import Outcome, end
from .remote_tasks import RemoteTask, task_of
from .retries import RetryPolicy, add_retry, policy_columns, policy_in
from .trace_context import TraceContext


class NoNodeError(InvalidOptionError):
    """No node of a graph waits for the attempt, so it can have no output."""


class AttemptEndedError(ConflictError):
    """The attempt has ended in another way already."""


@dataclass(frozen=True, slots=True)
class Ack:
    """What a worker says.

    Attributes:
        attempt_id: Its attempt.
        worker_id: The worker.
        status: What became of it.
        policy: Whether to try again if it failed; replaces the attempt's own.
        span_id: The attempt's next span.
        tenant: Tenant whose attempts the worker may have; ``None`` is all.
        output: The update of the node that waits for a completed attempt.
        error: Why it failed, for that node.
        check: Raises if that node cannot take the output, and nothing is changed; only who holds the lease gets so far.
    """

    attempt_id: str
    worker_id: str
    status: TerminalStatus
    policy: RetryPolicy | None
    span_id: str
    tenant: str | None = None
    output: dict[str, Any] | None = None
    error: str | None = None
    check: Callable[[RemoteTask], None] | None = None

    @property
    def outcome(self) -> Outcome:
        """What a node that waits for the attempt is told."""
        match self.status:
            case "completed":
                return {"output": self.output}
            case "cancelled":
                return {"cancelled": self.error or f"Worker {self.worker_id} cancelled it."}
        return {"error": {"type": "WorkerError", "message": self.error or f"Worker {self.worker_id} gave no reason."}}


@dataclass(frozen=True, slots=True)
class Acked:
    """What follows.

    Attributes:
        status: What the worker said, or that the attempt is tried again.
        retry_at: When, in Unix milliseconds.
        attempt_no: Which execution the attempt is at, or comes next.
        trace: Where the attempt stands in its trace.
        repeated: Whether the worker had said so before, and nothing was changed.
        remote: Whether a node waits for the attempt, which is to be told that it has ended.
    """

    status: TerminalStatus | Literal["retry_scheduled"]
    retry_at: int | None
    attempt_no: int
    trace: TraceContext | None
    repeated: bool = False
    remote: bool = False


class Acks:
    """Takes the acknowledgements for one control store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ack(self, ack: Ack, now: int) -> Acked:
        """End an attempt's lease, and the attempt, unless it failed and is tried again.

        Saying the same again changes nothing and is answered the same.

        Args:
            ack: What the worker says.
            now: The present, in Unix milliseconds.

        Raises:
            AttemptNotFoundError: There is no such attempt.
            AttemptEndedError: It has ended in another way.
            LeaseOwnershipError: The worker does not hold its lease.
            NoNodeError: It has an output, which no node waits for.
            StoreUnavailableError: The database cannot be reached.
        """
        return await self._database.write(lambda connection: _ack(connection, ack, now))


def _ack(connection: Connection, ack: Ack, now: int) -> Acked:
    row = lock(connection, ack.attempt_id)
    if row is None or ack.tenant not in (None, row.tenant_id):
        raise AttemptNotFoundError(f"Driver error: attempt not found for ack: {ack.attempt_id}")
    if ack.output is not None and not row.remote:
        raise NoNodeError(f"no node waits for attempt {ack.attempt_id}, so it can have no output")
    if row.status in TERMINAL:
        if row.status != ack.status:
            raise AttemptEndedError(f"attempt already {row.status}: {ack.attempt_id}")
        return Acked(row.status, None, row.attempt_no, trace_in(row), repeated=True)
    if row.status == "retry_backoff" and (ack.status, ack.worker_id) == ("failed", row.worker_id):
        return Acked("retry_scheduled", row.retry_at, row.attempt_no, trace_in(row), repeated=True)
    give_back(connection, ack.attempt_id, ack.worker_id, now)
    if ack.check is not None and (task := task_of(connection, ack.attempt_id)) is not None:
        ack.check(task)
    trace = (before := trace_in(row)) and before.advanced(ack.span_id)
    policy = ack.policy or policy_in(row)
    new: dict[str, Any] = {"started_at": None, "lost_at": None, **trace_columns(trace)}
    if ack.policy is not None:
        new |= policy_columns(ack.policy)
    if ack.status == "failed" and policy is not None and _failures(row) <= policy.max_retries:
        attempt_no, delay = row.attempt_no + 1, policy.delay_ms(_failures(row))
        change(connection, row, status="retry_backoff", attempt_no=attempt_no, retry_at=now + delay, **new)
        add_retry(connection, ack.attempt_id, attempt_no, policy, delay, now + delay)
        return Acked("retry_scheduled", now + delay, attempt_no, trace)
    change(connection, row, status=ack.status, **new)
    if ack.status == "failed":
        bury(connection, row, "terminal_failed", now)
    if row.remote:
        end(connection, [ack.attempt_id], ack.outcome)
    return Acked(ack.status, None, row.attempt_no, trace, remote=row.remote)


def _failures(row: Row[Any]) -> int:
    """How often an attempt has failed with its present budget of retries, if it fails now."""
    return int(row.attempt_no - row.first_attempt_no + 1)
