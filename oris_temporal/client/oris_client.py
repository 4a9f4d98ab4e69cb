"""`OrisClient`: one method per verb. Those that start runs are `RunStarter`'s, those that read `ThreadReader`'s."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.envconfig import ClientConfig

from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.control import MISSING, Command
from oris_temporal.graph.duration import Duration
from oris_temporal.graph.errors import (
    GraphNotFoundError,
    InvalidAnswerError,
    NoWorkerError,
    ThreadNotFoundError,
)
from oris_temporal.graph.node import destination_wire
from oris_temporal.graph.requests import check_answers, check_update
from oris_temporal.graph.signals import check_signal
from oris_temporal.workflows import protocol
from oris_temporal.workflows.payloads import ordered
from oris_temporal.workflows.protocol import ResumeOptions

from .answers import Answers
from .failures import connected, typed_errors
from .options import read_texts, read_wait, refusal, text
from .records import RunResult
from .starting import RunStarter

_GO_BACK_WAIT = timedelta(seconds=10)
"""Time that a run has, at least, to get where it is to be answered."""


class OrisClient(RunStarter):
    """Starts, answers and reads runs of graphs on a Temporal cluster.

    Args:
        temporal: A connected `temporalio` client.
        task_queue: Task queue of the workers.
        id_prefix: Put before thread ids to make workflow ids.
    """

    def __init__(self, temporal: Client, *, task_queue: str = "oris", id_prefix: str = "") -> None:
        super().__init__(temporal, task_queue=task_queue, id_prefix=id_prefix)
        self._answers = Answers(self._threads, self._runs)

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
        return await self._answers.resume(
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
        await self._answers.reject(thread_id, interrupt_id, reason, author)
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
        read_texts(as_node=as_node)
        check_update(values, "state update")
        wire = self._wire({} if values is None else values, "state update")
        try:
            async with typed_errors(f"update the state of thread {thread_id!r}", thread_id):
                return await self._answers.update(thread_id, protocol.UPDATE_STATE, ordered(wire), as_node)
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
