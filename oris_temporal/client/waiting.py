"""Waiting for a run to settle, and finding out why it does not."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.api.enums.v1 import EventType, PendingActivityState, PendingWorkflowTaskState, TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import PendingActivityInfo, PendingWorkflowTaskInfo
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from oris_temporal.graph.errors import GraphNotFoundError, NoWorkerError, OrisError, RunStuckError

from .failures import typed_errors
from .lookup import Found, find

FIRST_LOOK = 3.0
"""Seconds after which a run that has not settled is looked at."""

NEXT_LOOK = 10.0
"""Seconds between later looks."""

POLLER_SILENCE = 75.0
"""Seconds after which a poller counts as gone; a long poll lasts 60."""


async def wait_watching(
    client: Client, waiting: asyncio.Future[Any], workflow_id: str, thread_id: str, budget: float | None
) -> Any:
    """Result of `waiting`, or ``None`` if the budget ended first.

    Args:
        client: Temporal client.
        waiting: The long poll.
        workflow_id: Workflow it waits for.
        thread_id: Its thread, for errors.
        budget: Seconds to wait; ``None`` has no end.

    Raises:
        NoWorkerError: No worker polls a task queue that the run needs.
        GraphNotFoundError: The workers that do have no such graph.
        RunStuckError: The workflow task keeps failing.
    """
    loop = asyncio.get_running_loop()
    deadline = None if budget is None else loop.time() + budget
    look = FIRST_LOOK
    doctor = _Doctor(client, workflow_id, thread_id, datetime.now(UTC))
    try:
        while True:
            left = None if deadline is None else deadline - loop.time()
            done, _ = await asyncio.wait({waiting}, timeout=look if left is None else max(0.0, min(look, left)))
            if done:
                return waiting.result()
            if left is not None and left <= look and deadline is not None and loop.time() >= deadline:
                return None
            if (trouble := await doctor.diagnose()) is not None:
                raise trouble
            look = NEXT_LOOK
    finally:
        waiting.add_done_callback(_look_at)
        waiting.cancel()


def _look_at(ended: asyncio.Future[Any]) -> None:
    """Take note of an error nobody waits for any more, else asyncio complains that nobody did."""
    if not ended.cancelled():
        ended.exception()


async def why_stuck(client: Client, workflow_id: str, thread_id: str) -> OrisError | None:
    """Why a run makes no progress at this moment, if something outside of it is the reason. For the errors see `wait_watching`."""
    return await _Doctor(client, workflow_id, thread_id, datetime.min.replace(tzinfo=UTC)).diagnose()


def untaken_from(found: Found, seconds: float) -> str | None:
    """Task queue from which nobody has taken the run's next task for so long; ``None`` if there is none.

    It needs no poller to be missing: a worker that has stopped is listed among them for a while.
    """
    if found.description is None or not found.is_open or found.paused:
        return None
    latest = datetime.now(UTC) - timedelta(seconds=seconds)
    queue = found.description.execution_config.task_queue.name
    task = found.description.pending_workflow_task
    if _waits(task) and task.scheduled_time.ToDatetime(UTC) < latest:
        return queue
    for pending in found.description.pending_activities:
        if _waits_first(pending) and pending.scheduled_time.ToDatetime(UTC) < latest:
            return pending.activity_options.task_queue.name or queue
    return None


def _waits(task: PendingWorkflowTaskInfo) -> bool:
    return task.state == PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_SCHEDULED


def _waits_first(pending: PendingActivityInfo) -> bool:
    """Whether an activity waits for a worker, and not for its next attempt."""
    return pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED and pending.attempt <= 1


class _Doctor:
    """Finds out why a run makes no progress, if something outside of it is the reason."""

    def __init__(self, client: Client, workflow_id: str, thread_id: str, began: datetime) -> None:
        self._client, self._workflow_id, self._thread_id = client, workflow_id, thread_id
        self._began = began
        self._attempt: int | None = None

    async def diagnose(self) -> OrisError | None:
        """The trouble, if there is any."""
        found = await find(self._client, self._workflow_id, self._thread_id)
        if found is None or not found.is_open or found.description is None:
            return None
        queue = found.description.execution_config.task_queue.name
        if found.description.HasField("pending_workflow_task"):
            task = found.description.pending_workflow_task
            if task.attempt > 1 and self._is_news(task):
                return await _task_failure(self._client, found, self._thread_id)
            if _waits(task) and not await has_pollers(self._client, queue, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW):
                return no_worker(queue, self._thread_id, "cannot go on")
        for pending in found.description.pending_activities:
            name = pending.activity_options.task_queue.name or queue
            if _waits_first(pending) and not await has_pollers(
                self._client, name, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
            ):
                return no_worker(name, self._thread_id, "cannot go on")
        return None

    def _is_news(self, task: PendingWorkflowTaskInfo) -> bool:
        """Whether the workflow task failed since the wait began: workers may have been mended since it failed before."""
        if task.original_scheduled_time.ToDatetime(UTC) >= self._began:
            return True
        before, self._attempt = self._attempt, task.attempt
        return before is not None and task.attempt > before


async def has_pollers(client: Client, task_queue: str, kind: TaskQueueType.ValueType) -> bool:
    """Whether a worker polls a task queue now; taken to be so where the server cannot tell, as the time-skipping one."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=task_queue), task_queue_type=kind
    )
    async with typed_errors(f"look at task queue {task_queue!r}"):
        try:
            answer = await client.workflow_service.describe_task_queue(request, retry=True)
        except RPCError as error:
            if error.status == RPCStatusCode.UNIMPLEMENTED:
                return True
            raise
    now = datetime.now(UTC)
    return any(
        (now - poller.last_access_time.ToDatetime(UTC)).total_seconds() < POLLER_SILENCE for poller in answer.pollers
    )


def no_worker(queue: str, thread_id: str, cannot: str) -> NoWorkerError:
    """The error for a task queue that nobody serves, and what a thread cannot do for that."""
    return NoWorkerError(
        f"No worker polls task queue {queue!r}, so thread {thread_id!r} {cannot}. Start one "
        "(`oris-temporal worker --graphs package.module:name`); the run is kept and goes on then.",
        task_queue=queue,
        thread_id=thread_id,
    )


async def _task_failure(client: Client, found: Found, thread_id: str) -> OrisError | None:
    handle = client.get_workflow_handle(found.workflow_id, run_id=found.run_id)
    message = ""
    async for event in handle.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            message = event.workflow_task_failed_event_attributes.failure.message
    if not message:
        return None  # a lost worker's task, which is on its way to another
    if "is not registered on this worker" in message:
        return GraphNotFoundError(
            f"The workers have no graph {found.graph!r} ({message}). Deploy it, and thread {thread_id!r} goes on, or cancel the thread.",
            graph=found.graph,
            thread_id=thread_id,
        )
    return RunStuckError(
        f"Thread {thread_id!r} cannot go on: its workflow task keeps failing: {message}. It is kept, and goes on once workers with "
        "mended code are there.",
        thread_id=thread_id,
    )
