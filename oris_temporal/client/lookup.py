"""Finding the runs of a thread.

Reads the server's answers as they are on the wire: the SDK's own `describe` and `list` (1.35) raise when a workflow is paused.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
    ListWorkflowExecutionsRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from oris_temporal.graph.errors import ConfigurationError, ThreadNotFoundError, error_line
from oris_temporal.graph.interrupts import Interrupt
from oris_temporal.graph.records import RunStatus
from oris_temporal.workflows.protocol import MEMO
from oris_temporal.workflows.search_attributes import GRAPH, PARENT, STATUS, TENANT, UPDATED_AT

from .failures import typed_errors

_CLOSED: dict[int, RunStatus] = {
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED: "completed",
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_FAILED: "failed",
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED: "cancelled",
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED: "cancelled",
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TIMED_OUT: "failed",
}
_TIMED_OUT = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TIMED_OUT
_CONTINUED = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW
_EVENTS_BEFORE_WORK = 2
"""Events of a run that no worker has begun: its start, and its first workflow task."""

_PAUSED = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED


@dataclass(slots=True)
class Found:
    """One workflow execution, described.

    Attributes:
        workflow_id: Workflow id.
        run_id: Temporal's run id.
        graph: Workflow type.
        status: Status of the run.
        continued: Whether it continued as new; its successor goes on.
        paused: Whether an operator paused it.
        memo: What the run keeps for listing: ``run``, ``interrupts``, ``pending``, ``previous``, ``on_timeout``.
        info: The server's answer.
        description: The server's whole answer, when the run was described and not listed.
    """

    workflow_id: str
    run_id: str
    graph: str
    status: RunStatus
    continued: bool
    paused: bool
    memo: dict[str, Any]
    search: dict[str, Any]
    info: WorkflowExecutionInfo
    description: DescribeWorkflowExecutionResponse | None = None

    @property
    def is_open(self) -> bool:
        """Whether the workflow still runs."""
        return self.status in ("running", "interrupted") and not self.continued

    @property
    def begun(self) -> bool:
        """Whether a worker has begun it."""
        is_first = self.info.first_run_id in ("", self.run_id)  # and no history after another
        return not is_first or not self.is_open or self.info.history_length > _EVENTS_BEFORE_WORK

    @property
    def ordinal(self) -> int:
        """Ordinal of the run within its thread."""
        return int(self.memo.get("run", 1))

    @property
    def created_at(self) -> datetime:
        """When it started (UTC)."""
        return self.info.start_time.ToDatetime(UTC)

    @property
    def updated_at(self) -> datetime:
        """When its status last changed (UTC)."""
        if self.info.HasField("close_time"):
            return self.info.close_time.ToDatetime(UTC)
        updated = self.search.get(UPDATED_AT.name)
        return datetime.fromisoformat(updated) if updated else self.created_at

    @property
    def tenant(self) -> str | None:
        """Its tenant."""
        return self.search.get(TENANT.name)

    @property
    def forked_from(self) -> str | None:
        """Thread it was forked from."""
        return self.search.get(PARENT.name)

    @property
    def parent_workflow(self) -> str | None:
        """Workflow id of its parent, if it is a child workflow."""
        return self.info.parent_execution.workflow_id or None

    @property
    def pending(self) -> list[Interrupt]:
        """What it waits for, as the memo knows it."""
        return (
            [Interrupt.from_wire(item) for item in self.memo.get("pending", ())] if self.status == "interrupted" else []
        )


async def describe(client: Client, workflow_id: str, thread_id: str, run_id: str = "") -> Found:
    """Describe the latest run of a workflow id, or a given one.

    Raises:
        ThreadNotFoundError: There is none.
    """
    request = DescribeWorkflowExecutionRequest(
        namespace=client.namespace, execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id)
    )
    async with typed_errors(f"describe thread {thread_id!r}", thread_id):
        answer = await client.workflow_service.describe_workflow_execution(request, retry=True)
    found = await _found(client, answer.workflow_execution_info)
    found.description = answer
    return found


async def find(client: Client, workflow_id: str, thread_id: str) -> Found | None:
    """Like `describe`, but ``None`` if there is no such workflow."""
    request = DescribeWorkflowExecutionRequest(
        namespace=client.namespace, execution=WorkflowExecution(workflow_id=workflow_id)
    )
    async with typed_errors(f"describe thread {thread_id!r}"):
        try:
            answer = await client.workflow_service.describe_workflow_execution(request, retry=True)
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return None
            raise
    found = await _found(client, answer.workflow_execution_info)
    found.description = answer
    return found


async def runs_of(client: Client, workflow_id: str, thread_id: str, *, until: str = "") -> list[Found]:
    """All runs of a thread that are still retained, newest first, following the chain each run keeps in its memo.

    Args:
        client: Temporal client.
        workflow_id: Workflow id.
        thread_id: The thread, for errors.
        until: Run id at which to stop: only those after it.

    Raises:
        ThreadNotFoundError: There is none.
    """
    runs: list[Found] = []
    run_id = ""
    while True:
        try:
            found = await describe(client, workflow_id, thread_id, run_id=run_id)
        except ThreadNotFoundError:
            if not runs:
                raise
            return runs
        if found.run_id == until:
            return runs
        runs.append(found)
        run_id = found.memo.get("previous", "")
        if not run_id:
            return runs


async def search(client: Client, query: str) -> AsyncIterator[Found]:
    """Executions that match a visibility query, in the server's order."""
    token = b""
    while True:
        request = ListWorkflowExecutionsRequest(
            namespace=client.namespace, page_size=200, next_page_token=token, query=query
        )
        async with typed_errors("list runs"):
            answer = await client.workflow_service.list_workflow_executions(request, retry=True)
        for info in answer.executions:
            try:
                found = await _found(client, info)
            except ConfigurationError:  # its run had another codec; that it is there can be told all the same
                found = await _found(client, info, with_memo=False)
            yield found
        token = answer.next_page_token
        if not token:
            return


