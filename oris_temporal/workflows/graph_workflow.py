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
from oris_temporal.graph.engine import check_edit
from oris_temporal.graph.errors import (
    GraphError,
    NotInterruptedError,
    OrisError,
    PayloadTooLargeError,
    SerializationError,
    bounded_text,
    error_line,
)
from oris_temporal.graph.records import Checkpoint, EngineState
from oris_temporal.graph.run import Edit
from oris_temporal.graph.snapshot import engine_state_from_wire
from oris_temporal.graph.streaming import debug_info
from oris_temporal.graph.tasks import being_cancelled, must_pass
from oris_temporal.graph.wire import to_wire, wire_size
from oris_temporal.models.queues import ModelQueues

from . import protocol
from .details import current_details
from .failures import failure, tellable
from .message_log import FORMS, LOGS
from .payloads import ordered
from .protocol import (
    CARRIED_LIMIT,
    INLINE_FINAL_LIMIT,
    INLINE_RESULT_LIMIT,
    PAYLOAD_LIMIT,
    ChildWaits,
    ResumeOptions,
    RunOptions,
    RunReport,
)
from .search_attributes import GRAPH, INTERRUPTS, STATUS, UPDATED_AT
from .temporal_run import TemporalRun, tell_parent

_PAGE_BYTES = 1_000_000
_MEMO_VALUE_BYTES = 2_000
_SEARCH_ATTRIBUTE_BYTES = 1_800  # the server ends a run that upserts more than 2 kB in one attribute


