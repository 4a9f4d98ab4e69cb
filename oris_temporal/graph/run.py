"""One run of a graph: its engines, interrupts, checkpoints and events.

`Run` holds what both hosts share. A host subclasses it and says how a node, a timer or a subgraph with a workflow of its own
is really executed.
"""

from __future__ import annotations

import asyncio
import itertools
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from oris_temporal.models.usage import Usage
from oris_temporal.store.base import Store
from oris_temporal.store.remote import RemoteStore
from oris_temporal.tools.runtime import Runtime

from .answer_types import answer_schema
from .config import RunnableConfig
from .control import MISSING, Command
from .engine import Engine, maybe_await
from .errors import (
    GraphError,
    InterruptTimeoutError,
    NodeError,
    NodeNotFoundError,
    NotInterruptedError,
    error_line,
)
from .interrupts import Ask, Interrupt, InterruptDesk, Order, asking_through
from .limits import Limits
from .node import Node
from .node_context import NodeContext
from .records import (
    BreakpointKind,
    Checkpoint,
    CheckpointSource,
    EngineState,
    Event,
    EventKind,
    GraphCall,
    Outcome,
    Position,
    RunStatus,
    Task,
    order_of,
)
from .results import StateSnapshot
from .run_log import RunLog
from .snapshot import engine_state_from_wire, engine_state_to_wire
from .state import Write
from .tasks import must_pass
from .wire import to_wire

if TYPE_CHECKING:
    from oris_temporal.models import ModelRequest
    from oris_temporal.tools import Tool

    from .compiled import CompiledGraph
    from .subgraph import Subgraph


@dataclass(frozen=True, slots=True)
class Edit:
    """A change to the state a run starts from.

    Attributes:
        update: JSON update, merged by the reducers.
        as_node: Recompute what runs next as if this node had written it.
        goto: Destinations that replace what runs next.
        hold: Stop before going on, until somebody resumes.
    """

    update: dict[str, Any]
    as_node: str | None = None
    goto: Sequence[Any] = ()
    hold: bool = False