async def latest_runs(client: Client, clauses: Sequence[str], status: str | None, most: int) -> list[Found]:
    """Threads, each by its latest run, those updated last first.

    Args:
        client: Temporal client.
        clauses: What a visibility query asks beside that they are runs of graphs.
        status: Only this status.
        most: Needed, of those that come first; there may be more.
    """
    query = " AND ".join([f"{GRAPH.name} IS NOT NULL", "ExecutionStatus != 'ContinuedAsNew'", *clauses])
    latest: dict[str, Found] = {}
    closed = 0
    async for found in search(client, query):
        # Open runs come first, whenever they were updated, then closed ones by the time they closed. So a thread's latest run is the
        # first one seen, and of the closed ones those of one page and before it are enough.
        if not found.is_open and closed >= most:
            break
        if found.workflow_id not in latest:
            latest[found.workflow_id] = found
            closed += not found.is_open and status in (None, found.status)
    wanted = [found for found in latest.values() if status in (None, found.status)]
    return sorted(wanted, key=lambda found: found.updated_at, reverse=True)


def quoted(value: str) -> str:
    """Text as a visibility query has it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


async def _found(client: Client, info: WorkflowExecutionInfo, *, with_memo: bool = True) -> Found:
    # The server must be able to read search attributes, so they are always JSON and never encoded by a payload codec.
    search = {name: json.loads(payload.data) for name, payload in info.search_attributes.indexed_fields.items()}
    memo = await _memo(client, info) if with_memo and MEMO in info.memo.fields else {}
    memo = memo if isinstance(memo, dict) else {}
    status: RunStatus = _CLOSED.get(info.status, "running")
    if (
        info.status in (WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING, _PAUSED)
        and search.get(STATUS.name) == "interrupted"
    ):
        status = "interrupted"
    if info.status == _TIMED_OUT:
        status = memo.get("on_timeout", status)
    return Found(
        workflow_id=info.execution.workflow_id,
        run_id=info.execution.run_id,
        graph=info.type.name,
        status=status,
        continued=info.status == _CONTINUED,
        paused=info.status == _PAUSED,
        memo=memo,
        search=search,
        info=info,
    )


async def _memo(client: Client, info: WorkflowExecutionInfo) -> Any:
    try:
        return (await client.data_converter.decode([info.memo.fields[MEMO]]))[0]
    except Exception as error:  # whatever a codec raises
        raise ConfigurationError(
            f"What workflow {info.execution.workflow_id!r} keeps in its memo cannot be decoded: {error_line(error)}. Connect with the "
            "payload codec, and the keys, that its run was started with."
        ) from error
