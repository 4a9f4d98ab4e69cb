"""The Temporal host: a `Run` whose nodes are activities and whose timers, signals and child workflows are Temporal's."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from temporalio import workflow
from temporalio.common import Priority
from temporalio.exceptions import (
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    WorkflowAlreadyStartedError,
)

from oris_temporal.graph.duration import to_timedelta, to_timedelta_or_none
from oris_temporal.graph.engine import Engine, maybe_await
from oris_temporal.graph.errors import (
    GraphError,
    HistoryTooLongError,
    NodeError,
    SerializationError,
    StateTooLargeError,
    error_line,
)
from oris_temporal.graph.ids import bounded
from oris_temporal.graph.interrupts import Ask, Interrupt
from oris_temporal.graph.node import Node
from oris_temporal.graph.options import RetryPolicy
from oris_temporal.graph.records import EngineState, Outcome, Position, RunStatus, Task
from oris_temporal.graph.relay import ChildRelay
from oris_temporal.graph.run import Run, node_error
from oris_temporal.graph.state import StateValues, Write
from oris_temporal.graph.tasks import being_cancelled, must_pass
from oris_temporal.graph.wire import wire_size
from oris_temporal.models.queues import ModelQueues
from oris_temporal.models.retries import model_retry
from oris_temporal.store.remote import STORE_RETRY

from .activity_calls import ActivityCalls, node_failure
from .guard import guarded
from .message_log import MessageLogs
from .payloads import ordered
from .protocol import (
    BREATHE,
    CARRIED_LIMIT,
    CHILD_WAITS,
    LLM,
    PAYLOAD_LIMIT,
    RESUME,
    STORE,
    ChildWaits,
    ModelInput,
    NodeInput,
    NodeOutput,
    RunOptions,
    StoreInput,
    ToolInput,
)
from .references import StateReferences

if TYPE_CHECKING:
    from oris_temporal.graph.compiled import CompiledGraph
    from oris_temporal.graph.subgraph import Subgraph
    from oris_temporal.models import ModelRequest
    from oris_temporal.tools import Tool

CALL_HEARTBEAT = timedelta(seconds=30)
"""A worker silent for this long has lost its model and tool calls, and others make them."""

STORE_TIME = timedelta(minutes=1)
"""Longest time for one attempt at an operation on a store."""

KEPT_KEYS = 100
"""Callers' keys of answers that a run remembers."""

LONG_HISTORY_EVENTS = 20_000
"""Events after which branches wait for each other to continue as new together."""

LONG_HISTORY_BYTES = 20_000_000
"""Likewise, bytes."""

HISTORY_EVENTS = 47_000
"""Events after which a run fails; the server ends it at 51,200 (docs: ``limit.historyCount.error``)."""

HISTORY_BYTES = 47_000_000
"""Likewise, bytes; the server ends it at 50 MB (``limit.historySize.error``)."""

BREATH_WORK = 2_000_000
"""Bytes of state shown to workflow-side code in one activation. The SDK gives up a workflow that holds its thread for 2 s; to show a
MB takes 1 to 350 ms, by what it is made of. A count, unlike a clock, is the same on every replay."""

STEP_WORK = 1_000
"""What a superstep counts beside that."""

MEASURE_AGAIN = 100_000
"""Bytes written at least until the state is measured again."""

LOOK_AGAIN_EVENTS = 500
"""Events until a run whose state was too large to carry over measures it again."""

CONTINUE_AFTER_UPDATES = 1_500
"""Updates accepted before a run continues as new; the server refuses them beyond 2,000."""


