"""`OrisClient`: one method per verb."""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any, Literal, cast
from uuid import NAMESPACE_OID, uuid4, uuid5

from temporalio.client import Client
from temporalio.common import Priority, SearchAttributePair, TypedSearchAttributes
from temporalio.envconfig import ClientConfig

from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.config import read_config, with_context
from oris_temporal.graph.control import MISSING, Command
from oris_temporal.graph.duration import Duration, to_timedelta_or_none
from oris_temporal.graph.errors import (
    GraphNotFoundError,
    InvalidAnswerError,
    NoWorkerError,
    RunConflictError,
    ThreadNotFoundError,
)
from oris_temporal.graph.interrupts import Interrupt
from oris_temporal.graph.node import destination_wire
from oris_temporal.graph.requests import check_answers, check_update
from oris_temporal.graph.results import StateSnapshot, StreamChunk
from oris_temporal.graph.signals import check_signal
from oris_temporal.graph.wire import to_wire
from oris_temporal.workflows import protocol
from oris_temporal.workflows.details import static_details, static_summary
from oris_temporal.workflows.payloads import ordered
from oris_temporal.workflows.protocol import PAYLOAD_LIMIT, ResumeOptions, RunOptions
from oris_temporal.workflows.search_attributes import GRAPH, PARENT, STATUS, TENANT

from .failures import connected, typed_errors
from .launch import Launch, OnConflict, check_size
from .lookup import Found, search
from .records import RunHandle, RunInfo, RunResult, RunSummary, TimelineEvent
from .runs import Runs
from .snapshots import read_snapshot, read_timeline, read_usage
from .tail import Tails
from .threads import Threads, no_checkpoint

_FAIRNESS_KEY_BYTES = 64

_EVENTS_BEFORE_WORK = 2
"""Events of a run that no worker has begun: its start, and its first workflow task."""