class GraphWorkflow:
    """Runs `graph`. `workflow_type` makes the class that a worker registers."""

    graph: ClassVar[CompiledGraph]
    payload_limit: ClassVar[int | None] = PAYLOAD_LIMIT
    model_queues: ClassVar[ModelQueues | None] = None

    def __init__(self) -> None:
        self._run: TemporalRun | None = None
        self._main: asyncio.Task[None] | None = None
        self._shown: Any = None
        self._told: Any = None
        self._early_signals: list[tuple[str, Any]] = []
        self._options = RunOptions()
        self._broken: GraphError | None = None

    # --- running -------------------------------------------------------------------------------------------------

    async def execute(self, input: Any, options: Any) -> Any:
        """Run the graph; the result is its final state."""
        try:
            with self._graph_errors():
                read = self._options = RunOptions.from_wire(options)
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
            raise failure(error) from tellable(error.__cause__)
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
        if (changed and waits) or self._must_tell_that_it_continues:
            workflow.upsert_memo({protocol.MEMO: self._memo(run)})

    async def _tell_parent(self, run: TemporalRun) -> None:
        """Tell the parent of a subgraph what it waits for, when that changed."""
        if (task := self._options.child_task) is None:
            return
        before, self._told = self._told, (run.settled, [item.id for item in run.desk.pending], dict(run.signal_waits))
        if self._told != (before or (False, [], {})):
            await tell_parent(task, run.waits())

    def _show_end(self) -> None:
        """Show how the run ended, and leave to the thread's next run the number of questions asked so far."""
        self._show_details()
        run = self._run
        if run is not None and run.desk.count > max(
            workflow.memo_value(protocol.MEMO, {}).get("interrupts", 0), self._options.interrupts
        ):
            workflow.upsert_memo({protocol.MEMO: self._memo(run)})

    @property
    def _must_tell_that_it_continues(self) -> bool:
        """Whether the memo does not say yet that the thread's next run is to go on from this one's state."""
        told = workflow.memo_value(protocol.MEMO, {}).get("continues", False)
        return self.graph.continues and not told and self._options.child_task is None

    def _memo(self, run: TemporalRun) -> dict[str, Any]:
        pending = self._pending(run, _MEMO_VALUE_BYTES)
        for wire in pending:
            wire.pop("answer_schema", None)
        known: dict[str, Any] = workflow.memo_value(protocol.MEMO, {})
        memo: dict[str, Any] = {"run": run.ordinal, "interrupts": run.desk.count, "pending": pending}
        if self.graph.continues:
            memo["continues"] = True
        return {**memo, **{name: known[name] for name in ("previous", "key", "keys", "on_timeout") if name in known}}

    @staticmethod
    def _pending(run: TemporalRun, limit: int) -> list[dict[str, Any]]:
        """What the run waits for; values of more bytes than the limit are cut."""
        return [_cut(item.to_wire(), limit) for item in run.desk.pending]

    def _show_details(self) -> None:
        if self._run is not None:
            workflow.set_current_details(current_details(self._run))

    def _report(self, *, whole: bool = False) -> dict[str, Any]:
        run = self._run
        if run is None:
            return RunReport("failed" if self._broken else "running", error=_error_wire(self._broken)).to_wire()
        if run.continuing:
            return RunReport("running", continued=True).to_wire()
        error = _error_wire(run.error)
        if "" not in run.engines:
            return RunReport(run.status, error=error).to_wire()
        waiting = run.settled and run.status in ("running", "interrupted")
        values = run.root.values
        size = sum(values.encoded(name).size for name in values.data)
        # A final state is the workflow's result as well: say it twice only where that is cheaper than asking for it.
        inline = size <= (INLINE_FINAL_LIMIT if run.status == "completed" else INLINE_RESULT_LIMIT)
        apart = whole and size > _PAGE_BYTES
        interrupts = self._pending(run, _PAGE_BYTES // max(1, len(run.desk.pending)))
        return RunReport(
            status="interrupted" if waiting else ("running" if run.status == "interrupted" else run.status),
            checkpoint_id=run.root.state.checkpoint_id,
            values=values.wire() if (whole and not apart) or inline else None,
            fields=list(values.data) if apart else None,
            next=run.next_nodes() if whole else run.next_nodes() or None,
            interrupts=interrupts if whole else interrupts or None,
            error=error,
            usage={model: used.to_wire() for model, used in run.usage.items()} or None,
            keys=(run.keys or None) if whole else None,
        ).to_wire()

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
            if not self._is_repeat(run, read):
                self._check_answer(run, value, read)
                await self._resume(run, value, read)
                if read.keyed:
                    run.keys.append(_update_id())
        except OrisError as error:
            raise failure(error) from None
        await workflow.wait_condition(lambda: run.settled or run.continuing)
        return ordered(self._report())

    @_resume_by_update.validator
    def _check_resume(self, value: Any = None, options: Any = None) -> None:
        try:
            read = ResumeOptions.read(options)
            if not self._is_starting and not self._is_repeat(
                self._run, read
            ):  # else the handler checks, once it can be told
                self._check_answer(self._waiting(), value, read)
        except OrisError as error:
            raise failure(error) from None

    @staticmethod
    def _is_repeat(run: TemporalRun | None, options: ResumeOptions) -> bool:
        """Whether an update was taken already, before the run continued as new."""
        return options.keyed and run is not None and _update_id() in run.keys

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

    # --- queries -------------------------------------------------------------------------------------------------

    @workflow.query(name=protocol.QUERY_STATE, description="Status, state, next nodes and pending interrupts.")
    def _query_state(self) -> Any:
        return ordered(self._report(whole=True))

    @workflow.query(
        name=protocol.QUERY_HISTORY,
        description="Checkpoints of a namespace, oldest first, with values or without; a page of at most 1 MB from a start.",
    )
    def _query_history(self, namespace: str = "", values: bool = False, start: int = 0) -> Any:
        run = self._run
        found = [item for item in run.log.checkpoints if item.namespace == namespace] if run else []
        page = (self._snapshot(cast("TemporalRun", run), item, values=values) for item in found[start:])
        return ordered(_page(page, len(found) - start))

    @workflow.query(
        name=protocol.QUERY_CHECKPOINT, description="One checkpoint, by id and namespace; null if there is none."
    )
    def _query_checkpoint(self, checkpoint_id: str | None = None, namespace: str = "") -> Any:
        run = self._run
        found = None if run is None else run.log.find(checkpoint_id, namespace)
        return None if run is None or found is None else ordered(self._snapshot(run, found, values=True))

    @workflow.query(
        name=protocol.QUERY_SEED,
        description="What a replay or fork from a checkpoint starts with; null if there is none, a refusal if an edit does not fit.",
    )
    def _query_seed(
        self, checkpoint_id: str | None = None, namespace: str = "", edit: dict[str, Any] | None = None
    ) -> Any:
        run = self._run
        if run is None or not run.log.checkpoints:
            return None
        first = checkpoint_id == protocol.FIRST_CHECKPOINT
        found = run.log.first() if first else run.log.find(checkpoint_id, namespace)
        if found is None:
            return None
        if edit is not None:
            try:
                check_edit(self.graph, found.values, edit["update"], as_node=edit["as_node"], goto=())
            except OrisError as error:
                return _refusal(error)
        seed = {"id": found.id, "seed": run.seed_of(found), "interrupts": run.desk.count, "config": run.given_config}
        return ordered(seed)

    @workflow.query(name=protocol.QUERY_INPUT, description="Whether an input fits the graph: null, or a refusal.")
    def _query_input(self, input: Any = None) -> dict[str, Any] | None:
        try:
            self.graph.input_wire(input)
        except OrisError as error:
            return _refusal(error)
        return None

    @workflow.query(
        name=protocol.QUERY_INTERRUPTS,
        description="Pending interrupts, in order, or all the run has asked; a page of at most 1 MB from a start.",
    )
    def _query_interrupts(self, all: bool = False, start: int = 0) -> Any:
        desk = self._run.desk if self._run else None
        items = [] if desk is None else list(desk.asked.values()) if all else desk.pending
        return ordered(_page((item.to_wire() for item in items[start:]), len(items) - start))

    @workflow.query(name=protocol.QUERY_TIMELINE, description="What happened, oldest first; a page of at most 1 MB.")
    def _query_timeline(self, after: int = 0) -> Any:
        hidden = ("custom", "message", "updates")
        seen = [event for event in (self._run.log.events if self._run else ()) if event.seq > after]
        events = [event for event in seen if event.kind not in hidden]
        return ordered(_page(({"seq": event.seq, **debug_info(event)} for event in events), len(events)))

    @workflow.query(name=protocol.QUERY_GRAPH, description="The graph: Mermaid, state schema and digest.")
    def _query_graph(self) -> dict[str, Any]:
        graph = self.graph
        return {
            "name": graph.name,
            "digest": graph.digest,
            "mermaid": graph.to_mermaid(),
            "schema": graph.schema.json_schema(),
        }

    @workflow.query(
        name=protocol.QUERY_EVENTS, description="Events after a number, for streams; a page of at most 1 MB."
    )
    def _query_events(self, after: int = 0) -> Any:
        run = self._run
        if run is None:
            return {"run": 0, "settled": False, "items": [], "more": False}
        fresh = [event for event in run.log.events if event.seq > after]
        wires = ({**to_wire(event, "event"), "values": run.log.values_at(event)} for event in fresh)
        return ordered({"run": run.ordinal, "settled": run.settled, **_page(wires, len(fresh))})

    @workflow.query(
        name=protocol.QUERY_FIELD, description="What an activity got by reference: a state field, a conversation."
    )
    def _query_field(self, namespace: str, name: str, start: int = 0) -> Any:
        run = cast("TemporalRun", self._run)
        if namespace in (LOGS, FORMS):
            wire: Any = run.logs.items(namespace, name)
        else:
            wire = run.engines[namespace].values.encoded(name).wire
        if not isinstance(wire, list):
            return ordered({"value": wire})
        end, size = start, 0
        while end < len(wire) and (end == start or size < _PAGE_BYTES):
            size += wire_size(wire[end])
            end += 1
        return ordered({"items": wire[start:end]})

    @staticmethod
    def _snapshot(run: TemporalRun, checkpoint: Checkpoint, *, values: bool) -> dict[str, Any]:
        snapshot = run.snapshot(checkpoint, pending=checkpoint is run.log.latest(checkpoint.namespace))
        wire: dict[str, Any] = to_wire(snapshot, "checkpoint")
        if not values:
            del wire["values"], wire["metadata"]["writes"]
        elif (
            wire_size(wire) > PAYLOAD_LIMIT
        ):  # too large for one answer: the writes are in the stream, the questions have a query
            wire["metadata"]["writes"] = []
            wire["interrupts"] = [_cut(item, _MEMO_VALUE_BYTES) for item in wire["interrupts"]]
        return wire


def _update_id() -> str:
    """Id of the update that is being handled."""
    info = workflow.current_update_info()
    return "" if info is None else info.id


def _cut(wire: dict[str, Any], limit: int) -> dict[str, Any]:
    """An interrupt whose value has at most so many bytes."""
    if wire_size(wire["value"]) > limit:
        wire["value"] = {"truncated": str(wire["value"])[: limit // 4]}
    return wire


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


def _page(wires: Iterator[dict[str, Any]], total: int) -> dict[str, Any]:
    """As many of the items as fit into a query's answer, at least one, and whether there are more."""
    page: list[dict[str, Any]] = []
    size = 0
    for wire in wires:
        page.append(wire)
        size += wire_size(wire)
        if size > _PAGE_BYTES:
            break
    return {"items": page, "more": len(page) < total}


def workflow_type(
    graph: CompiledGraph, *, payload_limit: int | None = PAYLOAD_LIMIT, model_queues: ModelQueues | None = None
) -> type:
    """The workflow class of a graph, for a worker or replayer.

    Args:
        graph: The graph.
        payload_limit: Bytes of JSON accepted as the final state; ``None`` is no limit, for clusters with external storage.
        model_queues: Task queues of model calls.
    """

    async def run(self: GraphWorkflow, input: Any = None, options: Any = None) -> Any:
        return await self.execute(input, options)

    class_name = (
        "".join(part.capitalize() for part in graph.name.replace(".", "_").replace("-", "_").split("_")) + "Workflow"
    )
    run.__qualname__ = f"{class_name}.run"  # the SDK finds a workflow by the qualified name of its run method
    members = {
        "run": workflow.run(run),
        "graph": graph,
        "payload_limit": payload_limit,
        "model_queues": model_queues,
    }
    made = type(class_name, (GraphWorkflow,), members)
    return workflow.defn(name=graph.name, sandboxed=False, failure_exception_types=[GraphError])(made)


def _refusal(error: OrisError) -> dict[str, Any]:
    """An error as the answer of a query."""
    return {"refusal": {"type": type(error).__name__, "message": error.message, "details": error.details}}


def _error_wire(error: GraphError | None) -> dict[str, Any] | None:
    return None if error is None else {"code": error.code, "message": error.message, "details": error.details}
