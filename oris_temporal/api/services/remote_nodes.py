"""Remote nodes: Temporal activities that the facade takes over and HTTP workers do.

An activity becomes an attempt in the queue and stays open. Its facade keeps it alive by heartbeats, whichever worker has it, and
completes or fails it when the attempt has ended.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from temporalio import activity
from temporalio.client import AsyncActivityCancelledError, AsyncActivityHandle
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

from oris_temporal.activities.fields import FieldCache
from oris_temporal.activities.nodes import read_call
from oris_temporal.client import OrisClient
from oris_temporal.client.lookup import describe
from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.errors import (
    InvalidUpdateError,
    NodeTimeoutError,
    OrisError,
    ThreadNotFoundError,
)
from oris_temporal.graph.node import Node
from oris_temporal.workflows.payloads import ordered
from oris_temporal.workflows.protocol import NodeInput, NodeOutput, RemoteNode, remote_queue

from ..control_store import ControlStore
from ..control_store.attempts import NewAttempt
from ..control_store.remote_tasks import Activity, RemoteTask
from ..control_store.retries import RetryPolicy
from ..control_store.times import now_millis
from ..errors import invalid
from ..ticker import repeating
from .checks import oris_priority
from .trace import new_span_id
from .waiting import NO_WAIT

logger = logging.getLogger(__name__)

_AT_ONCE = 50
"""Requests to Temporal at the same time."""

_NO_LIMIT = 2**31 - 1

_ATTENTION_SECONDS = 0.2


class RemoteNodes:
    """Takes remote nodes over, and tells Temporal what became of them.

    Args:
        client: The client.
        control: Where attempts are kept.
        graphs: Graphs that are known here: outputs for their nodes are checked.
    """

    def __init__(self, client: OrisClient, control: ControlStore, graphs: Mapping[str, CompiledGraph]) -> None:
        self._client = client
        self._control = control
        self._tasks = control.remote_tasks
        self._graphs = {item.name: item for graph in graphs.values() for item in (graph, *graph.subgraphs())}
        self._fields = FieldCache()
        self._room = asyncio.Semaphore(_AT_ONCE)

    def worker(self) -> Worker:
        """The Temporal worker that takes over the remote nodes of the runs of the client's task queue."""
        return Worker(
            self._client.temporal, task_queue=remote_queue(self._client.task_queue), activities=[self._activity()]
        )

    async def tell(self) -> None:
        """Tell Temporal what became of tasks that have ended."""
        await self._each(await self._tasks.untold(), self._tell)

    async def tell_of(self, attempt_id: str) -> None:
        """Tell Temporal what became of an attempt, if a node waits for it; `tell` tries again if that fails now."""
        task = await self._tasks.find(attempt_id)
        if task is not None and task.outcome is not None:
            try:
                await self._tell(task)
            except (RPCError, OrisError) as error:
                logger.warning("What became of attempt %s could not be told to Temporal yet: %s", attempt_id, error)

    async def beat(self) -> None:
        """Keep the activities of all open tasks alive, and end the tasks of those that are cancelled or gone."""
        await self._each(await self._tasks.open(), self._beat)

    def attentive(self, thread_id: str) -> AbstractAsyncContextManager[None]:
        """While the block lasts, notice at once that nodes of a thread are cancelled, rather than with the next `beat`."""

        async def beat() -> None:
            await self._each(await self._tasks.open_of(thread_id), self._beat)

        return repeating(beat, _ATTENTION_SECONDS, f"Nodes of thread {thread_id} hear late that they are cancelled")

    async def beat_for(self, attempt_id: str) -> None:
        """Keep the activity alive that waits for an attempt, if one does."""
        task = await self._tasks.find(attempt_id)
        if task is not None and task.outcome is None:
            await self._beat(task)

    def check_output(self, output: dict[str, Any], task: RemoteTask) -> None:
        """Refuse an output that the node's graph could not take, where the graph is known.

        Raises:
            ApiError: 400.
        """
        graph = self._graphs.get(task.graph)
        node = graph.nodes.get(task.node) if graph is not None else None
        if isinstance(node, Node):
            try:
                node.schema.check_update(output, f"output of {node.full_name}")
            except InvalidUpdateError as error:
                raise invalid(error.message) from error

    async def revive(self, attempt_id: str) -> None:
        """Run the job of a remote task again from where it failed, so that its node asks for it again."""
        attempt = await self._control.attempts.find(attempt_id)
        if attempt is None or await self._tasks.find(attempt_id) is None:
            return
        try:
            last = await self._client.checkpoint(attempt.run_id)
            await self._client.replay(attempt.run_id, last.checkpoint_id, wait=NO_WAIT)
        except (OrisError, RPCError):
            await self._control.dead_letters.undo_replay(attempt_id)
            raise

    def _activity(self) -> Callable[..., Awaitable[Any]]:
        @activity.defn(dynamic=True)
        async def take_over(args: Sequence[RawValue]) -> None:
            given = NodeInput.from_wire(activity.payload_converter().from_payload(args[0].payload, dict))
            attempt_id = await self._take(given)
            await self.tell_of(attempt_id)  # Temporal may ask again for what had ended before
            activity.raise_complete_async()

        return take_over

    async def _take(self, given: NodeInput) -> str:
        info = activity.info()
        remote = RemoteNode.from_wire(given.remote)
        call = await read_call(self._fields, given)
        thread_id = call.config["configurable"]["thread_id"]
        trace = await self._control.attempts.trace_of(thread_id)
        new = NewAttempt(
            attempt_id=f"attempt-{thread_id}-{uuid.uuid4()}",
            run_id=thread_id,
            priority=oris_priority(info.priority.priority_key),
            tenant_id=await self._tenant(thread_id),
            trace=trace and trace.advanced(new_span_id()),
            timeout_ms=remote.timeout_ms,
        )
        task = RemoteTask(
            attempt_id=new.attempt_id,
            activity=Activity(
                workflow_id=info.workflow_id or "",
                temporal_run_id=info.workflow_run_id or "",
                activity_id=info.activity_id,
                task_token=info.task_token,
            ),
            graph=remote.graph,
            node=remote.node,
            input=call.payload if call.sent else call.state,
        )
        return await self._tasks.take(task, new, _policy(remote), now_millis())

    async def _tenant(self, thread_id: str) -> str | None:
        return (await describe(self._client.temporal, f"{self._client.id_prefix}{thread_id}", thread_id)).tenant

    async def _tell(self, task: RemoteTask) -> None:
        handle = self._handle(task)
        outcome = task.outcome or {}
        try:
            if "output" in outcome:
                await handle.complete(ordered(NodeOutput(update=outcome["output"]).to_wire()))
            elif "error" in outcome:
                await handle.fail(_failure(task, **outcome["error"]))
            else:
                await self._tell_cancelled(handle, task, outcome["cancelled"])
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:  # nobody waits for it any more
                raise
        await self._tasks.told(task)

    async def _tell_cancelled(self, handle: AsyncActivityHandle, task: RemoteTask, reason: str) -> None:
        try:
            await handle.report_cancellation()
        except RPCError as error:
            if error.status != RPCStatusCode.INVALID_ARGUMENT:  # nobody had asked for that: the node has failed
                raise
            await handle.fail(_failure(task, "WorkerError", reason))

    async def _beat(self, task: RemoteTask) -> None:
        try:
            await self._handle(task).heartbeat()
        except AsyncActivityCancelledError:
            await self._tasks.cancel(task, "Its node was cancelled.")
            await self.tell_of(task.attempt_id)
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            if await self._is_gone(task.activity):
                await self._tasks.cancel(task, "Its run is over.")

    async def _is_gone(self, activity: Activity) -> bool:
        """Whether an activity is not waited for any more; else Temporal is about to give it to a facade again."""
        workflow_id = activity.workflow_id
        try:
            found = await describe(self._client.temporal, workflow_id, workflow_id, run_id=activity.temporal_run_id)
        except ThreadNotFoundError:
            return True
        pending = found.description.pending_activities if found.is_open and found.description is not None else ()
        return all(item.activity_id != activity.activity_id for item in pending)

    def _handle(self, task: RemoteTask) -> AsyncActivityHandle:
        return self._client.temporal.get_async_activity_handle(task_token=task.activity.task_token)

    async def _each(self, tasks: Sequence[RemoteTask], work: Callable[[RemoteTask], Awaitable[None]]) -> None:
        async def one(task: RemoteTask) -> None:
            async with self._room:
                await work(task)

        for failed in await asyncio.gather(*map(one, tasks), return_exceptions=True):
            if failed is not None:
                raise failed


def _policy(remote: RemoteNode) -> RetryPolicy:
    retries = remote.maximum_attempts - 1 if remote.maximum_attempts else _NO_LIMIT
    return RetryPolicy("exponential", remote.backoff_ms, remote.max_backoff_ms, remote.multiplier, retries)


def _failure(task: RemoteTask, type: str, message: str) -> ApplicationError:
    node = f"{task.graph}.{task.node}"
    text = f"Node {node}: {message}" if type == NodeTimeoutError.__name__ else message
    return ApplicationError(text, {"node": node, "cause_type": type}, type=type, non_retryable=True)
