"""The workflow that hosts a graph: one workflow type per graph, named after it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar, cast

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.common import RetryPolicy as TemporalRetryPolicy
from temporalio.exceptions import ActivityError

from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.config import read_config
from oris_temporal.graph.errors import (
    GraphError,
    NotInterruptedError,
    OrisError,
    PayloadTooLargeError,
    SerializationError,
    bounded_text,
    error_line,
)
from oris_temporal.graph.records import EngineState
from oris_temporal.graph.run import Edit
from oris_temporal.graph.snapshot import engine_state_from_wire
from oris_temporal.graph.tasks import being_cancelled, must_pass
from oris_temporal.graph.wire import to_wire, wire_size
from oris_temporal.models.queues import ModelQueues

from . import protocol
from .details import current_details
from .failures import failure, tellable, usage_wire
from .payloads import ordered
from .protocol import (
    CARRIED_LIMIT,
    PAYLOAD_LIMIT,
    ChildWaits,
    ResumeOptions,
    RunOptions,
    RunReport,
)
from .queries import SHOWN_VALUE_BYTES, QueriedWorkflow
from .search_attributes import GRAPH, INTERRUPTS, STATUS, UPDATED_AT
from .temporal_run import TemporalRun, tell_parent

_SEARCH_ATTRIBUTE_BYTES = 1_800  # the server ends a run that upserts more than 2 kB in one attribute


class GraphWorkflow(QueriedWorkflow):
    """Runs `graph`. `workflow_type` makes the class that a worker registers."""

    payload_limit: ClassVar[int | None] = PAYLOAD_LIMIT
    model_queues: ClassVar[ModelQueues | None] = None
    id_prefix: ClassVar[str] = ""

    def __init__(self) -> None:
        super().__init__()
        self._main: asyncio.Task[None] | None = None
        self._shown: Any = None
        self._told: Any = None
        self._early_signals: list[tuple[str, Any]] = []
        self._options = RunOptions()
        self._keys: list[str] = []

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

    # --- showing -------------------------------------------------------------------------------------------------

    def _view(self, run: TemporalRun) -> Any:
        """What is shown outside; when it changes, `_publish` shows it again."""
        waits = tuple((item.id, item.escalated) for item in run.desk.pending) if run.settled else ()
        return run.log.sequence, "interrupted" if waits else "running", waits, tuple(run.signal_waits)

    async def _publish(self, run: TemporalRun) -> None:
        before, self._shown = self._shown, self._view(run)
        _, status, waits, _ = self._shown
        run.status = "interrupted" if waits else "running"
        self._show_details()
        info = workflow.info()
        await self._tell_parent(run)
        shown = before[1:3] if before else (info.typed_search_attributes.get(STATUS, "running"), ())
        changed = shown != (status, waits)
        if changed and info.typed_search_attributes.get(GRAPH) is not None:  # else they may not be registered here
            workflow.upsert_search_attributes(
                [
                    STATUS.value_set(status),
                    INTERRUPTS.value_set(_listed([id for id, _ in waits])),
                    UPDATED_AT.value_set(run.now()),
                ]
            )
        if (changed and waits) or self._must_tell_that_it_continues or self._must_tell_next_run(run):
            workflow.upsert_memo({protocol.MEMO: self._memo(run)})

    async def _tell_parent(self, run: TemporalRun) -> None:
        """Tell the parent of a subgraph what it waits for, when that changed."""
        if (task := self._options.child_task) is None:
            return
        before, self._told = self._told, (run.settled, [item.id for item in run.desk.pending], dict(run.signal_waits))
        before = before or (False, [], {})
        if self._told != before:
            await tell_parent(task, run.waits(told=before[1]))

    def _show_end(self) -> None:
        """Show how the run ended."""
        self._show_details()
        if self._run is not None and self._must_tell_next_run(self._run):
            workflow.upsert_memo({protocol.MEMO: self._memo(self._run)})

    def _must_tell_next_run(self, run: TemporalRun) -> bool:
        """Whether the memo lacks questions or keys that the thread's next run goes on from; this one may be ended at any time."""
        told = workflow.memo_value(protocol.MEMO, {})
        asked: int = told.get("interrupts", 0)
        return run.desk.count > max(asked, self._options.interrupts) or any(
            protocol.taken_by(told, key) is None for key in self._keys
        )

    @property
    def _must_tell_that_it_continues(self) -> bool:
        """Whether the memo does not say yet that the thread's next run is to go on from this one's state."""
        told = workflow.memo_value(protocol.MEMO, {}).get("continues", False)
        return self.graph.continues and not told and self._options.child_task is None

    def _memo(self, run: TemporalRun) -> dict[str, Any]:
        pending = self._pending(run, SHOWN_VALUE_BYTES) if run.settled else []  # nobody lists those of a run that works
        for wire in pending:
            wire.pop("answer_schema", None)
        known: dict[str, Any] = workflow.memo_value(protocol.MEMO, {})
        memo: dict[str, Any] = {"run": run.ordinal, "interrupts": run.desk.count, "pending": pending}
        if self.graph.continues:
            memo["continues"] = True
        answered = [*known.get("answered", ()), *([protocol.key_digest(key), run.ordinal] for key in self._keys)]
        if answered:
            memo["answered"] = answered[-protocol.KEPT_KEYS :]
        self._keys = []
        return {**memo, **{name: known[name] for name in ("previous", "key", "keys", "on_timeout") if name in known}}

    def _show_details(self) -> None:
        if self._run is not None:
            workflow.set_current_details(current_details(self._run))

    # --- signals and updates -------------------------------------------------------------------------------------

    @workflow.signal(name=protocol.RESUME, description="Answer what the run waits for: the answer, then options.")
    async def _resume_by_signal(self, value: Any = None, options: Any = None, *_: Any) -> None:
        run = await self._ready()
        try:
            read = ResumeOptions.read(options)
            self._check_answer(run, value, read)
            await self._resume(run, to_wire(value, "answer"), read)
        except OrisError as error:  # a signal cannot be refused, so say what became of it
            self._ignore(protocol.RESUME, error)

    @workflow.update(
        name=protocol.RESUME, description="Answer what the run waits for, and wait until it settles again."
    )
    async def _resume_by_update(self, value: Any = None, options: Any = None) -> Any:
        run = await self._ready()
        run.updates += 1
        try:
            read = ResumeOptions.read(options)
            earlier = self._taken_by(read)
            if earlier is None:
                self._check_answer(run, value, read)
                await self._resume(run, value, read)
                if read.keyed and not read.names_question:  # an answer to a question by its id is known by that
                    self._keys.append(_update_id())
        except OrisError as error:
            raise failure(error) from None
        if earlier not in (None, run.ordinal):
            return RunReport("running", repeats=earlier).to_wire()
        await workflow.wait_condition(lambda: run.settled or run.continuing)
        return ordered(self._report())

    @_resume_by_update.validator
    def _check_resume(self, value: Any = None, options: Any = None) -> None:
        try:
            read = ResumeOptions.read(options)
            if not self._is_starting and self._taken_by(read) is None:  # else the handler checks, once it can be told
                self._check_answer(self._waiting(), value, read)
        except OrisError as error:
            raise failure(error) from None

    @staticmethod
    def _taken_by(options: ResumeOptions) -> int | None:
        """Ordinal of the run that took the update already: this one, before it continued as new, or an earlier one of the thread."""
        return protocol.taken_by(workflow.memo_value(protocol.MEMO, {}), _update_id()) if options.keyed else None

    @staticmethod
    def _check_answer(run: TemporalRun, value: Any, options: ResumeOptions) -> None:
        """Raise what `_resume` would raise, changing nothing."""
        if options.edits:
            run.check_command()
            run.root.check_edit(options.update or {}, goto=options.command(value).destinations)
        if not options.no_value:
            run.desk.plan(value, by_id=options.by_id, interrupt_id=options.interrupt_id)
        elif not options.edits:
            run.desk.breakpoints(options.interrupt_id)

    @staticmethod
    async def _resume(run: TemporalRun, value: Any, options: ResumeOptions) -> None:
        if options.edits:
            await run.apply_command(options.command(value))
        if not options.no_value:
            run.resume(value, by_id=options.by_id, interrupt_id=options.interrupt_id, author=options.author)
        elif not options.edits:
            run.go_on(options.interrupt_id, author=options.author)

    def _ignore(self, signal: str, error: OrisError) -> None:
        """Note a signal that could not be taken."""
        if self._run is not None:
            self._run.record("ignored", None, data={"signal": signal, "code": error.code, "message": error.message})
        workflow.logger.warning("ignored signal %s: %s", signal, error.message)

    @workflow.update(name=protocol.REJECT, description="Refuse to answer an interrupt; the run is cancelled.")
    async def _reject(self, interrupt_id: str | None = None, reason: str = "", author: str | None = None) -> str:
        await self._ready()
        try:
            id = self._waiting().reject(interrupt_id, reason=reason, author=author)
        except OrisError as error:
            raise failure(error) from None
        why = f"interrupt {id} rejected" + (f" by {author}" if author else "") + (f": {reason}" if reason else "")
        await workflow.execute_local_activity(
            protocol.CANCEL_RUN,
            bounded_text(why),
            start_to_close_timeout=timedelta(seconds=10),
            summary="cancel the run",
        )
        return id

    @_reject.validator
    def _check_reject(self, interrupt_id: str | None = None, reason: str = "", author: str | None = None) -> None:
        if self._is_starting:
            return
        try:
            self._waiting().desk.check_reject(interrupt_id)
        except OrisError as error:
            raise failure(error) from None

    @workflow.update(
        name=protocol.UPDATE_STATE,
        description="Merge values into the state, now if the run waits, else at the next step.",
    )
    async def _update_state(self, update: dict[str, Any], as_node: str | None = None) -> str | None:
        run = await self._ready()
        run.updates += 1
        try:
            checkpoint: str | None = await run.edit_at_boundary(lambda: run.root.edit(update, as_node=as_node))
        except OrisError as error:
            raise failure(error) from None
        return checkpoint

    @_update_state.validator
    def _check_update_state(self, update: dict[str, Any], as_node: str | None = None) -> None:
        if self._is_starting:
            return
        try:
            if self._run is None or "" not in self._run.engines or self._run.status not in ("running", "interrupted"):
                raise NotInterruptedError("The run is not waiting or running, so its state cannot be edited.")
            self._run.root.check_edit(update, as_node=as_node)
        except OrisError as error:
            raise failure(error) from None

    @workflow.update(name=protocol.WAIT, description="Wait until the run ends or waits for people.")
    async def _wait(self) -> Any:
        await workflow.wait_condition(lambda: self._broken is not None or not self._is_starting)
        if (run := self._run) is not None:
            run.updates += 1
            await workflow.wait_condition(lambda: run.settled or run.continuing)
        return ordered(self._report())

    @workflow.signal(name=protocol.CHILD_WAITS, description="What a child workflow waits for.")
    def _child_waits(self, task_id: Any = None, waits: Any = None, *_: Any) -> None:
        try:
            if self._run is not None:
                self._run.child_waits(str(task_id), ChildWaits.read(waits))
        except OrisError as error:
            self._ignore(protocol.CHILD_WAITS, error)

    @workflow.signal(dynamic=True, description="Any other signal: what ctx.wait_signal(name) receives.")
    def _any_signal(self, name: str, args: Sequence[RawValue]) -> None:
        try:
            value = to_wire(workflow.payload_converter().from_payload(args[0].payload) if args else None, "value")
        except Exception as error:  # whatever a converter raises
            self._ignore(name, SerializationError(f"Its value is no JSON: {error_line(error)}"))
            return
        if self._run is None:
            self._early_signals.append((name, value))
        else:
            self._run.receive_signal(name, value)

    async def _ready(self) -> TemporalRun:
        """The run, once it has begun: handlers may be called before it."""
        await workflow.wait_condition(lambda: self._broken is not None or not self._is_starting)
        if self._broken is not None:
            raise failure(self._broken)
        return cast("TemporalRun", self._run)

    @property
    def _is_starting(self) -> bool:
        run = self._run
        return run is None or ("" not in run.engines and run.status == "running") or run.restoring

    def _waiting(self) -> TemporalRun:
        run = self._run
        if run is None or run.status not in ("running", "interrupted"):
            raise NotInterruptedError("The run is not waiting for an answer.")
        return run


def _update_id() -> str:
    """Id of the update that is being handled."""
    info = workflow.current_update_info()
    return "" if info is None else info.id


def _listed(ids: Sequence[str]) -> list[str]:
    """As many ids as a search attribute takes; the memo has all that is asked."""
    kept: list[str] = []
    left = _SEARCH_ATTRIBUTE_BYTES
    for id in ids:
        left -= wire_size(id) + 1
        if left < 0:
            break
        kept.append(id)
    return kept


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