class OrisClient:
    """Starts, answers and reads runs of graphs on a Temporal cluster.

    Args:
        temporal: A connected `temporalio` client.
        task_queue: Task queue of the workers.
        id_prefix: Put before thread ids to make workflow ids.
    """

    def __init__(self, temporal: Client, *, task_queue: str = "oris", id_prefix: str = "") -> None:
        self.temporal = temporal
        self.task_queue = task_queue
        self.id_prefix = id_prefix
        self._threads = Threads(temporal, id_prefix)
        self._runs = Runs(self._threads)
        self._tails = Tails(temporal)

    @classmethod
    async def connect(
        cls, address: str | None = None, *, task_queue: str = "oris", id_prefix: str = "", **options: Any
    ) -> OrisClient:
        """Connect by Temporal's own environment configuration.

        ``TEMPORAL_ADDRESS``, ``TEMPORAL_NAMESPACE``, ``TEMPORAL_API_KEY``, ``TEMPORAL_TLS_*``, ``TEMPORAL_PROFILE`` and the TOML
        file are read as every Temporal SDK and the ``temporal`` command read them.

        Args:
            address: ``host:port`` in place of the configured one.
            task_queue: Task queue of the workers.
            id_prefix: Put before thread ids to make workflow ids.
            options: Options of `temporalio.client.Client.connect`, over the configured ones.

        Raises:
            ServerUnreachableError: No server answers within 10 seconds.
        """
        configured: dict[str, Any] = dict(ClientConfig.load_client_connect_config())
        configured.update(options)
        if address is not None:
            configured["target_host"] = address
        target = configured.get("target_host") or "localhost:7233"
        target = configured["target_host"] = target.removeprefix("http://").rstrip("/")
        temporal: Client = await connected(Client.connect(**configured), target)
        return cls(temporal, task_queue=task_queue, id_prefix=id_prefix)

    # --- running -------------------------------------------------------------------------------------------------

    async def run(
        self,
        graph: str | CompiledGraph,
        thread_id: str | None = None,
        input: Any = None,
        *,
        wait: Duration | None = None,
        config: Mapping[str, Any] | None = None,
        context: Any = None,
        from_last_state: bool | None = None,
        on_conflict: OnConflict = "fail",
        idempotency_key: str | None = None,
        tenant: str | None = None,
        priority: int | None = None,
        task_queue: str | None = None,
        execution_timeout: Duration | None = None,
        on_timeout: Literal["failed", "cancelled"] = "failed",
        interrupt_before: Collection[str] | None = None,
        interrupt_after: Collection[str] | None = None,
        continue_as_new_after: int | None = None,
    ) -> RunResult:
        """Start a run and wait until it settles: it ended, or all of it waits for people.

        Args:
            graph: Name of the graph, or the graph itself; with the graph the input is checked here and the result's ``state`` is
                an instance of its schema.
            thread_id: The thread. Default: a new one. A thread that ran before runs again, from a fresh state.
            input: Initial state (a JSON object), or text for a message graph.
            wait: Longest wait; then the result says ``running``. Default: no limit.
            config: Run configuration, see `RunnableConfig`.
            context: Its ``context``: an object, or an instance of the graph's ``context_schema``.
            from_last_state: Start from the thread's last state instead of a fresh one; `input` may then be left out. Default: as the
                graph says, which agents do.
            on_conflict: What to do if the thread is actively running: ``fail`` or ``replace``.
            idempotency_key: A second call with the same key joins the run that the first started, and gets what that got. A thread
                remembers the keys of its last 50 runs; without a thread id the key names the thread.
            tenant: Fairness key of everything the run schedules, and search attribute.
            priority: 1 (first) to 5 (last).
            task_queue: Task queue of the workers, in place of the client's.
            execution_timeout: Longest time the run may take.
            on_timeout: Status of the run if it takes longer.
            interrupt_before: Nodes to stop before, in place of the graph's own.
            interrupt_after: Nodes to stop after, in place of the graph's own.
            continue_as_new_after: History events after which the run continues as new. Default: when the server suggests it.

        Raises:
            RunConflictError: The thread is actively running and `on_conflict` is ``fail``.
            NoWorkerError: No worker polls the task queue. The run is kept. Or, for `from_last_state`, none can tell that state; then
                nothing is started.
            GraphNotFoundError: The workers do not have the graph. The run is kept.
            NotSetUpError: The namespace lacks the search attributes.
            InvalidUpdateError: The input or the context does not fit the graph (only where the graph itself was given).
            PayloadTooLargeError: The input is larger than Temporal takes.
            ServerUnreachableError: The server does not answer.
        """
        launch = await self._launch(
            graph,
            thread_id,
            input,
            config=config,
            context=context,
            from_last_state=from_last_state,
            on_conflict=on_conflict,
            idempotency_key=idempotency_key,
            tenant=tenant,
            priority=priority,
            task_queue=task_queue,
            execution_timeout=execution_timeout,
            on_timeout=on_timeout,
            interrupt_before=interrupt_before,
            interrupt_after=interrupt_after,
            continue_as_new_after=continue_as_new_after,
        )
        return await self._runs.run(launch, wait)

    async def start(
        self, graph: str | CompiledGraph, thread_id: str | None = None, input: Any = None, **options: Any
    ) -> RunHandle:
        """Start a run and return at once. The arguments are those of `run`, without ``wait``; so are the errors."""
        launch = await self._launch(graph, thread_id, input, **options)
        return await self._runs.start(launch)

    async def resume(
        self,
        thread_id: str,
        value: Any = MISSING,
        *,
        by_id: bool = False,
        interrupt_id: str | None = None,
        update: Any = None,
        goto: Any = None,
        checkpoint_id: str | None = None,
        author: str | None = None,
        idempotency_key: str | None = None,
        wait: Duration | None = None,
        graph: CompiledGraph | None = None,
    ) -> RunResult:
        """Answer what a thread waits for, and wait until its run settles again.

        Args:
            thread_id: The thread.
            value: The answer; ``None`` is one. With ``by_id`` an object of interrupt id to answer, in any order; the others stay
                pending. Left out, static breakpoints are let go, unless there is an `update` or `goto`, and questions stay pending.
            by_id: Whether `value` answers by id.
            interrupt_id: The one interrupt that `value` answers.
            update: State update to merge first.
            goto: Node name, `Send` or a list: what runs next, in place of what waits, or with a `value` after it.
            checkpoint_id: Go back to this checkpoint first, as a new run of the thread, and answer there.
            author: Who answers; kept with the run.
            idempotency_key: A second call with the same key gets the first one's result.
            wait: Longest wait. Default: no limit.
            graph: The graph, to get ``state`` as an instance of its schema.

        Raises:
            ThreadNotFoundError: The thread has no run.
            NotInterruptedError: It waits for nothing.
            AmbiguousResumeError: It waits for several answers and one value was given.
            InterruptNotFoundError: It never asked an id that was given.
            InterruptConflictError: An id was already answered differently, or rejected. The same answer again is no error.
            InvalidAnswerError: The answer does not fit the schema the interrupt declares.
        """
        if by_id:
            if value is MISSING:
                raise InvalidAnswerError("resume(by_id=True) takes the answers as well: value={interrupt_id: answer}.")
            check_answers(value)
        check_update(update, "state update")
        if checkpoint_id is not None:
            await self.replay(thread_id, checkpoint_id, wait=wait)
        options = ResumeOptions(
            interrupt_id=interrupt_id,
            by_id=by_id,
            author=author,
            no_value=value is MISSING,
            update=None if update is None else self._wire(update, "update"),
            goto=None if goto is None else [destination_wire(item, "goto") for item in Command(goto=goto).destinations],
        )
        return await self._runs.resume(
            thread_id,
            None if value is MISSING else self._wire(value, "answer"),
            options,
            idempotency_key=idempotency_key,
            wait=wait,
            graph=graph,
        )

    async def reject(
        self,
        thread_id: str,
        interrupt_id: str | None = None,
        *,
        reason: str = "",
        author: str | None = None,
        wait: Duration | None = "30s",
    ) -> RunResult:
        """Refuse to answer an interrupt: the run is cancelled.

        Args:
            thread_id: The thread.
            interrupt_id: The interrupt; may be left out if only one is pending.
            reason: Why; kept with the run.
            author: Who refuses.
            wait: Longest wait for the run to clean up and end.

        Raises:
            ThreadNotFoundError: The thread has no run.
            NotInterruptedError: It waits for nothing.
            AmbiguousResumeError: Several interrupts are pending and no id was given.
            InterruptNotFoundError: It never asked this id.
            InterruptConflictError: It was already answered or rejected.
            NoWorkerError: No worker polls the task queue, so nobody can be told.
        """
        await self._runs.reject(thread_id, interrupt_id, reason, author)
        return await self._runs.closed(thread_id, wait)

    async def cancel(self, thread_id: str, *, reason: str | None = None, wait: Duration | None = "30s") -> RunResult:
        """Cancel a thread's run: what runs is cancelled, cleans up, and the run ends ``cancelled``.

        Args:
            thread_id: The thread.
            reason: Why; kept in the history.
            wait: Longest wait for the end. A run that was closed already is returned as it is.

        Raises:
            ThreadNotFoundError: The thread has no run.
            NoWorkerError: The run is asked to cancel, but no worker is there to carry that out.
        """
        found = await self._threads.describe(thread_id)
        if not found.is_open:
            return await self._runs.settled(thread_id, wait=wait, graph=None)
        why = reason or "cancelled by client"
        async with typed_errors(f"cancel thread {thread_id!r}", thread_id):
            await self._threads.handle(thread_id).cancel(reason=why)
        try:
            return await self._runs.closed(thread_id, wait)
        except (GraphNotFoundError, NoWorkerError) as error:
            if isinstance(error, NoWorkerError) and found.info.history_length > _EVENTS_BEFORE_WORK:
                queue = found.info.task_queue
                raise NoWorkerError(
                    f"Thread {thread_id!r} is asked to cancel, but no worker polls task queue {queue!r}; it ends as soon as one does. "
                    "Start one: `oris-temporal worker --graphs package.module:name`.",
                    **error.details,
                ) from None
            # Nobody can run its cancellation, or nothing of it has run that would have to clean up.
            await self._threads.handle(thread_id).terminate(reason=f"{why}; no worker could carry it out")
            return await self._runs.closed(thread_id, wait)

    async def update_state(self, thread_id: str, values: Any, *, as_node: str | None = None) -> str:
        """Merge values into a thread's state: now if it waits, else at the next superstep boundary.

        Args:
            thread_id: The thread.
            values: Partial update.
            as_node: Recompute what runs next as if this node had written the values, and stop before it until `resume`.

        Returns:
            Id of the new checkpoint.

        Raises:
            ThreadNotFoundError: The thread has no run.
            NotInterruptedError: Its run has ended; use `fork`.
            InvalidUpdateError: The values do not fit the state.
            NodeNotFoundError: There is no node `as_node`.
            NoWorkerError: No worker polls the task queue, so nobody can make the change.
        """
        check_update(values, "state update")
        wire = self._wire({} if values is None else values, "state update")
        try:
            async with typed_errors(f"update the state of thread {thread_id!r}", thread_id):
                return await self._runs.update(thread_id, protocol.UPDATE_STATE, ordered(wire), as_node)
        except ThreadNotFoundError:
            raise await self._threads.ended(
                thread_id, "its state cannot be edited. Use fork(..., update=...)"
            ) from None

    async def signal(self, thread_id: str, name: str, value: Any = None) -> None:
        """Send a signal, which ``ctx.wait_signal(name)`` receives.

        Raises:
            ThreadNotFoundError: The thread has no run.
            NotInterruptedError: Its run has ended.
            InvalidUpdateError: The name is one of the workflow's own.
        """
        check_signal(name)
        wire = self._wire(value, "signal")
        try:
            async with typed_errors(f"signal thread {thread_id!r}", thread_id):
                await self._threads.handle(thread_id).signal(name, ordered(wire))
        except ThreadNotFoundError:
            raise await self._threads.ended(thread_id, "it receives no signals") from None

    # --- time travel ---------------------------------------------------------------------------------------------

    async def replay(
        self,
        thread_id: str,
        checkpoint_id: str | None = None,
        *,
        on_conflict: OnConflict = "fail",
        wait: Duration | None = None,
    ) -> RunResult:
        """Run a thread again from a checkpoint, as a new run on the same thread.

        Nothing before the checkpoint runs again. From the checkpoint of an unfinished superstep, the tasks that had finished keep
        their results, so this also retries a failed run where it failed.

        Args:
            thread_id: The thread.
            checkpoint_id: Where to start. Default: the input of the thread's latest run.
            on_conflict: What to do if the thread is actively running: ``fail`` or ``replace``.
            wait: Longest wait. Default: no limit.

        Raises:
            ThreadNotFoundError: The thread has no run.
            CheckpointNotFoundError: It has no such checkpoint.
            RunConflictError: The thread is actively running and `on_conflict` is ``fail``.
        """
        runs = await self._threads.runs(thread_id)
        if checkpoint_id is None:
            first = [found for found in runs if found.ordinal == runs[0].ordinal][-1]
            source, seed = await self._threads.seed(thread_id, [first], protocol.FIRST_CHECKPOINT)
        else:
            source, seed = await self._threads.seed(thread_id, runs, checkpoint_id)
        options = RunOptions(config=seed.get("config"), seed=seed["seed"], parent=seed["id"])
        launch = self._make_launch(
            source.graph,
            thread_id,
            None,
            options,
            summary=f"replay of {seed['id']}",
            tenant=source.tenant,
            task_queue=source.info.task_queue,
        )
        launch.on_conflict = on_conflict
        launch.after(runs[0])
        return await self._runs.run(launch, wait)

    async def fork(
        self,
        thread_id: str,
        checkpoint_id: str | None = None,
        *,
        update: Any = None,
        as_node: str | None = None,
        new_thread_id: str | None = None,
        wait: Duration | None = None,
    ) -> RunResult:
        """Start a new thread from a checkpoint of this one, which stays as it is.

        Args:
            thread_id: The thread.
            checkpoint_id: Where to start. Default: the latest.
            update: State update to merge first.
            as_node: Recompute what runs next as if this node had written the update.
            new_thread_id: Id of the new thread. Default: ``<thread_id>/fork/<n>``, with the first n that is free.
            wait: Longest wait. Default: no limit.

        Raises:
            ThreadNotFoundError: The thread has no run.
            CheckpointNotFoundError: It has no such checkpoint.
            RunConflictError: `new_thread_id` exists already.
            InvalidUpdateError: The update does not fit the state. Nothing is started.
            NodeNotFoundError: There is no node `as_node`. Nothing is started.
        """
        check_update(update, "state update")
        edit = None
        if update is not None or as_node is not None:
            edit = {"update": self._wire({} if update is None else update, "state update"), "as_node": as_node}
        runs = await self._threads.runs(thread_id)
        source, seed = await self._threads.seed(thread_id, runs, checkpoint_id, edit)
        number = 1
        while True:
            fork_id = new_thread_id if new_thread_id is not None else f"{thread_id}/fork/{number}"
            options = RunOptions(config=seed.get("config"), seed=seed["seed"], parent=seed["id"], edit=edit)
            launch = self._make_launch(
                source.graph,
                fork_id,
                None,
                options,
                summary=f"fork of {thread_id} at {seed['id']}",
                tenant=source.tenant,
                task_queue=source.info.task_queue,
                parent=thread_id,
            )
            launch.must_be_new = True
            try:
                return await self._runs.run(launch, wait)
            except RunConflictError:
                if new_thread_id is not None:
                    raise
                number += 1

    # --- reading -------------------------------------------------------------------------------------------------

    async def inspect(self, thread_id: str) -> RunInfo:
        """A thread's latest run in full.

        Raises:
            ThreadNotFoundError: The thread has no run.
        """
        found = await self._threads.describe(thread_id)
        report = await self._threads.report(thread_id, found)
        info = found.info
        summary = _summary(self._threads, found)
        if found.is_open:  # the run itself knows best
            summary["status"] = report.status
            summary["interrupts"] = [Interrupt.from_wire(wire) for wire in report.interrupts or ()]
        return RunInfo(
            **summary,
            run=found.ordinal,
            values=report.values,
            next=report.next or [],
            checkpoint_id=report.checkpoint_id,
            error=report.error,
            reason=await self._threads.why_cancelled(found) if found.status == "cancelled" else None,
            task_queue=info.task_queue,
            history_events=info.history_length,
            history_bytes=info.history_size_bytes,
            paused=found.paused,
            usage=read_usage(report.usage),
        )

    async def list(
        self,
        *,
        status: str | None = None,
        graph: str | None = None,
        tenant: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> builtins.list[RunSummary]:
        """Threads, each by its latest run, those updated last first.

        Args:
            status: Only this status.
            graph: Only runs of this graph.
            tenant: Only runs of this tenant.
            limit: Most to return.
            offset: How many to skip.
        """
        clauses = [f"{GRAPH.name} IS NOT NULL", "ExecutionStatus != 'ContinuedAsNew'", *self._own]
        for key, value in ((GRAPH, graph), (TENANT, tenant)):
            if value is not None:
                clauses.append(f"{key.name} = {_quoted(value)}")
        latest: dict[str, Found] = {}
        closed = 0
        async for found in search(self.temporal, " AND ".join(clauses)):
            # Open runs come first, whenever they were updated, then closed ones by the time they closed. So a thread's latest run is
            # the first one seen, and of the closed ones those of one page and before it are enough.
            if not found.is_open and closed >= offset + limit:
                break
            if found.workflow_id not in latest:
                latest[found.workflow_id] = found
                closed += not found.is_open and status in (None, found.status)
        wanted = [found for found in latest.values() if status in (None, found.status)]
        wanted.sort(key=lambda found: found.updated_at, reverse=True)
        return [RunSummary(**_summary(self._threads, found)) for found in wanted[offset : offset + limit]]

    async def interrupts(self, thread_id: str | None = None, *, all: bool = False) -> builtins.list[Interrupt]:
        """What runs wait for, newest first.

        Args:
            thread_id: Only this thread; then large values are complete.
            all: With a thread, also the interrupts of its runs that were answered or rejected. What a run asked and nobody
                answered before it ended counts as rejected; ``answered_at`` is ``None`` then.

        Raises:
            ThreadNotFoundError: The thread has no run.
        """
        if thread_id is None:
            query = " AND ".join([f"{STATUS.name} = 'interrupted'", "CloseTime IS NULL", *self._own])
            asked = [item async for found in search(self.temporal, query) for item in found.pending]
        elif all:
            asked = await self._threads.asked_ever(thread_id)
        else:
            asked = await self._threads.asked(thread_id, await self._threads.describe(thread_id), all=False)
        return sorted(asked, key=lambda item: item.created_at, reverse=True)

    async def history(
        self,
        thread_id: str,
        *,
        namespace: str = "",
        values: bool = True,
        order: Literal["oldest", "newest"] = "oldest",
        before: str | None = None,
        limit: int | None = None,
    ) -> builtins.list[StateSnapshot]:
        """Checkpoints of a thread, over all its runs that are still retained.

        Args:
            thread_id: The thread.
            namespace: Namespace of a subgraph; empty at the top.
            values: Whether to fetch the states too.
            order: Which come first.
            before: Only checkpoints before this one.
            limit: At most so many, of those that come first.

        Raises:
            ThreadNotFoundError: The thread has no run.
        """
        runs = await self._threads.runs(thread_id)  # newest first
        snapshots: list[StateSnapshot] = []
        for found in runs if order == "newest" else reversed(runs):
            made = map(read_snapshot, await self._threads.history(thread_id, found, namespace, values))
            wanted = [snapshot for snapshot in made if before is None or snapshot.checkpoint_id < before]
            snapshots += wanted if order == "oldest" else reversed(wanted)
            if limit is not None and len(snapshots) >= limit:
                break
        return snapshots[:limit]

    async def timeline(self, thread_id: str) -> builtins.list[TimelineEvent]:
        """What happened in the thread's latest run, oldest first.

        Raises:
            ThreadNotFoundError: The thread has no run.
        """
        runs = await self._threads.runs(thread_id)
        segments = [item for item in runs if item.ordinal == runs[0].ordinal]  # it may have continued as new
        return [
            event
            for item in reversed(segments)
            for event in read_timeline(await self._threads.timeline(thread_id, item))
        ]

    async def checkpoint(
        self, thread_id: str, checkpoint_id: str | None = None, *, namespace: str = ""
    ) -> StateSnapshot:
        """One checkpoint of a thread, by default the latest.

        Raises:
            ThreadNotFoundError: The thread has no run.
            CheckpointNotFoundError: It has no such checkpoint.
        """
        for found in await self._threads.runs(thread_id):
            wire = await self._threads.query(thread_id, found, protocol.QUERY_CHECKPOINT, checkpoint_id, namespace)
            if wire is not None:
                return read_snapshot(wire)
        raise no_checkpoint(thread_id, checkpoint_id)

    async def result(
        self, thread_id: str, *, wait: Duration | None = None, graph: CompiledGraph | None = None
    ) -> RunResult:
        """Wait until the thread's latest run settles.

        Args:
            thread_id: The thread.
            wait: Longest wait; then the result says ``running``. Default: no limit.
            graph: The graph, to get ``state`` as an instance of its schema.

        Raises:
            ThreadNotFoundError: The thread has no run.
        """
        return await self._runs.settled(thread_id, wait=wait, graph=graph)

    async def stream(
        self,
        thread_id: str,
        *,
        mode: str | Sequence[str] = "updates",
        cursor: str | None = None,
        subgraphs: bool = False,
        follow: bool = False,
    ) -> AsyncIterator[StreamChunk]:
        """What happens in a thread's latest run, as it happens.

        Watching costs nothing in history, and any number may watch.

        Args:
            thread_id: The thread.
            mode: ``values``, ``updates``, ``messages``, ``custom``, ``debug``, or several of them.
            cursor: Go on after this chunk. Default: from the start of the run.
            subgraphs: Whether to include what happens inside subgraphs.
            follow: Go on while the run waits for people. By default the stream ends when the run settles.

        Raises:
            ThreadNotFoundError: The thread has no run.
            StreamModeError: A mode does not exist, or the cursor is none.
        """
        found = await self._threads.describe(thread_id)
        async for chunk in self._tails.watch(found, mode=mode, cursor=cursor, subgraphs=subgraphs, follow=follow):
            yield chunk

    # --- launching -----------------------------------------------------------------------------------------------

    async def _launch(
        self,
        graph: str | CompiledGraph,
        thread_id: str | None,
        input: Any,
        *,
        config: Mapping[str, Any] | None = None,
        context: Any = None,
        from_last_state: bool | None = None,
        on_conflict: OnConflict = "fail",
        idempotency_key: str | None = None,
        tenant: str | None = None,
        priority: int | None = None,
        task_queue: str | None = None,
        execution_timeout: Duration | None = None,
        on_timeout: Literal["failed", "cancelled"] = "failed",
        interrupt_before: Collection[str] | None = None,
        interrupt_after: Collection[str] | None = None,
        continue_as_new_after: int | None = None,
    ) -> Launch:
        own = graph if isinstance(graph, CompiledGraph) else None
        if not isinstance(input, str):
            check_update(input, f"input of {own.name if own is not None else graph}")
        summary = input if isinstance(input, str) else None
        if own is not None and not (from_last_state and input is None):
            input = own.input_wire(input)
        config = with_context(config, context)
        read = read_config(config) if config else None
        if own is not None:
            own.context_of(read or {})
        options = RunOptions(
            config=cast("dict[str, Any] | None", read),
            interrupt_before=None if interrupt_before is None else sorted(interrupt_before),
            interrupt_after=None if interrupt_after is None else sorted(interrupt_after),
            history_limit=continue_as_new_after,
        )
        name = own.name if own is not None else cast("str", graph)
        named = _thread_of(thread_id, config)
        launch = self._make_launch(
            name,
            _new_thread(name, idempotency_key) if named is None else named,
            to_wire(input, "input"),
            options,
            summary=summary,
            tenant=tenant,
            priority=priority,
            task_queue=task_queue,
        )
        launch.graph = own
        launch.on_conflict = on_conflict
        launch.idempotency_key = idempotency_key
        if own is not None:
            launch.arguments["static_details"] = static_details(own)
        launch.arguments["execution_timeout"] = to_timedelta_or_none(execution_timeout)
        launch.continues = from_last_state if from_last_state is not None or own is None else own.continues
        launch.on_timeout = on_timeout
        if (
            from_last_state
            and (found := await self._threads.find(launch.thread_id)) is not None
            and not launch.repeats(found)
        ):
            await self._runs.follow(launch, found)
        return launch

    def _make_launch(
        self,
        graph: str,
        thread_id: str,
        input: Any,
        options: RunOptions,
        *,
        summary: str | None = None,
        tenant: str | None = None,
        priority: int | None = None,
        parent: str | None = None,
        task_queue: str | None = None,
    ) -> Launch:
        if self.id_prefix:
            options.thread_id = thread_id
        attributes = {GRAPH: graph, STATUS: "running", TENANT: tenant, PARENT: parent}
        pairs = [SearchAttributePair(key, value) for key, value in attributes.items() if value is not None]
        arguments: dict[str, Any] = {
            "id": self._threads.workflow_id(thread_id),
            "task_queue": task_queue or self.task_queue,
            "search_attributes": TypedSearchAttributes(pairs),
            "static_summary": static_summary(graph, input if summary is None else summary),
        }
        if tenant is not None or priority is not None:
            arguments["priority"] = Priority(priority_key=priority, fairness_key=_fairness_key(tenant))
        return Launch(graph, thread_id, input, options, arguments, payload_limit=self._payload_limit)

    @property
    def _own(self) -> builtins.list[str]:
        """Clauses of a visibility query for this client's threads: other programs may share the namespace."""
        return [f"WorkflowId STARTS_WITH {_quoted(self.id_prefix)}"] if self.id_prefix else []

    @property
    def _payload_limit(self) -> int | None:
        """Bytes of JSON accepted for one payload; no limit where the data converter has external storage."""
        return None if self.temporal.data_converter.external_storage is not None else PAYLOAD_LIMIT

    def _wire(self, value: Any, what: str) -> Any:
        """JSON form of something to send.

        Raises:
            PayloadTooLargeError: It is larger than Temporal takes.
        """
        wire = to_wire(value, what)
        check_size(wire, what, self._payload_limit)
        return wire


def _thread_of(thread_id: str | None, config: Mapping[str, Any] | None) -> str | None:
    """The thread that a call names itself or in its configuration."""
    return thread_id if thread_id is not None else (config or {}).get("configurable", {}).get("thread_id")


def _new_thread(graph: str, key: str | None) -> str:
    """Id of a thread that the caller did not name; the same for the same key."""
    return uuid4().hex if key is None else uuid5(NAMESPACE_OID, f"{graph}/{key}").hex


def _fairness_key(tenant: str | None) -> str | None:
    """A tenant as a fairness key, which may have 64 bytes at most."""
    if tenant is None or len(tenant.encode()) <= _FAIRNESS_KEY_BYTES:
        return tenant
    return hashlib.sha256(tenant.encode()).hexdigest()


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _summary(threads: Threads, found: Found) -> dict[str, Any]:
    return {
        "thread_id": threads.thread_of(found.workflow_id),
        "run_id": found.run_id,
        "graph": found.graph,
        "status": found.status,
        "created_at": found.created_at,
        "updated_at": found.updated_at,
        "tenant": found.tenant,
        "parent": found.parent,
        "interrupts": found.pending,
        "asked": int(found.memo.get("interrupts", 0)),
    }
