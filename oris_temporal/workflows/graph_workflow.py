"""The workflow that hosts a graph: one workflow type per graph, named after it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar, cast

from temporalio import workflow
from temporalio.common import RetryPolicy as TemporalRetryPolicy
from temporalio.exceptions import ActivityError

from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.config import read_config
from oris_temporal.graph.errors import (
    GraphError,
    PayloadTooLargeError,
    SerializationError,
    error_line,
)
from oris_temporal.graph.records import EngineState
from oris_temporal.graph.run import Edit
from oris_temporal.graph.snapshot import engine_state_from_wire
from oris_temporal.graph.tasks import being_cancelled, must_pass
from oris_temporal.graph.wire import wire_size
from oris_temporal.models.queues import ModelQueues

from . import protocol
from .answering import AnsweredWorkflow
from .failures import failure, tellable, usage_wire
from .payloads import ordered
from .protocol import (
    CARRIED_LIMIT,
    PAYLOAD_LIMIT,
    RunOptions,
)
from .search_attributes import GRAPH, STATUS, UPDATED_AT
from .temporal_run import TemporalRun


class GraphWorkflow(AnsweredWorkflow):
    """Runs `graph`. `workflow_type` makes the class that a worker registers."""

    payload_limit: ClassVar[int | None] = PAYLOAD_LIMIT
    model_queues: ClassVar[ModelQueues | None] = None
    id_prefix: ClassVar[str] = ""

    def __init__(self) -> None:
        super().__init__()
        self._main: asyncio.Task[None] | None = None

    # --- running -------------------------------------------------------------------------------------------------

    async def execute(self, input: Any, options: Any, *more: Any) -> Any:
        """Run the graph; the result is its final state. What anybody may have written by hand is checked here."""
        try:
            with self._graph_errors():
                if more:
                    raise SerializationError(
                        f"Graph {self.graph.name} takes an input and an object of options, not {2 + len(more)} arguments."
                    )
                read = RunOptions.read(options)
                read.config = None if read.config is None else cast("dict[str, Any]", read_config(read.config))
                if read.thread_id is None and self.id_prefix:  # somebody else's code started it
                    read.thread_id = workflow.info().workflow_id.removeprefix(self.id_prefix)
                self._options = read
                run = self._run = TemporalRun(
                    self.graph, read, payload_limit=self.payload_limit, model_queues=self.model_queues
                )
            for name, value in self._early_signals:
                run.receive_signal(name, value)
            self._main = asyncio.create_task(self._start(run, input, read))
            await self._attend(run, read)
        except asyncio.CancelledError:
            await self._wind_up(self._run)
            raise
        except GraphError as error:
            self._broken = error if self._run is None else None
            if self._run is not None and self._run.status != "failed":
                self._run.fail(error)
            self._show_end()
            await workflow.wait_condition(workflow.all_handlers_finished)
            used = [] if self._run is None or not self._run.keeps_writes else [usage_wire(self._run.usage)]
            raise failure(error, *used) from tellable(error.__cause__)
        self._show_end()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return ordered(run.result())

    async def _start(self, run: TemporalRun, input: Any, options: RunOptions) -> None:
        with self._graph_errors():
            await self._enlist(run, options)
            edit = None if options.edit is None else Edit(**options.edit)
            wire, seed = self._beginning(run, input, options)
            await run.execute(wire, seed, edit)

    async def _enlist(self, run: TemporalRun, options: RunOptions) -> None:
        """Set the search attributes of a run that was not started by our client, as far as the namespace has them."""
        if workflow.info().typed_search_attributes.get(GRAPH) is not None or options.child_task is not None:
            return
        try:
            is_set_up: bool = await workflow.execute_local_activity(
                protocol.IS_SET_UP,
                start_to_close_timeout=timedelta(seconds=5),
                retry_policy=TemporalRetryPolicy(maximum_attempts=1),
                result_type=bool,
            )
        except ActivityError as error:
            if being_cancelled():
                raise asyncio.CancelledError from error
            return
        if is_set_up:
            workflow.upsert_search_attributes(
                [GRAPH.value_set(self.graph.name), STATUS.value_set("running"), UPDATED_AT.value_set(run.now())]
            )

    def _beginning(
        self, run: TemporalRun, input: Any, options: RunOptions
    ) -> tuple[dict[str, Any] | None, EngineState | None]:
        """Input and state to start with."""
        if options.carried is not None:
            return None, run.restore(options.carried)
        if options.seed is not None:
            return None, engine_state_from_wire(self.graph, options.seed)
        if options.values is None:
            return self.graph.input_wire(input), None
        schema = self.graph.schema
        seed = EngineState(values={**schema.initial(), **schema.decode(options.values, "saved state")})
        return self.graph.input_wire({} if input is None else input), seed

    @contextmanager
    def _graph_errors(self) -> Iterator[None]:
        """Turn every error into one of ours: any other would suspend the workflow task and be retried for ever."""
        try:
            yield
        except GraphError:
            raise
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) or must_pass(error):
                raise
            raise GraphError(f"Graph {self.graph.name} could not go on: {error_line(error)}") from error

    async def _attend(self, run: TemporalRun, options: RunOptions) -> None:
        """Wait for the end, showing what changes; continue as new when it is time."""
        main = cast("asyncio.Task[None]", self._main)
        while True:
            await workflow.wait_condition(
                lambda: main.done() or run.continuing or self._must_continue(run) or self._view(run) != self._shown
            )
            if main.done():
                await main
                return
            if run.continuing or self._must_continue(run):
                run.continuing = True  # lets the handlers return; their callers ask the successor
                await workflow.wait_condition(workflow.all_handlers_finished)
                if run.can_go_on_elsewhere():
                    self._continue_as_new(run, options)
                run.continuing = run.parked = False  # one of them answered what the run waited for
            await self._publish(run)

    @staticmethod
    def _must_continue(run: TemporalRun) -> bool:
        """Whether a run that waits for people has a history long enough to continue as new."""
        return run.settled and run.should_continue_as_new()

    async def _wind_up(self, run: TemporalRun | None) -> None:
        """Cancel what runs, let it clean up, and report the cancellation."""
        if run is None or self._main is None:
            return
        run.cancelling = True
        self._main.cancel()
        await asyncio.gather(self._main, return_exceptions=True)
        run.finish("cancelled")
        self._show_end()
        await workflow.wait_condition(workflow.all_handlers_finished)

    def _continue_as_new(self, run: TemporalRun, options: RunOptions) -> None:
        carried = run.carry()
        if (size := wire_size(carried)) > CARRIED_LIMIT and self.payload_limit is not None:
            raise PayloadTooLargeError(
                f"Graph {self.graph.name}: the run must continue as new, and what it carries over has {size:,} bytes; Temporal takes "
                f"at most {CARRIED_LIMIT:,} in one payload. Keep less in the state, or configure external storage.",
                size=size,
            )
        following = RunOptions(
            config=options.config,
            thread_id=options.thread_id,
            run=run.ordinal,
            interrupt_before=options.interrupt_before,
            interrupt_after=options.interrupt_after,
            carried=carried,
            history_limit=options.history_limit,
            child_task=options.child_task,
            store=options.store,
        )
        memo = {**self._memo(run), "previous": workflow.info().run_id}
        upgrade = workflow.info().is_target_worker_deployment_version_changed()
        run.continued = True
        workflow.continue_as_new(
            args=[None, ordered(following.to_wire())],
            memo={protocol.MEMO: memo},
            initial_versioning_behavior=workflow.ContinueAsNewVersioningBehavior.AUTO_UPGRADE if upgrade else None,
        )


def workflow_type(
    graph: CompiledGraph,
    *,
    payload_limit: int | None = PAYLOAD_LIMIT,
    model_queues: ModelQueues | None = None,
    id_prefix: str = "",
) -> type:
    """The workflow class of a graph, for a worker or replayer.

    Args:
        graph: The graph.
        payload_limit: Bytes of JSON accepted as the final state; ``None`` is no limit, for clusters with external storage.
        model_queues: Task queues of model calls.
        id_prefix: What comes before the thread id in a workflow id.
    """

    async def run(self: GraphWorkflow, input: Any = None, options: Any = None, *more: Any) -> Any:
        return await self.execute(input, options, *more)

    class_name = (
        "".join(part.capitalize() for part in graph.name.replace(".", "_").replace("-", "_").split("_")) + "Workflow"
    )
    run.__qualname__ = f"{class_name}.run"  # the SDK finds a workflow by the qualified name of its run method
    members = {
        "run": workflow.run(run),
        "graph": graph,
        "payload_limit": payload_limit,
        "model_queues": model_queues,
        "id_prefix": id_prefix,
    }
    made = type(class_name, (GraphWorkflow,), members)
    return workflow.defn(name=graph.name, sandboxed=False, failure_exception_types=[GraphError])(made)
