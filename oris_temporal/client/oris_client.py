"""`OrisClient`: one method per verb."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Unpack

from temporalio.client import Client
from temporalio.envconfig import ClientConfig

from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.config import merged
from oris_temporal.graph.control import MISSING, Command
from oris_temporal.graph.duration import Duration
from oris_temporal.graph.errors import (
    GraphNotFoundError,
    InvalidAnswerError,
    InvalidOptionError,
    NoWorkerError,
    RunConflictError,
    ThreadNotFoundError,
)
from oris_temporal.graph.node import destination_wire
from oris_temporal.graph.requests import check_answers, check_update
from oris_temporal.graph.signals import check_signal
from oris_temporal.graph.wire import to_wire
from oris_temporal.workflows import protocol
from oris_temporal.workflows.payloads import ordered, payload_limit
from oris_temporal.workflows.protocol import ResumeOptions

from .failures import connected, typed_errors
from .launch import Launch, check_size
from .launcher import Launcher
from .lookup import Found
from .options import OnConflict, StartOptions, check_place, one_of, read_texts, read_wait, refusal, text
from .reading import ThreadReader
from .records import RunHandle, RunResult

_GO_BACK_WAIT = timedelta(seconds=10)
"""Time that a run has, at least, to get where it is to be answered."""


class OrisClient(ThreadReader):
    """Starts, answers and reads runs of graphs on a Temporal cluster.

    Args:
        temporal: A connected `temporalio` client.
        task_queue: Task queue of the workers.
        id_prefix: Put before thread ids to make workflow ids.
    """

    def __init__(self, temporal: Client, *, task_queue: str = "oris", id_prefix: str = "") -> None:
        super().__init__(temporal, id_prefix=id_prefix)
        self.task_queue = task_queue
        self._launcher = Launcher(self._threads, task_queue)

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
        **options: Unpack[StartOptions],
    ) -> RunResult:
        """Start a run and wait until it settles: it ended, or all of it waits for people.

        Args:
            graph: Name of the graph, or the graph itself; with the graph the input is checked here and the result's ``state`` is
                an instance of its schema.
            thread_id: The thread. Default: a new one. A thread that ran before runs again, from a fresh state.
            input: Initial state (a JSON object), or text for a message graph.
            wait: Longest wait; then the result says ``running``. Default: no limit.
            options: See `StartOptions`.

        Raises:
            InvalidOptionError: An option is not what it may be, or `config` names another thread; nothing is started.
            RunConflictError: The thread is actively running and `on_conflict` is ``fail``.
            NoWorkerError: No worker polls the task queue. The run is kept. Or, for `from_last_state`, none can tell that state; then
                nothing is started.
            GraphNotFoundError: The workers do not have the graph. The run is kept.
            NotSetUpError: The namespace lacks the search attributes.
            InvalidUpdateError: The configuration is none, or the input or the context does not fit the graph (only where the graph
                itself was given).
            NodeNotFoundError: The graph that was given has no such node to stop at.
            PayloadTooLargeError: The input is larger than Temporal takes.
            ServerUnreachableError: The server does not answer.
        """
        limit = read_wait(wait)
        return await self._runs.run(await self._launch(graph, thread_id, input, options), limit)

    async def start(
        self,
        graph: str | CompiledGraph,
        thread_id: str | None = None,
        input: Any = None,
        **options: Unpack[StartOptions],
    ) -> RunHandle:
        """Start a run and return at once. The arguments are those of `run`, without ``wait``; so are the errors."""
        return await self._runs.start(await self._launch(graph, thread_id, input, options))

    async def _launch(
        self, graph: str | CompiledGraph, thread_id: str | None, input: Any, options: StartOptions
    ) -> Launch:
        launch = self._launcher.of_call(graph, thread_id, input, options)
        if options.get("from_last_state"):  # it needs that state before it can be started
            found = await self._threads.find(launch.thread_id)
            if found is not None and not launch.repeats(found):
                await self._runs.follow(launch, found)
        return launch

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
            checkpoint_id: Go back to this checkpoint first, as a new run of the thread, and answer there what it asks, with one `value`
                and without ids: they are new. An answer that does not fit what was asked there before is refused before anything
                happens; one that only the new run can refuse leaves the thread waiting there.
            author: Who answers; kept with the run.
            idempotency_key: A second call with the same key gets what became of the run that the first one answered, also where the
                thread has run again since. A thread remembers the last 50 keys.
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
        limit = read_wait(wait)
        read_texts(
            interrupt_id=interrupt_id, checkpoint_id=checkpoint_id, author=author, idempotency_key=idempotency_key
        )
        if by_id:
            if interrupt_id is not None:
                raise refusal("interrupt_id", interrupt_id, "left out with by_id=True: the answers say their ids")
            if value is MISSING:
                raise InvalidAnswerError("resume(by_id=True) takes the answers as well: value={interrupt_id: answer}.")
            check_answers(value)
        check_update(update, "state update")
        options = ResumeOptions(
            interrupt_id=interrupt_id,
            by_id=by_id,
            author=author,
            no_value=value is MISSING,
            update=None if update is None else self._wire(update, "update"),
            goto=None if goto is None else [destination_wire(item, "goto") for item in Command(goto=goto).destinations],
        )
        answer = None if value is MISSING else self._wire(value, "answer")
        if checkpoint_id is not None:
            if idempotency_key is not None:
                idempotency_key += f" at {checkpoint_id}"
            later = await self._go_back(thread_id, checkpoint_id, answer, options, idempotency_key, limit)
            if later is not None:
                return later
        return await self._runs.resume(
            thread_id, answer, options, idempotency_key=idempotency_key, wait=limit, graph=graph
        )

    async def _go_back(
        self,
        thread_id: str,
        checkpoint_id: str,
        answer: Any,
        options: ResumeOptions,
        key: str | None,
        wait: timedelta | None,
    ) -> RunResult | None:
        """Start a run from a checkpoint that is to get an answer, unless a call with the same key did before.

        Returns:
            What became of that one, if the thread has run again since.
        """
        runs = await self._threads.runs(thread_id)
        launch = await self._replay(thread_id, runs, checkpoint_id, answer=[answer, options.to_wire()])
        launch.idempotency_key = key
        if (found := await self._runs.started_by(launch, runs[0])) is None:
            launch.after(runs[0])
            await self._runs.run(launch, wait and max(wait, _GO_BACK_WAIT))
            return None
        result = await self._runs.joined(thread_id, found, wait, None)
        return None if found.ordinal == runs[0].ordinal else result

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
        limit = read_wait(wait)
        read_texts(interrupt_id=interrupt_id, author=author)
        text(least=0)("reason", reason)
        await self._runs.reject(thread_id, interrupt_id, reason, author)
        return await self._runs.closed(thread_id, limit)

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
        limit = read_wait(wait)
        read_texts(reason=reason)
        found = await self._threads.describe(thread_id)
        if not found.is_open:
            return await self._runs.settled(thread_id, wait=limit, graph=None)
        why = reason or "cancelled by client"
        async with typed_errors(f"cancel thread {thread_id!r}", thread_id):
            await self._threads.handle(thread_id).cancel(reason=why)
        try:
            return await self._runs.closed(thread_id, limit)
        except (GraphNotFoundError, NoWorkerError) as error:
            if isinstance(error, NoWorkerError) and found.begun:
                queue = found.info.task_queue
                raise NoWorkerError(
                    f"Thread {thread_id!r} is asked to cancel, but no worker polls task queue {queue!r}; it ends as soon as one does. "
                    "Start one: `oris-temporal worker --graphs package.module:name`.",
                    **error.details,
                ) from None
            # Nobody can run its cancellation, or nothing of it has run that would have to clean up.
            await self._threads.handle(thread_id).terminate(reason=f"{why}; no worker could carry it out")
            return await self._runs.closed(thread_id, limit)

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
        except ThreadNotFoundError as error:
            raise await self._threads.ended(
                thread_id, "its state cannot be edited. Use fork(..., update=...)", error
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
        except ThreadNotFoundError as error:
            raise await self._threads.ended(thread_id, "it receives no signals", error) from None

    # --- time travel ---------------------------------------------------------------------------------------------

    async def replay(
        self,
        thread_id: str,
        checkpoint_id: str | None = None,
        *,
        from_last_state: bool = False,
        config: Mapping[str, Any] | None = None,
        on_conflict: OnConflict = "fail",
        idempotency_key: str | None = None,
        wait: Duration | None = None,
    ) -> RunResult:
        """Run a thread again from a checkpoint, as a new run on the same thread, with the options of the earlier one.

        Nothing before the checkpoint runs again. From the checkpoint of an unfinished superstep, the tasks that had finished keep
        their results and what failed is done again, so this also retries a failed run where it failed. Supersteps are counted anew.

        Args:
            thread_id: The thread.
            checkpoint_id: Where to start. Default: the input of the thread's latest run.
            from_last_state: Start at the graph's beginning, with the thread's last state.
            config: What is to be different in the configuration (`RunnableConfig`), such as a higher ``recursion_limit``.
            on_conflict: What to do if the thread is actively running: ``fail`` or ``replace``.
            idempotency_key: A second call with the same key gets what became of the run that the first one started.
            wait: Longest wait. Default: no limit.

        Raises:
            ThreadNotFoundError: The thread has no run.
            CheckpointNotFoundError: It has no such checkpoint.
            RunConflictError: The thread is actively running and `on_conflict` is ``fail``.
            InvalidOptionError: `config` names another thread or checkpoint. Nothing is started.
            InvalidUpdateError: The configuration is none. Nothing is started.
        """
        limit = read_wait(wait)
        on_conflict = one_of(OnConflict)("on_conflict", on_conflict)
        read_texts(checkpoint_id=checkpoint_id, idempotency_key=idempotency_key)
        check_place(config, thread_id=thread_id, checkpoint_id=checkpoint_id)
        if from_last_state and checkpoint_id is not None:
            raise InvalidOptionError(
                "Replay from a checkpoint or from the last state, not both.", option="from_last_state"
            )
        runs = await self._threads.runs(thread_id)
        launch = await self._replay(thread_id, runs, checkpoint_id, from_last_state=from_last_state)
        if config is not None:
            launch.options.config = dict(merged(launch.options.config, config))
        launch.on_conflict, launch.idempotency_key = on_conflict, idempotency_key
        if (found := await self._runs.started_by(launch, runs[0])) is not None:
            return await self._runs.joined(thread_id, found, limit, None)
        launch.after(runs[0])
        return await self._runs.run(launch, limit)

    async def _replay(
        self,
        thread_id: str,
        runs: list[Found],
        checkpoint_id: str | None,
        *,
        from_last_state: bool = False,
        answer: list[Any] | None = None,
    ) -> Launch:
        """A run of a thread that starts where an earlier one was; see `replay`, and `Threads.seed` for the answer."""
        if checkpoint_id is None:
            first = [found for found in runs if found.ordinal == runs[0].ordinal][-1]
            source, options = await self._threads.seed(thread_id, [first], protocol.FIRST_CHECKPOINT)
        else:
            source, options = await self._threads.seed(thread_id, runs, checkpoint_id, answer=answer)
        summary = "replay from the last state" if from_last_state else f"replay of {options.parent}"
        if from_last_state:
            last = await self._threads.last_values(thread_id, runs[0])
            options = replace(options, seed=None, parent=None, values=last)
        return self._launcher.make(
            source.graph,
            thread_id,
            None,
            options,
            summary=summary,
            tenant=source.tenant,
            priority=source.info.priority.priority_key or None,
            task_queue=source.info.task_queue,
        )

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
        limit = read_wait(wait)
        read_texts(checkpoint_id=checkpoint_id, as_node=as_node)
        check_update(update, "state update")
        edit = None
        if update is not None or as_node is not None:
            edit = {"update": self._wire({} if update is None else update, "state update"), "as_node": as_node}
        runs = await self._threads.runs(thread_id)
        source, options = await self._threads.seed(thread_id, runs, checkpoint_id, edit=edit)
        number = 1
        while True:
            fork_id = new_thread_id if new_thread_id is not None else f"{thread_id}/fork/{number}"
            launch = self._launcher.make(
                source.graph,
                fork_id,
                None,
                replace(options, edit=edit),
                summary=f"fork of {thread_id} at {options.parent}",
                tenant=source.tenant,
                priority=source.info.priority.priority_key or None,
                task_queue=source.info.task_queue,
                parent=thread_id,
            )
            launch.must_be_new = True
            try:
                return await self._runs.run(launch, limit)
            except RunConflictError:
                if new_thread_id is not None:
                    raise
                number += 1

    def _wire(self, value: Any, what: str) -> Any:
        """JSON form of something to send.

        Raises:
            PayloadTooLargeError: It is larger than Temporal takes.
        """
        wire = to_wire(value, what)
        check_size(wire, what, payload_limit(self.temporal.data_converter))
        return wire