class Run(ABC):
    """One execution of a graph on a thread.

    Args:
        graph: The graph.
        thread_id: The thread.
        ordinal: Number of this run within the thread, from 1.
        config: The run's configuration.
        interrupts_before: Interrupts the thread asked in earlier runs.
        interrupt_before: Static breakpoints in place of the graph's own; ``None`` keeps those.
        interrupt_after: Likewise.
        keep: Checkpoints and events kept for queries; older ones are dropped.
    """

    def __init__(
        self,
        graph: CompiledGraph,
        *,
        thread_id: str,
        ordinal: int = 1,
        config: RunnableConfig | None = None,
        interrupts_before: int = 0,
        interrupt_before: Collection[str] | None = None,
        interrupt_after: Collection[str] | None = None,
        keep: int = 10_000,
    ) -> None:
        self.graph = graph
        self.thread_id = thread_id
        self.ordinal = ordinal
        self.config: RunnableConfig = config or {"configurable": {}}
        self.config["configurable"]["thread_id"] = thread_id
        self.desk = InterruptDesk(thread_id, interrupts_before)
        self.status: RunStatus = "running"
        self.error: GraphError | None = None
        self.engines: dict[str, Engine] = {}
        self.log = RunLog(thread_id, keep)
        self.signals: dict[str, list[Any]] = {}
        self.signal_waits: dict[str, str] = {}
        self.busy = 1
        self.progressed = False
        self.keeps_writes = False
        self.resumed_tasks: set[str] = set()
        self._leaves: dict[str, _Leaf] = {}
        self._waiting: dict[str, str] = {}
        self.parent_checkpoint: str | None = None
        self.usage: dict[str, Usage] = {}
        self.began: datetime | None = None
        graph.context_of(self.config)  # for its errors
        given = self.config.get("limits")
        limits = graph.limits if given is None else Limits.read(given, "Run configuration")
        self.limits = None if limits == Limits() else limits
        self._breakpoints: dict[BreakpointKind, Collection[str] | None] = {
            "before": interrupt_before,
            "after": interrupt_after,
        }
        for kind, names in self._breakpoints.items():
            if unknown := [name for name in names or () if name not in graph.nodes]:
                raise NodeNotFoundError(
                    f"interrupt_{kind} names {unknown[0]!r}, which is no node of graph {graph.name} "
                    f"(it has {', '.join(graph.nodes)}).",
                    node=unknown[0],
                )
        self._asks: dict[str, Ask] = {}
        self._carried: dict[str, _Carried] = {}
        self._edits: list[Callable[[], Awaitable[None]]] = []

    # --- what a host provides ------------------------------------------------------------------------------------

    @property
    def repeats(self) -> bool:
        """Whether code runs only to get back to where it was, so that it has been logged before."""
        return False

    @abstractmethod
    def now(self) -> datetime:
        """The present time, aware, in UTC."""

    @abstractmethod
    async def call(self, engine: Engine, task: Task, node: Node) -> Outcome:
        """Run an activity-side node to its end, asking its interrupts on the way."""

    @abstractmethod
    async def call_chain(self, engine: Engine, task: Task, chain: Sequence[Node]) -> list[Outcome]:
        """Run a fused chain; returns the outcomes of the nodes that ran, at least the first."""

    @abstractmethod
    async def call_child(self, engine: Engine, task: Task, node: Subgraph) -> Outcome:
        """Run a subgraph in a workflow of its own."""

    @abstractmethod
    async def call_function(
        self,
        task: Task,
        number: Position,
        name: str,
        fn: Callable[..., Any] | None,
        args: Sequence[Any],
        options: Mapping[str, Any],
    ) -> Any:
        """Run a function as an activity for a `Context`; returns its JSON result."""

    @abstractmethod
    async def call_model(
        self, engine: Engine, task: Task, number: Position, request: ModelRequest, task_queue: str | None, summary: str
    ) -> dict[str, Any]:
        """Call a model for a `Context`; returns its answer, a message as JSON data."""

    @abstractmethod
    async def call_tool(
        self, engine: Engine, task: Task, number: Position, tool: Tool, args: dict[str, Any], call_id: str, summary: str
    ) -> dict[str, Any]:
        """Call a tool for a `Context`; returns its output as JSON data."""

    @abstractmethod
    def has_store(self, engine: Engine) -> bool:
        """Whether there is a store for a (sub)graph."""

    @abstractmethod
    async def call_store(self, engine: Engine, task: Task, place: str, request: dict[str, Any], summary: str) -> Any:
        """Carry out what a `RemoteStore` asks; returns the JSON answer.

        Args:
            engine: Engine of the (sub)graph whose store it is.
            task: Task that asks.
            place: Names the operation within the task.
            request: What is asked.
            summary: The same for people.
        """

    @abstractmethod
    async def sleep(self, duration: timedelta, summary: str) -> None:
        """Wait."""

    @abstractmethod
    async def wait_until(self, condition: Callable[[], bool], timeout: timedelta | None, summary: str) -> bool:
        """Wait until a condition holds; False if the time ran out first."""

    @abstractmethod
    async def at_boundary(self, engine: Engine) -> None:
        """Called between supersteps: the place for edits and for continuing as new."""

    @abstractmethod
    async def before_operation(self, task: Task) -> None:
        """Called before a workflow-side node does something new: its journal has all it did, so it may continue as new here."""

    @abstractmethod
    def changed(self) -> None:
        """Called when something happened or `settled` may have changed, for hosts that wait for it."""

    @abstractmethod
    def check_state(self, writes: Sequence[Write]) -> None:
        """Called when updates were merged, before the state is replaced: the place to refuse one that the host cannot keep."""

    def task_scope(self, engine: Engine, task: Task) -> AbstractContextManager[None]:
        """Entered while a task runs, so that a host can mark what belongs to it."""
        return nullcontext()

    async def guarded(self, owner: str, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run user code on the workflow side (a router, a workflow-side node)."""
        return await maybe_await(fn(*args, **kwargs))

    def store_graph(self, engine: Engine) -> CompiledGraph | None:
        """The graph whose store a (sub)graph of this run uses: itself, or the nearest around it that has one."""
        namespace = engine.namespace
        while True:
            graph = self.engines[namespace].graph
            if graph.store is not None:
                return graph
            if not namespace:
                return None
            namespace = namespace.rpartition("|")[0]

    # --- running -------------------------------------------------------------------------------------------------

    @property
    def root(self) -> Engine:
        """Engine of the graph itself."""
        return self.engines[""]

    @property
    def restoring(self) -> bool:
        """Whether questions of before the run was carried over are still to be asked again."""
        return bool(self._carried) and not self.settled

    @property
    def settled(self) -> bool:
        """Whether nothing more happens until somebody acts: the run ended, or all of it waits for people."""
        return self.status not in ("running", "interrupted") or (self.busy == 0 and bool(self.desk.pending))

    @property
    def recursion_limit(self) -> int | None:
        """Limit given for this run."""
        return self.config.get("recursion_limit")

    def check_limits(self) -> None:
        """Refuse to go on where the run has used up its budget.

        Raises:
            BudgetExceededError: It has.
        """
        if self.limits is not None and self.began is not None:
            used = sum(self.usage.values(), Usage())
            self.limits.check(self.graph.name, used, self.began, self.now())

    async def execute(
        self, input_wire: dict[str, Any] | None, seed: EngineState | None = None, edit: Edit | None = None
    ) -> None:
        """Run to the end and set `status`; failures are raised.

        Args:
            input_wire: The input; ``None`` continues from `seed`.
            seed: State to start from.
            edit: Change to make to `seed` first.
        """
        engine = Engine(self.graph, self, seed or EngineState(values=self.graph.schema.initial()))
        self.engines[""] = engine
        self.began = self.began or self.now()
        try:
            if not self.log.sequence:  # else it is carried over
                self.record("run_started", engine, data=input_wire)
            if input_wire is not None:
                await engine.begin(input_wire)
            elif self.parent_checkpoint is not None:
                engine.restart()
            if edit is not None:
                await engine.edit(edit.update, as_node=edit.as_node, goto=edit.goto, hold=edit.hold)
            await engine.step_until_done()
            self.finish("completed")
        except GraphError as error:
            self.fail(error)
            raise

    def finish(self, status: RunStatus) -> None:
        """Set the final status."""
        self.status = status
        kind: EventKind = "run_completed" if status == "completed" else "run_cancelled"
        self.record(kind, self.engines.get(""))
        self.changed()

    def fail(self, error: GraphError) -> None:
        """End the run in failure."""
        self.status = "failed"
        self.error = error
        self.record(
            "run_failed",
            self.engines.get(""),
            data={"code": error.code, "message": error.message, "details": error.details},
        )
        self.changed()

    async def call_inline(self, engine: Engine, task: Task, node: Node) -> Outcome:
        """Run a workflow-side node."""
        context = NodeContext(self, engine, task, node.name)
        state = node.payload_for(task.payload) if task.sent else node.state_for(engine.values.data)
        extras: dict[str, Any] = {"config": self.config, "writer": context.write, "ctx": context}
        if node.wants_store:
            extras["store"] = context.store
        args, kwargs = node.arguments(state, extras)
        try:
            with asking_through(context):
                returned = await self.guarded(node.full_name, node.fn, *args, **kwargs)
        except GeneratorExit:
            raise
        except BaseException as error:
            await context.close()
            if isinstance(error, GraphError) or must_pass(error):
                raise
            raise node_error(node.full_name, error) from error
        await context.close()
        return node.outcome(returned)

    def answered(self, engine: Engine, task: Task, model: str, message: dict[str, Any]) -> dict[str, Any]:
        """Account for a model's answer, and show it."""
        used = Usage.from_wire(message.get("extra", {}).get("usage"))
        self.usage[model] = self.usage.get(model, Usage()) + used
        self.record("message", engine, task=task, data=message)
        return message

    async def call_tool_here(
        self, engine: Engine, task: Task, number: Position, tool: Tool, args: dict[str, Any], call_id: str
    ) -> dict[str, Any]:
        """Call a tool in this process; returns its output as JSON data."""

        def write(data: Any) -> None:
            self.record("custom", engine, task=task, data=to_wire(data, f"custom stream data of tool {tool.name}"))

        runtime = Runtime(
            state=engine.graph.schema.view(engine.values.data),
            config=self.config,
            tool_call_id=call_id,
            thread_id=self.thread_id,
            write=write,
            store=self.tool_store(engine, task, number),
            context=engine.graph.context_of(self.config),
        )
        return (await tool.call(args, runtime)).to_wire()

    def tool_store(self, engine: Engine, task: Task, number: Position) -> Store | None:
        """The store for a tool that is called in this process, if there is one."""
        if not self.has_store(engine):
            return None
        places = (f"{number}/{operation}" for operation in itertools.count())
        return RemoteStore(lambda request, summary: self.call_store(engine, task, next(places), request, summary))

    # --- interrupts ----------------------------------------------------------------------------------------------

    @property
    def has_breakpoints(self) -> bool:
        """Whether the run has static breakpoints of its own."""
        return any(self._breakpoints.values())

    def breakpoints(self, graph: CompiledGraph, kind: BreakpointKind) -> Collection[str]:
        """Static breakpoints of a graph in this run."""
        given = self._breakpoints[kind]
        if given is not None and graph is self.graph:
            return given
        return graph.interrupt_before if kind == "before" else graph.interrupt_after

    async def ask(self, engine: Engine, task: Task, number: Position, ask: Ask) -> Any:
        """Ask a person for a node and wait for the answer's JSON value.

        Args:
            engine: Engine the node runs in.
            task: The task.
            number: Position of the call within the task.
            ask: What it asks.

        Raises:
            InterruptTimeoutError: The deadline passed without an answer and there is no default.
        """
        interrupt = self._new_interrupt(engine, f"{task.id}#{number}", task.node, "interrupt", ask)
        return await self._wait_for_answer(engine, interrupt, (*engine.order, task.index, *order_of(number)), ask)

    def ask_for_child(
        self, engine: Engine, task: Task, item: Interrupt, order: Order
    ) -> tuple[str, asyncio.Future[Any]]:
        """Ask what a subgraph with a run of its own asks. Deadline, default and escalation are the child's business.

        Returns:
            Id of the interrupt, to `stop_asking`, and what gets the answer's JSON value.
        """
        key = f"{task.id}#{item.id}"
        namespace = engine.child_namespace(task) + (f"|{item.namespace}" if item.namespace else "")
        carried = self._carried.pop(key, None)
        interrupt = (
            carried.interrupt if carried else replace(item, id=self.desk.next_id(), thread_id=self.thread_id, key=key)
        )
        interrupt.namespace = namespace
        return interrupt.id, self._begin_asking(engine, interrupt, (*engine.order, task.index, *order), Ask(None))

    async def ask_breakpoint(self, engine: Engine, kind: BreakpointKind, node: str) -> None:
        """Wait at a static breakpoint until somebody resumes."""
        key = f"{engine.namespace}/{engine.state.step}/{kind}"
        interrupt = self._new_interrupt(engine, key, node, kind, Ask(None))
        await self._wait_for_answer(engine, interrupt, (*engine.order, -1), Ask(None))

    def carried_ask(self, task: Task) -> Ask | None:
        """What a task was asking when its run was carried over; it need not run again to ask the same."""
        carried = self._carried.get(f"{task.id}#{len(task.journal)}")
        return None if carried is None else carried.ask

    def _new_interrupt(self, engine: Engine, key: str, node: str, kind: Any, ask: Ask) -> Interrupt:
        carried = self._carried.pop(key, None)
        if carried is not None:
            return carried.interrupt
        now = self.now()
        return Interrupt(
            id=self.desk.next_id(),
            thread_id=self.thread_id,
            node=node,
            value=ask.value,
            created_at=now,
            namespace=engine.namespace,
            kind=kind,
            deadline=None if ask.timeout is None else now + timedelta(seconds=ask.timeout),
            answer_type=ask.answer_type,
            answer_schema=None if ask.answer_type is None else answer_schema(ask.answer_type),
            key=key,
        )

    async def _wait_for_answer(self, engine: Engine, interrupt: Interrupt, order: Order, ask: Ask) -> Any:
        future = self._begin_asking(engine, interrupt, order, ask)
        try:
            if ask.escalate_after is not None and not interrupt.escalated:
                await self._escalate(
                    engine, interrupt, future, interrupt.created_at + timedelta(seconds=ask.escalate_after)
                )
            until = None if ask.timeout is None else interrupt.deadline
            answered = await self._await_answer(future, until, f"{interrupt.id} waits for an answer")
            if not answered and ask.default is not MISSING:
                self.desk.answer({interrupt.id: ask.default}, author=None, at=self.now())
        finally:
            self.stop_asking(interrupt.id)
        if answered:
            return future.result()
        if ask.default is MISSING:
            raise InterruptTimeoutError(
                f"{self.graph.name}.{interrupt.node}: nobody answered interrupt {interrupt.id!r} in time and it has no default.",
                interrupt_id=interrupt.id,
            )
        self.record(
            "resumed",
            engine,
            node=interrupt.node,
            data={"id": interrupt.id, "value": ask.default, "author": None, "default": True},
        )
        self.changed()
        return ask.default

    def _begin_asking(self, engine: Engine, interrupt: Interrupt, order: Order, ask: Ask) -> asyncio.Future[Any]:
        asked_before = interrupt.id in self.desk.asked  # and carried over since
        future = self.desk.open(interrupt, order)
        if not asked_before:
            data = {"id": interrupt.id, "value": interrupt.value, "kind": interrupt.kind}
            self.record("interrupt", engine, node=interrupt.node, data=data)
        self._asks[interrupt.id] = ask
        self._waiting[interrupt.id] = leaf = interrupt.key.partition("#")[0]
        self.occupy(leaf, waits=1)
        return future

    def stop_asking(self, interrupt_id: str) -> None:
        """Wait for an answer no longer."""
        self._stop_waiting(interrupt_id)
        self.desk.withdraw(interrupt_id)
        self._asks.pop(interrupt_id, None)

    def withdraw(self, engine: Engine) -> None:
        """Take back everything that is asked in a (sub)graph: it goes on elsewhere."""
        for item in self.desk.pending:
            if (
                item.namespace == engine.namespace
                or not engine.namespace
                or item.namespace.startswith(f"{engine.namespace}|")
            ):
                self._stop_waiting(item.id)
                self.desk.withdraw(item.id)

    def is_at_rest(self, parked: Collection[str]) -> bool:
        """Whether all that is busy could go on from another history: it is parked, or waits for a time or a signal.

        Args:
            parked: Tasks, and namespaces of (sub)graphs, that wait to continue as new.
        """
        resting = {*parked, *(leaf for leaf, entry in self._leaves.items() if entry.rests)}
        entries = [self._leaves.get(leaf) or _Leaf() for leaf in resting]
        return self.busy == sum(entry.busy for entry in entries if entry.works == entry.rests)

    def _stop_waiting(self, interrupt_id: str) -> None:
        if (leaf := self._waiting.pop(interrupt_id, None)) is not None:
            self.occupy(leaf, waits=-1)

    @asynccontextmanager
    async def operating(self, task: Task, *, rests: bool = False) -> AsyncIterator[None]:
        """Mark a task as working, even if it also waits for a person.

        Args:
            task: The task.
            rests: Whether it only waits for a time or a signal, which another history can go on waiting for.
        """
        self.occupy(task.id, works=1, rests=int(rests))
        try:
            yield
        finally:
            self.occupy(task.id, works=-1, rests=-int(rests))

    @asynccontextmanager
    async def handing_over(self, task: Task) -> AsyncIterator[None]:
        """Let a graph that a task calls keep the run busy in its place."""
        self.busy += 1  # the called graph's own unit
        self.occupy(task.id, waits=1)
        try:
            yield
        finally:
            self.occupy(task.id, waits=-1)
            self.busy -= 1

    def occupy(self, leaf: str, *, waits: int = 0, works: int = 0, rests: int = 0) -> None:
        """Count what a task does at once. It keeps the run busy unless all it does is wait for people."""
        entry = self._leaves.setdefault(leaf, _Leaf())
        before = entry.busy
        entry.waits += waits
        entry.works += works
        entry.rests += rests
        self.busy += entry.busy - before
        if not entry.waits and not entry.works:
            del self._leaves[leaf]
        self.changed()

    async def _escalate(self, engine: Engine, interrupt: Interrupt, future: asyncio.Future[Any], at: datetime) -> None:
        if interrupt.deadline is not None and interrupt.deadline <= at:
            return
        if not await self._await_answer(future, at, f"{interrupt.id} escalates"):
            interrupt.escalated = True
            self.record("escalated", engine, node=interrupt.node, data={"id": interrupt.id})
            self.changed()

    async def _await_answer(self, future: asyncio.Future[Any], until: datetime | None, summary: str) -> bool:
        if until is None:
            await future
            return True
        left = until - self.now()
        return await self.wait_until(future.done, max(left, timedelta(0)), summary)

    def resume(
        self, value: Any, *, by_id: bool = False, interrupt_id: str | None = None, author: str | None = None
    ) -> list[str]:
        """Accept an answer. See `InterruptDesk.plan` for the errors.

        Returns:
            Ids of the interrupts it newly answers; none if it repeats recorded answers.
        """
        answers = self.desk.plan(value, by_id=by_id, interrupt_id=interrupt_id)
        pending = {item.id: item for item in self.desk.pending}
        self.desk.answer(answers, author=author, at=self.now())
        for id, answer in answers.items():
            self.progressed = True
            self._stop_waiting(id)
            engine = self.engines.get(pending[id].namespace) or self.engines.get("")
            self.record("resumed", engine, node=pending[id].node, data={"id": id, "value": answer, "author": author})
        return list(answers)

    def go_on(self, interrupt_id: str | None = None, *, author: str | None = None) -> None:
        """Let go of the static breakpoints that the run waits at, or of one. For the errors see `InterruptDesk.breakpoints`."""
        for id in self.desk.breakpoints(interrupt_id):
            self.resume(None, interrupt_id=id, author=author)

    def reject(self, interrupt_id: str | None, *, reason: str, author: str | None = None) -> str:
        """Refuse to answer an interrupt; the host then cancels the run. See `InterruptDesk.reject` for the errors."""
        id = self.desk.reject(interrupt_id, reason, author=author, at=self.now())
        self.record("rejected", self.engines.get(""), data={"id": id, "reason": reason, "author": author})
        return id

    def receive_signal(self, name: str, value: Any) -> None:
        """Keep a signal for the node that waits, or will wait, for it."""
        self.progressed = True
        self.signals.setdefault(name, []).append(value)
        self.changed()

    async def take_signal(self, wait_id: str, name: str, timeout: timedelta | None, summary: str) -> tuple[bool, Any]:
        """Wait for a signal; returns whether it came, and its value.

        Args:
            wait_id: Names the wait, so that the run that a subgraph belongs to can wait for it.
            name: Name of the signal.
            timeout: Longest wait.
            summary: What waits.
        """
        inbox = self.signals.setdefault(name, [])
        self.signal_waits[wait_id] = name
        self.changed()

        def is_next() -> bool:
            return bool(inbox) and wait_id == next(id for id, wanted in self.signal_waits.items() if wanted == name)

        try:
            came = await self.wait_until(is_next, timeout, summary)
            return came, inbox.pop(0) if came else None
        finally:
            del self.signal_waits[wait_id]
            self.changed()

    def next_nodes(self) -> list[str]:
        """Nodes that run next, or are running."""
        engine = self.engines.get("")
        return [task.node for task in engine.state.tasks if task.outcome is None] if engine else []

    def check_command(self) -> None:
        """Raise if the run is not waiting, so that no `Command` can be applied."""
        if not self.settled or self.status not in ("running", "interrupted"):
            raise NotInterruptedError(
                f"Thread {self.thread_id!r} is not waiting, so Command(update=..., goto=...) cannot be applied."
            )

    async def apply_command(self, command: Command) -> None:
        """Apply the ``update`` and ``goto`` of a command given from outside, while the run waits.

        Where the command answers as well, its destinations come after what waits; else they take its place.

        Raises:
            NotInterruptedError: The run is not waiting.
        """
        self.check_command()
        update = self.graph.schema.update_wire(command.update, "Command(update=...)")
        await self.root.edit(update, goto=command.destinations, answers=command.resume is not MISSING)

    # --- edits from outside --------------------------------------------------------------------------------------

    @property
    def takes_edits(self) -> bool:
        """Whether the state may be edited at once, for no superstep is at work."""
        return self.settled

    async def edit_at_boundary(self, edit: Callable[[], Awaitable[Any]]) -> Any:
        """Apply a change of the state now, if the run waits, else at the next superstep boundary.

        Raises:
            NotInterruptedError: The run ended before.
        """
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        async def apply() -> None:
            try:
                done.set_result(await edit())
            except GraphError as error:
                done.set_exception(error)

        self._edits.append(apply)
        await self.wait_until(lambda: done.done() or self.takes_edits, None, "an edit waits")
        if not done.done():
            self._edits.remove(apply)
            if self.status not in ("running", "interrupted"):
                raise NotInterruptedError(
                    f"The run of thread {self.thread_id!r} ended before its state could be edited. Use fork(..., update=...)."
                )
            await apply()
        return done.result()

    async def apply_edits(self) -> None:
        """Apply the edits that wait for a boundary."""
        while self._edits:
            await self._edits.pop(0)()

    # --- records -------------------------------------------------------------------------------------------------

    def record(
        self,
        kind: EventKind,
        engine: Engine | None,
        *,
        task: Task | None = None,
        node: str | None = None,
        data: Any = None,
    ) -> None:
        """Append an event."""
        event = Event(
            seq=self.log.sequence + 1,
            at=self.now(),
            kind=kind,
            namespace=engine.namespace if engine else "",
            node=task.node if task else node,
            task_id=task.id if task else None,
            step=engine.state.step if engine else None,
            data=data,
        )
        self.log.append(event)
        self.changed()

    def checkpoint(self, engine: Engine, source: CheckpointSource, writes: list[tuple[str, dict[str, Any]]]) -> None:
        """Record the state of an engine as a checkpoint."""
        self.progressed = True
        parent = engine.state.checkpoint_id or self.parent_checkpoint
        engine.state.checkpoint_id = f"{self.ordinal:04d}-{engine.state.step:06d}"
        next_nodes = [task.node for task in engine.state.tasks]
        made = Checkpoint(
            id=engine.state.checkpoint_id,
            namespace=engine.namespace,
            parent_id=parent,
            source=source,
            step=engine.state.step,
            schema=engine.graph.schema,
            values=engine.values.data,
            next=next_nodes,
            writes=writes,
            created_at=self.now(),
            root=freeze(self.engines[""].state if self.engines else engine.state),
        )
        self.log.add(made)
        self.record("checkpoint", engine, data={"id": engine.state.checkpoint_id, "source": source, "next": next_nodes})

    def snapshot(self, checkpoint: Checkpoint, *, pending: bool) -> StateSnapshot:
        """A checkpoint as callers see it.

        Args:
            checkpoint: The checkpoint.
            pending: Whether the run still waits there, so that its pending interrupts belong to it.
        """
        place = {"thread_id": self.thread_id, "checkpoint_ns": checkpoint.namespace}
        return StateSnapshot(
            values=checkpoint.encoded(),
            next=list(checkpoint.next),
            config={**place, "checkpoint_id": checkpoint.id},
            metadata={
                "step": checkpoint.step,
                "source": checkpoint.source,
                "run": self.ordinal,
                "writes": [list(write) for write in checkpoint.writes],
            },
            created_at=checkpoint.created_at,
            parent_config=None if checkpoint.parent_id is None else {**place, "checkpoint_id": checkpoint.parent_id},
            interrupts=self.desk.pending if pending else [],
        )

    def seed_of(self, checkpoint: Checkpoint) -> dict[str, Any]:
        """JSON state from which a run can start at a checkpoint.

        For the latest checkpoint that is the present state, so finished tasks of an unfinished superstep keep their writes.
        """
        live = self.engines.get("")
        latest = (
            live is not None
            and checkpoint.root.step == live.state.step
            and checkpoint is self.log.latest(checkpoint.namespace)
        )
        return engine_state_to_wire(self.graph, cast("Engine", live).state if latest else checkpoint.root)

    # --- carrying a run over -------------------------------------------------------------------------------------

    def carry(self) -> dict[str, Any]:
        """Everything, as JSON data, that a continuation of this run needs."""
        return {
            "ordinal": self.ordinal,
            "interrupts": self.desk.count,
            "sequence": self.log.sequence,
            "root": engine_state_to_wire(self.graph, self.root.state),
            "pending": {
                item.key: {"interrupt": item.to_wire(), "ask": self._asks[item.id].to_wire()}
                for item in self.desk.pending
            },
            "asked": {item.id: item.to_wire() for item in self.desk.asked.values()},
            "signals": self.signals,
            "began": None if self.began is None else self.began.isoformat(),
            "usage": {model: used.to_wire() for model, used in self.usage.items()},
            "started": [task.id for engine in self.engines.values() for task in engine.running_tasks],
        }

    def restore(self, carried: Mapping[str, Any]) -> EngineState:
        """Take over what `carry` wrote; returns the state to `execute` from."""
        self.ordinal = carried["ordinal"]
        self.desk.count = carried["interrupts"]
        self.log.sequence = carried["sequence"]
        self.desk.asked = {id: Interrupt.from_wire(wire) for id, wire in carried["asked"].items()}
        for name, values in carried["signals"].items():
            self.signals[name] = [*values, *self.signals.get(name, [])]  # some may have come already
        self.began = datetime.fromisoformat(carried["began"]) if carried["began"] else None
        self.usage = {model: Usage.from_wire(wire) for model, wire in carried["usage"].items()}
        self._carried = {
            key: _Carried(replace(Interrupt.from_wire(wire["interrupt"]), key=key), Ask.from_wire(wire["ask"]))
            for key, wire in carried["pending"].items()
        }
        self.resumed_tasks = {*carried.get("started", ()), *(key.partition("#")[0] for key in self._carried)}
        return engine_state_from_wire(self.graph, carried["root"])


@dataclass(frozen=True, slots=True)
class _Carried:
    interrupt: Interrupt
    ask: Ask


@dataclass(slots=True)
class _Leaf:
    waits: int = 0
    works: int = 0
    rests: int = 0

    @property
    def busy(self) -> int:
        return 0 if self.waits and not self.works else 1


def node_error(full_name: str, error: BaseException) -> NodeError:
    """The error a run ends with when a node raised `error`."""
    return NodeError(f"Node {full_name} failed: {error_line(error)}", node=full_name, cause_type=type(error).__name__)


def freeze(state: EngineState) -> EngineState:
    """A copy of an engine's state that later steps do not change. Values and updates are shared: nobody changes them."""
    return EngineState(
        values=state.values,
        tasks=[_freeze_task(task) for task in state.tasks],
        step=state.step,
        supersteps=state.supersteps,
        joins={key: list(seen) for key, seen in state.joins.items()},
        pause=state.pause,
        then=state.then,
        halted=state.halted,
        checkpoint_id=state.checkpoint_id,
        writes=list(state.writes),
    )


def _freeze_task(task: Task) -> Task:
    return Task(
        id=task.id,
        node=task.node,
        index=task.index,
        sent=task.sent,
        payload=task.payload,
        journal=dict(task.journal),
        outcome=task.outcome,
        child=None if task.child is None else freeze(task.child),
        calls={number: GraphCall(call.graph, freeze(call.state)) for number, call in task.calls.items()},
    )
