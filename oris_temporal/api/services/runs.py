"""Starting runs and listing jobs."""

from __future__ import annotations

from typing import cast, get_args

from oris_temporal.client import OrisClient
from oris_temporal.graph.records import RunStatus

from ..error_mapping import failing
from ..errors import ApiError
from ..models.jobs import JobList, JobSummary, RunJob, RunJobRequest
from ..security import Caller
from ..transport.preferences import Preferences
from .checks import check_conflict, check_priority, check_tenant, check_timeout, require, temporal_priority
from .graphs import GraphService
from .idempotency import RunKeys, payload_hash
from .outcomes import MAX_PAGE, run_job
from .run_attempts import RunAttempts
from .threads import ThreadGuard
from .trace import open_trace, wire_trace
from .waiting import check_wait

DEFAULT_INPUT = "API run"


class RunService:
    """Starts runs and lists jobs.

    Args:
        client: The client.
        guard: Keeps cancelled threads from running.
        keys: Idempotency keys.
        attempts: The attempts of runs.
        graphs: Graphs that this process knows. Input for them is checked before anything starts, and their runs show a
            diagram in the Web UI; other graphs are refused.
    """

    def __init__(
        self, client: OrisClient, guard: ThreadGuard, keys: RunKeys, attempts: RunAttempts, graphs: GraphService
    ) -> None:
        self._client = client
        self._guard = guard
        self._keys = keys
        self._attempts = attempts
        self._graphs = graphs

    async def run(
        self, request: RunJobRequest, preferences: Preferences, traceparent: bytes | None, caller: Caller
    ) -> RunJob:
        """Start a graph on a thread and wait until it settles or the wait budget ends."""
        thread_id = require(request.thread_id, "thread_id")
        await self._guard.refuse_cancelled(thread_id, caller.tenant)
        priority = check_priority(request.priority)
        tenant = _own_tenant(check_tenant(request.tenant_id), caller)
        on_conflict = check_conflict(request.on_conflict)
        wait = check_wait(request.wait_ms, preferences)
        given = DEFAULT_INPUT if request.input is None else request.input
        key = request.idempotency_key
        if key is not None:
            require(key, "idempotency_key")
            payload = payload_hash(thread_id, given, request.timeout_policy, priority, tenant, request.graph)
            if (earlier := await self._keys.earlier(key, thread_id, payload)) is not None:
                return earlier
        trace = open_trace(traceparent)
        limit = check_timeout(request.timeout_policy)
        graph = self._graphs.chosen(request.graph)

        async def start(temporal_key: str | None = None) -> RunJob:
            with failing("run failed"):
                result = await self._client.run(
                    graph,
                    thread_id,
                    given,
                    wait=wait,
                    on_conflict=on_conflict,
                    idempotency_key=temporal_key,
                    tenant=tenant,
                    priority=temporal_priority(priority),
                    execution_timeout=limit.time,
                    on_timeout=limit.then,
                )
                await self._attempts.began(
                    result, key=temporal_key, priority=priority, tenant=tenant, limit=limit, trace=trace
                )
            return run_job(result, failing="run failed", idempotency_key=key, trace=wire_trace(trace))

        return await (start() if key is None else self._keys.once(key, thread_id, payload, start))

    async def page(self, status: str | None, limit: int, offset: int, tenant: str | None) -> JobList:
        """A page of the jobs, most recently changed first."""
        limit = min(limit, MAX_PAGE)
        if limit == 0 or status not in (None, *get_args(RunStatus)):
            return JobList(jobs=[])
        found = await self._client.list(
            status=cast("RunStatus | None", status), tenant=tenant, limit=limit, offset=offset
        )
        return JobList(
            jobs=[JobSummary(thread_id=run.thread_id, status=run.status, updated_at=run.updated_at) for run in found]
        )


def _own_tenant(tenant: str | None, caller: Caller) -> str | None:
    """The tenant of a run: for a caller that has one, that."""
    if caller.tenant is None or tenant in (None, caller.tenant):
        return caller.tenant or tenant
    raise ApiError(403, f"this key is for tenant '{caller.tenant}' only", {"tenant_id": tenant})
