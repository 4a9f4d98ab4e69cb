"""What HTTP workers ask for: attempts, leases, and to say what became of them."""

from __future__ import annotations

import time
from functools import partial

from ..control_store import ControlStore
from ..control_store.acks import Ack
from ..control_store.dispatch import Decision, Poll
from ..control_store.leases import LEASE_MS, LeaseOwnershipError, LeaseVersionError
from ..control_store.step_reports import StepReport
from ..control_store.times import from_millis, now_millis
from ..errors import ApiError, conflict
from ..metrics import Metrics
from ..models.workers import (
    AckRequest,
    AttemptReport,
    HeartbeatAnswer,
    HeartbeatRequest,
    PollAnswer,
    PollRequest,
    ReportStepRequest,
)
from .checks import check_lease_ttl, check_retry, check_terminal_status, lease_limit, require, require_id
from .remote_nodes import RemoteNodes
from .trace import new_span_id, wire_trace

_LEAST_DEPTH, _MOST_DEPTH = 16, 1_000


class WorkerService:
    """Serves HTTP workers.

    Args:
        control: Where attempts are kept.
        remote_nodes: What nodes of graphs wait for.
        metrics: Counts what happens.
    """

    def __init__(self, control: ControlStore, remote_nodes: RemoteNodes, metrics: Metrics) -> None:
        self._control = control
        self._remote_nodes = remote_nodes
        self._metrics = metrics

    async def poll(self, request: PollRequest, tenant: str | None) -> PollAnswer:
        """Lease an attempt, if there is one and no limit holds it back."""
        started = time.perf_counter()
        poll = Poll(
            worker_id=require_id(request.worker_id, "worker_id"),
            worker_limit=lease_limit(request.max_active_leases),
            tenant_limit=lease_limit(request.tenant_max_active_leases),
            depth=min(max(request.limit or 1, _LEAST_DEPTH), _MOST_DEPTH),
            span_id=new_span_id(),
            tenant=tenant,
        )
        now = now_millis()
        decision = await self._control.dispatcher.poll(poll, now)
        self._count(decision, now, (time.perf_counter() - started) * 1_000)
        task = decision.task
        return PollAnswer(
            decision=decision.decision,
            attempt_id=decision.attempt_id,
            lease_id=decision.lease_id,
            lease_expires_at=None if decision.expires_at is None else from_millis(decision.expires_at),
            reason=decision.reason,
            worker_active_leases=decision.worker_active,
            worker_limit=poll.worker_limit,
            tenant_id=decision.tenant_id,
            tenant_active_leases=decision.tenant_active,
            tenant_limit=poll.tenant_limit if _concerns_tenants(decision) else None,
            trace=wire_trace(decision.trace),
            thread_id=decision.thread_id,
            run_id=task.activity.temporal_run_id if task else None,
            graph=task.graph if task else None,
            node=task.node if task else None,
            input=task.input if task else None,
            attempt_no=decision.attempt_no,
            deadline=None if decision.times_out_at is None else from_millis(decision.times_out_at),
        )

    async def heartbeat(self, worker_id: str, request: HeartbeatRequest, tenant: str | None) -> HeartbeatAnswer:
        """Extend a lease from now on."""
        require(worker_id, "worker_id")
        ttl = check_lease_ttl(request.lease_ttl_seconds, LEASE_MS)
        self._metrics.lease_operations += 1
        now = now_millis()
        expires_at = now + ttl
        try:
            lease = await self._control.leases.held(request.lease_id, worker_id, now, tenant=tenant)
            await self._remote_nodes.beat_for(lease.attempt_id)
            trace = await self._control.leases.extend(lease, expires_at, new_span_id())
        except (LeaseOwnershipError, LeaseVersionError) as error:
            self._metrics.lease_conflicts += 1
            raise _lease_conflict(error) from error
        return HeartbeatAnswer(
            worker_id=worker_id,
            lease_id=request.lease_id,
            lease_expires_at=from_millis(expires_at),
            trace=wire_trace(trace),
        )

    async def report_step(self, worker_id: str, request: ReportStepRequest, tenant: str | None) -> AttemptReport:
        """Keep what a worker says of a step."""
        report = StepReport(
            worker_id=require_id(worker_id, "worker_id"),
            attempt_id=require_id(request.attempt_id, "attempt_id"),
            action_id=require(request.action_id, "action_id"),
            status=require(request.status, "status"),
            dedupe_token=require_id(request.dedupe_token, "dedupe_token"),
        )
        try:
            new, trace = await self._control.step_reports.add(report, new_span_id(), now_millis(), tenant=tenant)
        except LeaseOwnershipError as error:
            raise _lease_conflict(error) from error
        status = "reported" if new else "reported_idempotent"
        return AttemptReport(attempt_id=report.attempt_id, status=status, trace=wire_trace(trace))

    async def ack(self, worker_id: str, request: AckRequest, tenant: str | None) -> AttemptReport:
        """End an attempt, or have it tried again."""
        require(worker_id, "worker_id")
        require(request.attempt_id, "attempt_id")
        policy = check_retry(request.retry_policy)
        status = check_terminal_status(request.terminal_status)
        ack = Ack(
            attempt_id=request.attempt_id,
            worker_id=worker_id,
            status=status,
            policy=policy,
            span_id=new_span_id(),
            tenant=tenant,
            output=request.output,
            error=request.error,
            check=None if request.output is None else partial(self._remote_nodes.check_output, request.output),
        )
        try:
            acked = await self._control.acks.ack(ack, now_millis())
        except LeaseOwnershipError as error:
            raise _lease_conflict(error) from error
        if acked.status != "retry_scheduled" and not acked.repeated:
            self._metrics.terminal_acks[acked.status] += 1
        if acked.remote:
            await self._remote_nodes.tell_of(ack.attempt_id)
        return AttemptReport(
            attempt_id=ack.attempt_id,
            status=acked.status,
            next_retry_at=None if acked.retry_at is None else from_millis(acked.retry_at),
            next_attempt_no=acked.attempt_no,
            trace=wire_trace(acked.trace),
        )

    def _count(self, decision: Decision, now: int, milliseconds: float) -> None:
        if decision.reason is not None:
            self._metrics.backpressure[decision.reason] += 1
        if decision.decision == "dispatched":
            self._metrics.lease_operations += 1
            self._metrics.dispatch_latency.observe(milliseconds)
        if decision.lost_at is not None:
            self._metrics.recovery_latency.observe(now - decision.lost_at + milliseconds)


def _concerns_tenants(decision: Decision) -> bool:
    return decision.decision == "noop" or decision.reason == "tenant_limit"


def _lease_conflict(error: LeaseOwnershipError | LeaseVersionError) -> ApiError:
    return conflict(error.message, error.details or None)