class TemporalRun(Run):
    """A run inside a workflow.

    Args:
        graph: The graph.
        options: The workflow's options.
        payload_limit: Bytes of JSON accepted for one payload; ``None`` is no limit, for clusters with external storage.
        model_queues: Task queues of model calls.
    """

    def __init__(
        self,
        graph: CompiledGraph,
        options: RunOptions,
        *,
        payload_limit: int | None = PAYLOAD_LIMIT,
        model_queues: ModelQueues | None = None,
    ) -> None:
        info = workflow.info()
        super().__init__(
            graph,
            thread_id=options.thread_id or info.workflow_id,
            ordinal=options.run,
            config=cast("Any", options.config),
            interrupts_before=options.interrupts,
            interrupt_before=options.interrupt_before,
            interrupt_after=options.interrupt_after,
        )
        self.parent_checkpoint = options.parent
        self.keeps_writes = options.child_task is not None
        self.cancelling = False
        self.continuing = False
        self.parked = False
        self.updates = 0
        self.keys: list[str] = []
        self._plain_config = not options.config and self.thread_id == info.workflow_id
        self._history_limit = options.history_limit
        self._now: tuple[float, datetime] | None = None
        self._calls = ActivityCalls(payload_limit, lambda: self.cancelling, self._check_history)
        self._resting: Counter[str] = Counter()
        self._too_large_at = self._fitted_at = 0
        self._references = StateReferences()
        self._payload_limit = payload_limit
        self._size = self._written = 0
        self._spent = self._spent_at = 0
        self._breathing = False
        self._children: dict[str, ChildRelay] = {}
        self._model_queues = model_queues or ModelQueues()
        self._outer_store = options.store
        self.logs = MessageLogs()
        self._tried: dict[str, dict[str, Any]] = {}

    @property
    def repeats(self) -> bool:
        """See `Run.repeats`."""
        return workflow.unsafe.is_replaying_history_events()

    @property
    def given_config(self) -> dict[str, Any] | None:
        """The run's configuration, without the thread, for a run that starts from one of its checkpoints."""
        config = {**cast("dict[str, Any]", self.config), "configurable": _without_thread(self.config)}
        return None if config == {"configurable": {}} else config

    # --- time ----------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """See `Run.now`."""
        here = workflow.time()  # the same for all of a workflow task
        if self._now is None or self._now[0] != here:
            self._now = here, datetime.fromtimestamp(here, UTC)
        return self._now[1]

    async def sleep(self, duration: timedelta, summary: str) -> None:
        """See `Run.sleep`."""
        if duration > timedelta(0):  # it may have passed while the run continued as new
            await workflow.sleep(duration, summary=summary)

    async def wait_until(self, condition: Callable[[], bool], timeout: timedelta | None, summary: str) -> bool:
        """See `Run.wait_until`."""
        if condition():
            return True
        if timeout is not None and timeout <= timedelta(0):
            return False
        try:
            await workflow.wait_condition(condition, timeout=timeout, timeout_summary=summary if timeout else None)
        except TimeoutError:
            return False
        return True

    def changed(self) -> None:
        """See `Run.changed`. Temporal looks at wait conditions by itself."""

    # --- steps ---------------------------------------------------------------------------------------------------

    def task_scope(self, engine: Engine, task: Task) -> AbstractContextManager[None]:
        """See `Run.task_scope`. Everything a task schedules is in its event group, so the Web UI shows it together."""
        return workflow.create_event_group(task.id).scope()

    async def guarded(self, owner: str, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """See `Run.guarded`. Effects raise `DeterminismError`."""
        with guarded(owner):
            return await maybe_await(fn(*args, **kwargs))

    async def at_boundary(self, engine: Engine) -> None:
        """See `Run.at_boundary`."""
        if self.cancelling:
            raise asyncio.CancelledError
        await self.apply_edits()
        await self._rest(engine.namespace)
        await self._spend(STEP_WORK + self._size + self._written)

    async def call_inline(self, engine: Engine, task: Task, node: Node) -> Outcome:
        """See `Run.call_inline`."""
        await self._spend(0 if task.sent else self._size + self._written)
        return await super().call_inline(engine, task, node)

    async def _spend(self, work: int) -> None:
        """Account for work in this activation; where it was much, go on in another one."""
        while self._breathing:
            await workflow.wait_condition(lambda: not self._breathing)
        length = workflow.info().get_current_history_length()
        if length != self._spent_at:
            self._spent_at, self._spent = length, 0
        if self._spent and self._spent + work > BREATH_WORK:
            await self._breathe()
        self._spent += work

    async def _breathe(self) -> None:
        self._breathing = True
        try:
            await self._calls.execute(
                BREATHE,
                [],
                what="nothing",
                owner=self.graph.name,
                local=True,
                retry=RetryPolicy(),
                start_to_close_timeout=timedelta(seconds=10),
            )
        finally:
            self._breathing = False
            self._spent = 0

    async def before_operation(self, task: Task) -> None:
        """See `Run.before_operation`."""
        await self._rest(task.id)

    async def _rest(self, place: str) -> None:
        """Continue as new from here if it is time. Where the history is long, wait for other branches to get so far.

        Args:
            place: Task or namespace that can go on from here in another history.
        """
        self._check_history()
        if not self.should_continue_as_new():
            return
        self._resting[place] += 1
        try:
            while self.should_continue_as_new():
                if self.is_at_rest(self._resting):
                    self.continuing = self.parked = True
                    await workflow.wait_condition(lambda: not self.parked)  # it is not, if something went on meanwhile
                elif self._must_wait_for_others():
                    await workflow.wait_condition(
                        lambda: self.is_at_rest(self._resting) or not self.should_continue_as_new()
                    )
                else:
                    return
        finally:
            self._resting[place] -= 1
            self._resting += Counter()  # leaves out what is zero

    def can_go_on_elsewhere(self) -> bool:
        """Whether nothing is under way that a new history would not know of."""
        return self.settled or (self.parked and self.is_at_rest(self._resting))

    def should_continue_as_new(self) -> bool:
        """Whether the history has grown enough, or a new deployment version is there to move to."""
        info = workflow.info()
        if self._children or not self.progressed:
            return False  # without progress it would continue as new for ever
        if self._history_limit is not None:
            wanted = info.get_current_history_length() >= self._history_limit
        else:
            wanted = (
                info.is_continue_as_new_suggested()
                or self.updates >= CONTINUE_AFTER_UPDATES
                or info.is_target_worker_deployment_version_changed()
            )
        return wanted and self._can_carry()

    def _can_carry(self) -> bool:
        """Whether what the run carries over fits into a payload. If not, it may later."""
        length = workflow.info().get_current_history_length()
        if self._payload_limit is None or length == self._fitted_at:
            return True
        if self._too_large_at and length < self._too_large_at + LOOK_AGAIN_EVENTS:
            return False
        fits = wire_size(self.carry()) <= CARRIED_LIMIT
        self._fitted_at, self._too_large_at = (length, 0) if fits else (0, length)
        return fits

    def _must_wait_for_others(self) -> bool:
        """Whether the history is so long that a branch waits until the others can continue as new as well."""
        info = workflow.info()
        long = LONG_HISTORY_EVENTS if self._history_limit is None else 2 * self._history_limit
        return info.get_current_history_length() >= long or info.get_current_history_size() >= LONG_HISTORY_BYTES

    def _check_history(self) -> None:
        """Fail before the server ends the run.

        Raises:
            HistoryTooLongError: The history is nearly as long as the server accepts.
        """
        info = workflow.info()
        events, size = info.get_current_history_length(), info.get_current_history_size()
        if events < HISTORY_EVENTS and size < HISTORY_BYTES:
            return
        why = (
            f"child workflows are running ({', '.join(self._children)})"
            if self._children
            else "what it would carry over is too large for a payload"
            if self._too_large_at
            else "a superstep has too many tasks, or branches of it never come to a point where it could"
        )
        raise HistoryTooLongError(
            f"Graph {self.graph.name}: the history of thread {self.thread_id!r} has {events:,} events and {size:,} bytes, close to what "
            f"Temporal accepts, and the run could not continue as new: {why}. Let long loops run in graphs or child workflows of their "
            "own, and fan out in portions. Replay the thread from its latest checkpoint to go on in a new history.",
            events=events,
            bytes=size,
        )

    @property
    def takes_edits(self) -> bool:
        """See `Run.takes_edits`."""
        return super().takes_edits or self.parked

    def carry(self) -> dict[str, Any]:
        """See `Run.carry`."""
        return {**super().carry(), "keys": self.keys[-KEPT_KEYS:]}

    def restore(self, carried: Mapping[str, Any]) -> EngineState:
        """See `Run.restore`."""
        self.keys = list(carried.get("keys", ()))
        return super().restore(carried)

    # --- activities ----------------------------------------------------------------------------------------------

    async def call(self, engine: Engine, task: Task, node: Node) -> Outcome:
        """See `Run.call`."""
        while True:
            ask = self.carried_ask(task)
            if ask is None:
                output = NodeOutput.from_wire(await self._run_activity(engine, task, [node], node.full_name))
                self._record_custom(engine, task, output)
                if output.ask is None:
                    return _outcome(output)
                ask = Ask.from_wire(output.ask)
            await self._ask_for(engine, task, ask)

    async def call_chain(self, engine: Engine, task: Task, chain: Sequence[Node]) -> list[Outcome]:
        """See `Run.call_chain`."""
        name = "+".join([chain[0].full_name, *(node.name for node in chain[1:])])
        output = NodeOutput.from_wire(await self._run_activity(engine, task, chain, name))
        self._record_custom(engine, task, output)
        if output.ask is not None:
            await self._ask_for(engine, task, Ask.from_wire(output.ask))
            return [await self.call(engine, task, chain[0])]
        outcomes = [_outcome(output), *(_outcome(NodeOutput.from_wire(wire)) for wire in output.later or ())]
        if output.failed is not None:  # its task will be the only one of its superstep
            head = task.id.removesuffix(f"{engine.state.step}/{task.node}/{task.index}")
            number, follower = engine.state.step + len(outcomes), chain[len(outcomes)]
            self._tried[f"{head}{number}/{follower.name}/0"] = output.failed
        return outcomes

    async def _ask_for(self, engine: Engine, task: Task, ask: Ask) -> None:
        """Ask what an activity-side node asks, and note the answer for its next attempt."""
        number = len(task.journal)
        task.journal[number] = await self.ask(engine, task, number, ask)

    async def _run_activity(self, engine: Engine, task: Task, chain: Sequence[Node], name: str) -> dict[str, Any]:
        node, options = chain[0], chain[0].options
        retry = self._retry_of(node, task)
        attempts = f"#{len(task.journal)}" if task.journal else ""
        result: dict[str, Any] = await self._calls.execute(
            name,
            [self._input(engine, task, chain)],
            what="input",
            owner=node.full_name,
            failing=node.full_name,
            local=node.side == "local",
            retry=retry,
            task_queue=options.task_queue,
            heartbeat=to_timedelta(options.heartbeat),
            priority=None if options.priority is None else Priority(priority_key=options.priority),
            activity_id=bounded(f"{task.id}{attempts}"),
            start_to_close_timeout=sum((to_timedelta(item.options.timeout) for item in chain), timedelta()),
            schedule_to_close_timeout=to_timedelta_or_none(options.total_timeout),
            schedule_to_start_timeout=to_timedelta_or_none(options.schedule_to_start),
            summary=options.summary or _summary(engine, task),
        )
        return result

    def _retry_of(self, node: Node, task: Task) -> RetryPolicy:
        """Its retry policy, less the attempt that it had at the end of a fused chain.

        Raises:
            GraphError: That was its last one.
        """
        policy = node.options.retry
        failed = self._tried.pop(task.id, None)
        if failed is None:
            return policy
        if failed["final"] or policy.maximum_attempts == 1:
            cause = ApplicationError(failed["message"], *failed["details"], type=failed["type"])
            raise node_failure(node.full_name, cause, "")
        return replace(policy, maximum_attempts=max(0, policy.maximum_attempts - 1))

    def _input(self, engine: Engine, task: Task, chain: Sequence[Node]) -> dict[str, Any]:
        given = NodeInput(config=None if self._plain_config else cast("dict[str, Any]", self.config))
        if task.sent:
            given.payload = [task.payload]
        else:
            given.state, given.refs = self._references.split(engine.values, _reads(chain), engine.namespace)
        if any(node.wants_store for node in chain):
            given.store = self._other_store(engine)
        if task.journal:
            given.answers = [task.journal[number] for number in sorted(task.journal)]
        return given.to_wire()

    async def call_function(
        self,
        task: Task,
        number: Position,
        name: str,
        fn: Callable[..., Any] | None,
        args: Sequence[Any],
        options: Mapping[str, Any],
    ) -> Any:
        """See `Run.call_function`."""
        heartbeat = options.get("heartbeat", None if fn is None else "30s")
        return await self._calls.execute(
            name,
            list(args),
            what=f"arguments of {name}",
            owner=f"{self.graph.name}.{task.node}",
            retry=options.get("retry") or RetryPolicy(),
            task_queue=options.get("task_queue"),
            heartbeat=to_timedelta_or_none(heartbeat),
            activity_id=bounded(f"{task.id}@{number}"),
            start_to_close_timeout=to_timedelta(options.get("timeout") or "10m"),
            summary=options.get("summary") or task.node,
        )

    async def call_model(
        self, engine: Engine, task: Task, number: Position, request: ModelRequest, task_queue: str | None, summary: str
    ) -> dict[str, Any]:
        """See `Run.call_model`."""
        options = request.model.options
        given = ModelInput(
            model=request.model.to_wire(),
            messages=self.logs.reference(request.messages),
            form=self.logs.form(request.form) if request.form else None,
        )
        message: dict[str, Any] = await self._calls.execute(
            LLM,
            [given.to_wire()],
            what="model call",
            owner=f"{self.graph.name}.{task.node}",
            failing=request.model.name,
            retry=model_retry(options.max_retries),
            task_queue=task_queue or self._model_queues.of(request.model.provider),
            heartbeat=CALL_HEARTBEAT,
            activity_id=bounded(f"{task.id}@{number}"),
            start_to_close_timeout=to_timedelta(options.timeout or "10m"),
            summary=summary,
        )
        return self.answered(engine, task, request.model.name, message)

    async def call_tool(
        self, engine: Engine, task: Task, number: Position, tool: Tool, args: dict[str, Any], call_id: str, summary: str
    ) -> dict[str, Any]:
        """See `Run.call_tool`."""
        if tool.run_as == "workflow":
            return await self._call_tool_here(engine, task, number, tool, args, call_id)
        given = ToolInput(args=args, call_id=call_id)
        if tool.runtime is not None:
            given.graph = engine.graph.name
            given.config = None if self._plain_config else cast("dict[str, Any]", self.config)
            fields = list(engine.graph.schema.fields)
            given.state, given.refs = self._references.split(engine.values, fields, engine.namespace)
            given.store = self._other_store(engine)
        result = await self._calls.execute(
            tool.activity_type,
            [given.to_wire()],
            what="tool call",
            owner=f"{self.graph.name}.{task.node}",
            local=tool.run_as == "local",
            retry=tool.retry,
            task_queue=tool.task_queue,
            heartbeat=CALL_HEARTBEAT,
            activity_id=bounded(f"{task.id}@{number}"),
            start_to_close_timeout=to_timedelta(tool.timeout),
            summary=summary or None,
        )
        for piece in result.get("custom", ()):
            self.record("custom", engine, task=task, data=piece)
        return cast("dict[str, Any]", result["output"])

    async def _call_tool_here(
        self, engine: Engine, task: Task, number: Position, tool: Tool, args: dict[str, Any], call_id: str
    ) -> dict[str, Any]:
        try:
            called = await self.guarded(
                tool.activity_type, self.call_tool_here, engine, task, number, tool, args, call_id
            )
            return cast("dict[str, Any]", called)
        except GraphError:
            raise
        except BaseException as error:
            if must_pass(error):
                raise
            raise node_error(tool.activity_type, error) from error

    def has_store(self, engine: Engine) -> bool:
        """See `Run.has_store`."""
        return self._store_name(engine) is not None

    async def call_store(self, engine: Engine, task: Task, place: str, request: dict[str, Any], summary: str) -> Any:
        """See `Run.call_store`."""
        given = StoreInput(graph=cast("str", self._store_name(engine)), request=request)
        return await self._calls.execute(
            STORE,
            [given.to_wire()],
            what="store operation",
            owner=f"{engine.graph.name}.{task.node}",
            retry=STORE_RETRY,
            heartbeat=CALL_HEARTBEAT,
            activity_id=bounded(f"{task.id}@{place}"),
            start_to_close_timeout=STORE_TIME,
            summary=summary,
        )

    def _store_name(self, engine: Engine) -> str | None:
        """Name of the graph whose store a (sub)graph uses."""
        graph = self.store_graph(engine)
        return self._outer_store if graph is None else graph.name

    def _other_store(self, engine: Engine) -> str | None:
        """The same, unless it is the (sub)graph itself."""
        name = self._store_name(engine)
        return None if name == engine.graph.name else name

    async def ask(self, engine: Engine, task: Task, number: Position, ask: Ask) -> Any:
        """See `Run.ask`."""
        full_name = f"{engine.graph.name}.{task.node}"
        self._calls.check_size("question", full_name, ask.value)
        return await super().ask(engine, task, number, ask)

    def finish(self, status: RunStatus) -> None:
        """See `Run.finish`. The final state becomes the workflow's result."""
        if status == "completed":
            self._measure(self.graph.name)
            self._calls.check_size("result", self.graph.name, self.result())
        super().finish(status)

    def result(self) -> dict[str, Any]:
        """The workflow's result: the final state, and for the parent of a subgraph how it came about."""
        values = self.root.values.wire()
        return (
            {"values": values, "writes": [list(write) for write in self.root.state.writes]}
            if self.keeps_writes
            else values
        )

    def check_state(self, writes: Sequence[Write]) -> None:
        """See `Run.check_state`. Measures only where what was written since may have made a difference."""
        self._written += sum(wire_size(write.update) for write in writes)
        may_be_too_large = self._payload_limit is not None and self._size + self._written > self._payload_limit
        if may_be_too_large or self._written > max(self._size, MEASURE_AGAIN):
            self._measure(", ".join(dict.fromkeys(write.owner for write in writes)))

    def _measure(self, owner: str) -> None:
        """Measure the state, with that of the subgraphs that run.

        Raises:
            StateTooLargeError: It is larger than Temporal takes.
        """
        sizes = {
            f"{engine.graph.name}.{name}": engine.values.encoded(name).size
            for engine in self.engines.values()
            for name in engine.values.data
        }
        self._size, self._written = sum(sizes.values()), 0
        if self._payload_limit is not None and self._size > self._payload_limit:
            largest = sorted(sizes, key=lambda name: -sizes[name])[:3]
            raise StateTooLargeError(
                f"{owner}: with this the state has {self._size:,} bytes of JSON; Temporal takes at most {self._payload_limit:,} "
                f"in one payload. Largest: {', '.join(f'{name} ({sizes[name]:,})' for name in largest)}. Keep large data elsewhere and "
                "references in the state, let a reducer drop what is no longer needed, or configure external storage on the client's "
                "data converter.",
                size=self._size,
                largest={name: sizes[name] for name in largest},
            )

    def _record_custom(self, engine: Engine, task: Task, output: NodeOutput) -> None:
        for piece in output.custom or ():
            self.record("custom", engine, task=task, data=piece)
        for later in output.later or ():
            for piece in later.get("custom") or ():
                self.record("custom", engine, task=task, data=piece)

    # --- child workflows -----------------------------------------------------------------------------------------

    async def call_child(self, engine: Engine, task: Task, node: Subgraph) -> Outcome:
        """See `Run.call_child`."""
        given = node.input_from_payload(task.payload) if task.sent else node.input_wire(engine.values)
        self._calls.check_size("input", node.full_name, given)
        options = RunOptions(
            config={**cast("dict[str, Any]", self.config), "configurable": _without_thread(self.config)},
            child_task=task.id,
            store=None if node.graph.store is not None else self._store_name(engine),
        )
        # A thread's earlier run may have a child of the same task that still winds up.
        place = task.id if self.ordinal == 1 else f"run{self.ordinal}/{task.id}"
        child_id = bounded(f"{workflow.info().workflow_id}/{place}")
        handle = workflow.get_external_workflow_handle(child_id)

        async def answer(item: Interrupt, value: Any) -> None:
            with suppress(ApplicationError):  # the child has ended, and its task tells the rest
                await handle.signal(RESUME, args=[ordered(value), {"interrupt_id": item.id}])

        async def signal(name: str, value: Any) -> None:
            with suppress(ApplicationError):
                await handle.signal(name, ordered(value))

        relay = self._children[task.id] = ChildRelay(self, engine, task, answer, signal)
        try:
            result = await workflow.execute_child_workflow(
                node.graph.name,
                args=[ordered(given), ordered(options.to_wire())],
                id=child_id,
                task_queue=node.options.task_queue,
                parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
                cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
                static_summary=f"{node.graph.name}, for {self.graph.name}.{task.node} of {self.thread_id}",
            )
        except ChildWorkflowError as error:
            if isinstance(error.cause, CancelledError) and (self.cancelling or being_cancelled()):
                raise asyncio.CancelledError from error
            raise node_failure(node.full_name, error.cause, "it did not end in time") from error
        except WorkflowAlreadyStartedError as error:
            raise NodeError(
                f"Node {node.full_name} failed: its thread {child_id!r} is running already, started by somebody else.",
                node=node.full_name,
                cause_type=type(error).__name__,
            ) from None
        finally:
            relay.close()
            del self._children[task.id]
        schema = node.graph.schema
        values = StateValues(schema, schema.decode(result["values"], node.full_name))
        return node.outcome(values, [(name, update) for name, update in result["writes"]])

    def child_waits(self, task_id: str, waits: ChildWaits) -> None:
        """Take over what a child workflow waits for.

        Raises:
            SerializationError: It names no interrupts.
        """
        relay = self._children.get(task_id)
        if relay is None:
            return
        try:
            pending = [(Interrupt.from_wire(wire), tuple(map(int, wire["order"]))) for wire in waits.pending or ()]
        except (ValueError, LookupError, TypeError) as error:
            raise SerializationError(f"What a child waits for cannot be read: {error_line(error)}") from error
        relay.update(settled=waits.settled, pending=pending, signal_waits=dict(waits.signals or ()))

    def waits(self) -> ChildWaits:
        """What this run waits for, for its parent."""
        pending = [{**item.to_wire(), "order": list(order)} for item, order in self.desk.waiting]
        return ChildWaits(
            settled=self.settled, pending=pending or None, signals=list(self.signal_waits.items()) or None
        )


async def tell_parent(task_id: str, waits: ChildWaits) -> None:
    """Signal the parent workflow what this child waits for."""
    parent = workflow.info().parent
    if parent is not None:
        handle = workflow.get_external_workflow_handle(parent.workflow_id, run_id=parent.run_id)
        with suppress(ApplicationError):  # a parent that is gone has nobody to ask
            await handle.signal(CHILD_WAITS, args=[task_id, ordered(waits.to_wire())])


def _outcome(output: NodeOutput) -> Outcome:
    updates = [output.update] if output.update is not None else (output.updates or [])
    return Outcome(list(updates), list(output.goto or []))


def _reads(chain: Sequence[Node]) -> list[str]:
    """State fields a chain needs; a chain merges its own updates, so those of all its nodes."""
    fields = chain[0].schema.fields
    if any(node.reads is None for node in chain):
        return list(fields)
    return [name for name in fields if any(name in (node.reads or ()) for node in chain)]


def _summary(engine: Engine, task: Task) -> str:
    where = f"step {engine.state.step}"
    if task.sent:
        where += f" · {task.index}: {task.payload!s:.40}"
    return where


def _without_thread(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config["configurable"].items() if key != "thread_id"}
