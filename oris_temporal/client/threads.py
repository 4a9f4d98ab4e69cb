"""Threads on the cluster: their workflows, and what can be read of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from oris_temporal.graph.errors import (
    CheckpointNotFoundError,
    GraphError,
    NotInterruptedError,
    OrisError,
    RunPausedError,
    ThreadNotFoundError,
    error_class,
)
from oris_temporal.graph.interrupts import Interrupt
from oris_temporal.graph.requests import check_thread_id
from oris_temporal.workflows import protocol
from oris_temporal.workflows.payloads import ordered
from oris_temporal.workflows.protocol import RunOptions, RunReport

from . import lookup
from .failures import TIMED_OUT, describe_failure, typed_errors
from .lookup import Found
from .waiting import has_pollers, no_worker

_PATIENCE = timedelta(seconds=10)
"""Longest wait for what only a worker can tell."""

_LITTLE_PATIENCE = timedelta(seconds=1)
"""Longest wait for a worker to add something to what the server tells, and for an answer before looking why there is none."""

_WORKFLOWS = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW

_ASK_AGAIN = (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED, RPCStatusCode.RESOURCE_EXHAUSTED)

_NEVER_BEGAN = "before WorkflowTaskStarted"
"""How the server says that a run was ended before a worker ever saw it."""

_LAST_EVENTS = 200
"""Events at the end of a history among which it says why it ended."""

_NO_PAGE = {"items": [], "more": False}


class Threads:
    """Finds and reads threads.

    Args:
        temporal: Temporal client.
        id_prefix: Put before thread ids to make workflow ids.
    """

    def __init__(self, temporal: Client, id_prefix: str) -> None:
        self.temporal = temporal
        self.id_prefix = id_prefix

    def workflow_id(self, thread_id: str) -> str:
        """Workflow id of a thread.

        Raises:
            InvalidThreadIdError: It is none that a thread could have.
        """
        return f"{self.id_prefix}{check_thread_id(thread_id, self.id_prefix)}"

    def thread_of(self, workflow_id: str) -> str:
        """Thread of a workflow id."""
        return workflow_id.removeprefix(self.id_prefix)

    def handle(self, thread_id: str, run_id: str = "") -> WorkflowHandle[Any, Any]:
        """Handle of a thread's latest run, or of a given one."""
        return self.temporal.get_workflow_handle(self.workflow_id(thread_id), run_id=run_id or None)

    async def describe(self, thread_id: str, ordinal: int | None = None) -> Found:
        """The latest run, or the one with an ordinal.

        Raises:
            ThreadNotFoundError: There is none.
        """
        found = await lookup.describe(self.temporal, self.workflow_id(thread_id), thread_id)
        if ordinal in (None, found.ordinal):
            return found
        for earlier in await self.runs(thread_id):
            if earlier.ordinal == ordinal:
                return earlier
        raise ThreadNotFoundError(
            f"There is no run {ordinal} of thread {thread_id!r}, or its retention period is over.", thread_id=thread_id
        )

    async def describe_run(self, thread_id: str, run_id: str) -> Found:
        """One of its runs, by Temporal's id.

        Raises:
            ThreadNotFoundError: There is none.
        """
        return await lookup.describe(self.temporal, self.workflow_id(thread_id), thread_id, run_id)

    async def ended(self, thread_id: str, so: str, error: ThreadNotFoundError) -> OrisError:
        """The error for something that only an open run can do, where the server answered with an error.

        Raises:
            ThreadNotFoundError: The thread has no run at all.
        """
        found = await self.describe(thread_id)
        if found.is_open:
            return error
        return NotInterruptedError(f"The run of thread {thread_id!r} is {found.status}, so {so}.")

    async def find(self, thread_id: str) -> Found | None:
        """The latest run, if there is one."""
        return await lookup.find(self.temporal, self.workflow_id(thread_id), thread_id)

    async def runs(self, thread_id: str) -> list[Found]:
        """All runs that are still retained, newest first.

        Raises:
            ThreadNotFoundError: There is none.
        """
        return await lookup.runs_of(self.temporal, self.workflow_id(thread_id), thread_id)

    async def query(
        self, thread_id: str, found: Found, name: str, *args: Any, patience: timedelta = _PATIENCE, nothing: Any = None
    ) -> Any:
        """Ask a run; `nothing` is the answer of one that ended before a worker ever saw it.

        Raises:
            NoWorkerError: No worker can tell.
        """
        async with typed_errors(f"read thread {thread_id!r}", thread_id):
            asking = asyncio.ensure_future(self._ask(thread_id, found, name, args, patience))
            try:
                await asyncio.wait({asking}, timeout=_LITTLE_PATIENCE.total_seconds())
                if not asking.done() and not await has_pollers(self.temporal, found.info.task_queue, _WORKFLOWS):
                    raise no_worker(found.info.task_queue, thread_id, "cannot be read")
                return await asking
            except RPCError as error:
                if _NEVER_BEGAN in error.message:
                    return nothing
                raise
            except ValueError as error:  # how SDK 1.35 says that the server rejects queries of a paused workflow
                raise RunPausedError(
                    f"The workflow of thread {thread_id!r} is paused by an operator and cannot be asked. Unpause it first."
                ) from error
            finally:
                asking.cancel()

    async def _ask(self, thread_id: str, found: Found, name: str, args: Sequence[Any], patience: timedelta) -> Any:
        """Ask for as long as there is patience.

        Anew after half of it: a worker that evicts the run just then loses the question. And anew when the server takes none, as another's
        is still unanswered; the SDK by itself tries that for 15 s, whatever the time limit is.
        """
        handle = self.handle(thread_id, found.run_id)
        async with asyncio.timeout(patience.total_seconds()):
            while True:
                try:
                    return await handle.query(name, args=args, rpc_timeout=patience / 2)
                except RPCError as error:
                    if error.status not in _ASK_AGAIN:
                        raise

    async def history(self, thread_id: str, found: Found, namespace: str, values: bool) -> list[dict[str, Any]]:
        """All checkpoints of a run, oldest first."""
        return await self._pages(thread_id, found, protocol.QUERY_HISTORY, namespace, values)

    async def timeline(self, thread_id: str, found: Found) -> list[dict[str, Any]]:
        """All events of a run, oldest first."""
        wires: list[dict[str, Any]] = []
        more = True
        while more:
            after = wires[-1]["seq"] if wires else 0
            page = await self.query(thread_id, found, protocol.QUERY_TIMELINE, after, nothing=_NO_PAGE)
            wires += page["items"]
            more = page["more"]
        return wires

    async def _pages(self, thread_id: str, found: Found, name: str, *args: Any) -> list[dict[str, Any]]:
        """All that a query answers in pages, each from a start."""
        wires: list[dict[str, Any]] = []
        more = True
        while more:
            page = await self.query(thread_id, found, name, *args, len(wires), nothing=_NO_PAGE)
            wires += page["items"]
            more = page["more"]
        return wires

    async def report(self, thread_id: str, found: Found, *, ask_worker: bool = True) -> RunReport:
        """How far a run got: asked of the run or, if no worker can tell, read from its history.

        Args:
            thread_id: The thread.
            found: The run.
            ask_worker: Whether to ask also a run that has completed, of which the server knows all but usage and checkpoint.
        """
        report = RunReport(found.status, interrupts=[item.to_wire() for item in found.pending] or None)
        patience = _LITTLE_PATIENCE if found.status in ("running", "completed") else _PATIENCE
        try:
            if (ask_worker or found.status != "completed") and await self._can_tell(found):
                wire = await self.query(thread_id, found, protocol.QUERY_STATE, patience=patience)
                report = report if wire is None else RunReport.from_wire(wire)
                report.values = await self._values(thread_id, found, report)
        except OrisError:  # a run that ends just then loses what it is asked
            if found.is_open and not (now := await self.describe_run(thread_id, found.run_id)).is_open:
                return await self.report(thread_id, now)
        if found.status == "completed" and report.values is None:
            report.values = await self.handle(thread_id, found.run_id).result()
        if not found.is_open:
            report.status = found.status
            report.interrupts = report.next = None
        if found.status == "failed" and report.error is None:
            report.error = await self._failure(thread_id, found)
        return report

    async def last_values(self, thread_id: str, found: Found) -> dict[str, Any] | None:
        """The state that a run has reached; ``None`` if it did not begin.

        Raises:
            NoWorkerError: Only a worker can tell, and none does.
            RunPausedError: An operator paused the run.
        """
        if found.status == "completed":
            return cast("dict[str, Any]", await self.handle(thread_id, found.run_id).result())
        if not await has_pollers(self.temporal, found.info.task_queue, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW):
            raise no_worker(found.info.task_queue, thread_id, "cannot be read")
        wire = await self.query(thread_id, found, protocol.QUERY_STATE)
        return None if wire is None else await self._values(thread_id, found, RunReport.from_wire(wire))

    async def _values(self, thread_id: str, found: Found, report: RunReport) -> dict[str, Any] | None:
        """The state that goes with a report."""
        if report.fields is None:
            return report.values
        return {name: await self._field(thread_id, found, name) for name in report.fields}

    async def _field(self, thread_id: str, found: Found, name: str) -> Any:
        """A field of a large state."""
        items: list[Any] = []
        while True:
            page = await self.query(thread_id, found, protocol.QUERY_FIELD, "", name, len(items))
            if "value" in page:
                return page["value"]
            if not page["items"]:
                return items
            items += page["items"]

    async def check_input(self, thread_id: str, found: Found, input: Any) -> None:
        """Let a run's graph check an input.

        Raises:
            InvalidUpdateError: It does not fit.
        """
        if input is not None and await self._can_tell(found):
            _raise_refusal(await self.query(thread_id, found, protocol.QUERY_INPUT, ordered(input)))

    async def asked(self, thread_id: str, found: Found, *, all: bool = True) -> list[Interrupt]:
        """The interrupts a run has asked, whatever became of them; or only the pending ones."""
        if not (found.is_open or all):
            return []
        asked = map(Interrupt.from_wire, await self._pages(thread_id, found, protocol.QUERY_INTERRUPTS, all))
        return [_settled(item, found) for item in asked]

    async def asked_ever(self, thread_id: str) -> list[Interrupt]:
        """The interrupts that all runs of a thread have asked, those of the first run first.

        Raises:
            ThreadNotFoundError: The thread has no run.
        """
        asked: dict[str, Interrupt] = {}
        for found in reversed(await self.runs(thread_id)):
            asked |= {item.id: item for item in await self.asked(thread_id, found)}  # it knows best what it took over
        return list(asked.values())

    async def seed(
        self,
        thread_id: str,
        runs: list[Found],
        checkpoint_id: str | None,
        *,
        edit: dict[str, Any] | None = None,
        answer: list[Any] | None = None,
    ) -> tuple[Found, RunOptions]:
        """The run that has a checkpoint, and the options of a run that starts there: those of that run, and its state then.

        Args:
            thread_id: The thread.
            runs: Its runs.
            checkpoint_id: The checkpoint.
            edit: The ``update`` and ``as_node`` that the new run is to begin with.
            answer: The arguments of ``resume`` that the new run is to get.

        Raises:
            CheckpointNotFoundError: None of them has it.
            GraphError: The edit or the answer does not fit.
        """
        args = [checkpoint_id, None if edit is None else ordered(edit), None if answer is None else ordered(answer)]
        for found in runs:
            seed = await self.query(thread_id, found, protocol.QUERY_SEED, *args)
            _raise_refusal(seed)
            if seed is not None:
                return found, RunOptions.from_wire(seed)
        raise no_checkpoint(thread_id, None if checkpoint_id == protocol.FIRST_CHECKPOINT else checkpoint_id)

    async def why_cancelled(self, found: Found) -> str | None:
        """Why a run was cancelled or terminated, as the end of its history has it."""
        request = GetWorkflowExecutionHistoryReverseRequest(
            namespace=self.temporal.namespace,
            execution=WorkflowExecution(workflow_id=found.workflow_id, run_id=found.run_id),
            maximum_page_size=_LAST_EVENTS,
        )
        async with typed_errors("read why a run was cancelled"):
            answer = await self.temporal.workflow_service.get_workflow_execution_history_reverse(request, retry=True)
        for event in answer.history.events:
            if event.HasField("workflow_execution_terminated_event_attributes"):
                return event.workflow_execution_terminated_event_attributes.reason or None
            if event.HasField("workflow_execution_timed_out_event_attributes"):
                return TIMED_OUT
            if event.HasField("workflow_execution_cancel_requested_event_attributes"):
                return event.workflow_execution_cancel_requested_event_attributes.cause or None
        return None

    async def _can_tell(self, found: Found) -> bool:
        """Whether to ask the run itself. One that was never worked on has nothing to tell."""
        if found.paused:
            return False
        return found.status != "running" or await has_pollers(self.temporal, found.info.task_queue, _WORKFLOWS)

    async def _failure(self, thread_id: str, found: Found) -> dict[str, Any] | None:
        try:
            await self.handle(thread_id, found.run_id).result()
        except WorkflowFailureError as error:
            return describe_failure(error.cause)
        return None


def _raise_refusal(answer: Any) -> None:
    """Raise the error that a query answered with, if it did."""
    if isinstance(answer, dict) and (refusal := answer.get("refusal")) is not None:
        raise (error_class(refusal["type"]) or GraphError)(refusal["message"], **refusal["details"])


def _settled(item: Interrupt, found: Found) -> Interrupt:
    """An interrupt as it stands now: one that was pending when its run was over is rejected, as nobody can answer it any more."""
    if item.status == "pending" and not found.is_open and not found.continued:
        item.status, item.answer = "rejected", f"its run has ended ({found.status})"
    return item


def no_checkpoint(thread_id: str, checkpoint_id: str | None, namespace: str = "") -> CheckpointNotFoundError:
    """The error for a checkpoint that is not there."""
    which = "" if checkpoint_id is None else f" {checkpoint_id!r}"
    where = f" in namespace {namespace!r}" if namespace else ""
    return CheckpointNotFoundError(f"Thread {thread_id!r} has no checkpoint{which}{where}.", thread_id=thread_id)
