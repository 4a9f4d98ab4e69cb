"""Starting runs: from an input, or from a checkpoint of another run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Unpack

from temporalio.client import Client

from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.config import merged
from oris_temporal.graph.duration import Duration
from oris_temporal.graph.errors import InvalidOptionError, RunConflictError
from oris_temporal.graph.requests import check_update
from oris_temporal.graph.wire import to_wire
from oris_temporal.workflows import protocol
from oris_temporal.workflows.payloads import payload_limit

from .launch import Launch, check_size
from .launcher import Launcher
from .lookup import Found
from .options import OnConflict, StartOptions, check_place, one_of, read_texts, read_wait
from .reading import ThreadReader
from .records import RunHandle, RunResult


class RunStarter(ThreadReader):
    """Starts runs of graphs on a Temporal cluster. An `OrisClient` is one.

    Args:
        temporal: A connected `temporalio` client.
        task_queue: Task queue of the workers.
        id_prefix: Put before thread ids to make workflow ids.
    """

    def __init__(self, temporal: Client, *, task_queue: str = "oris", id_prefix: str = "") -> None:
        super().__init__(temporal, id_prefix=id_prefix)
        self.task_queue = task_queue
        self._launcher = Launcher(self._threads, task_queue)

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

    # --- time travel -------------------------------------------------------------------------------------------------

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
