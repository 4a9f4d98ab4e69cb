"""What a run waits for: people and signals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from .answer_types import answer_schema, check_answer
from .control import MISSING
from .editing import EditableEngine
from .engine import Engine
from .errors import AmbiguousResumeError, InterruptNotFoundError, InterruptTimeoutError, NotInterruptedError
from .interrupts import Ask, Interrupt, Order, same_json
from .recording import RecordingRun, is_within
from .records import BreakpointKind, Checkpoint, Position, Task, order_of
from .requests import check_breakpoints

if TYPE_CHECKING:
    from .compiled import CompiledGraph


class AskingRun(RecordingRun):
    """A run that asks people and receives signals, and knows whether all of it waits.

    Args:
        graph: The graph.
        interrupt_before: Static breakpoints in place of the graph's own; ``None`` keeps those.
        interrupt_after: Likewise.
        options: See `RecordingRun`.
    """

    def __init__(
        self,
        graph: CompiledGraph,
        *,
        interrupt_before: Collection[str] | None,
        interrupt_after: Collection[str] | None,
        **options: Any,
    ) -> None:
        super().__init__(graph, **options)
        self.busy = 1
        self.signals: dict[str, list[Any]] = {}
        self.signal_waits: dict[str, str] = {}
        self._leaves: dict[str, _Leaf] = {}
        self._waiting: dict[str, str] = {}
        self._asks: dict[str, Ask] = {}
        self._carried: dict[str, CarriedAsk] = {}
        self._breakpoints: dict[BreakpointKind, Collection[str] | None] = {
            "before": interrupt_before,
            "after": interrupt_after,
        }
        for kind, names in self._breakpoints.items():
            check_breakpoints(graph, names, f"interrupt_{kind}")

    @property
    def own_breakpoints(self) -> dict[str, Collection[str] | None]:
        """Static breakpoints of the run itself, as the options that it was given."""
        return {f"interrupt_{kind}": names for kind, names in self._breakpoints.items()}

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

    def settled_by_child(self, interrupt_id: str, item: Interrupt) -> None:
        """Note what became of a question that a subgraph's own run settled: by its deadline, or on its own thread.

        That counts, whatever was answered here: such an answer came too late.

        Args:
            interrupt_id: The question as it is asked here.
            item: The same, as the child has it.
        """
        known = self.desk.asked[interrupt_id]
        at = item.answered_at or self.now()
        answered_here = known.status == "resumed"
        if item.status == "resumed" and not (answered_here and same_json(known.answer, item.answer)):
            self.desk.settle(interrupt_id, item, at=at)
            data = {"id": interrupt_id, "value": item.answer, "author": item.author}
            late = {"default": True} if item.deadline is not None and at >= item.deadline else {}
            self.record("resumed", self.engines.get(""), node=known.node, data={**data, **late})
        elif item.status == "rejected" and (item.answered_at is not None or answered_here):
            self.desk.settle(interrupt_id, item, at=item.answered_at)
            data = {"id": interrupt_id, "reason": str(item.answer), "author": item.author}
            self.record("rejected", self.engines.get(""), data=data)

    async def ask_breakpoint(self, engine: Engine, kind: BreakpointKind, node: str) -> None:
        """Wait at a static breakpoint until somebody resumes."""
        key = f"{engine.namespace}/{engine.state.step}/{kind}"
        interrupt = self._new_interrupt(engine, key, node, kind, Ask(None))
        await self._wait_for_answer(engine, interrupt, (*engine.order, -1), Ask(None))

    def carried_ask(self, task: Task, number: Position) -> Ask | None:
        """What a task was asking when its run was carried over; what asked need not run again to ask the same.

        Args:
            task: The task.
            number: Position of the question within the task.
        """
        carried = self._carried.get(f"{task.id}#{number}")
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
            tool=ask.tool,
            tool_call_id=ask.tool_call_id,
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

    def withdraw(self, engine: EditableEngine) -> None:
        """Take back everything that is asked in a (sub)graph: it goes on elsewhere."""
        for item in self.desk.pending:
            if is_within(item.namespace, engine.namespace):
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

    def check_answer_at(self, checkpoint: Checkpoint, value: Any, *, by_id: bool = False) -> None:
        """Refuse an answer that a run which starts at a checkpoint will not take, as far as what was asked there tells.

        Args:
            checkpoint: The checkpoint.
            value: The answer.
            by_id: Whether it answers by id.

        Raises:
            NotInterruptedError: Nothing runs after the checkpoint.
            InterruptNotFoundError: The new run asks under ids of its own.
            AmbiguousResumeError: Several tasks asked there.
            InvalidAnswerError: It does not fit the question that was asked there.
        """
        state = self.start_at(checkpoint) or checkpoint.root
        where = f"at checkpoint {checkpoint.id!r} of thread {self.thread_id!r}"
        if not state.tasks and state.pause is None:
            raise NotInterruptedError(f"Nothing runs {where}, so there is nothing to answer.")
        if by_id:
            raise InterruptNotFoundError(
                f"A run that starts {where} asks under new ids. Start it, with replay, and then answer by its ids."
            )
        asked = [item for task in state.tasks if (item := self._first_open_question(task)) is not None]
        if len(asked) > 1:
            raise AmbiguousResumeError(
                f"A run that starts {where} asks {len(asked)} questions. Start it, with replay, and then answer by id."
            )
        for item in asked:
            if item.answer_type is not None:
                check_answer(item.answer_type, value, item.id, item.value, self.tools_of(item))

    def _first_open_question(self, task: Task) -> Interrupt | None:
        """What a task that has not finished asked first of what its journal has no answer to."""
        answered = {f"{task.id}#{position}" for position in task.journal}
        asked = (item for item in self.desk.asked.values() if item.key.startswith(f"{task.id}#"))
        return next((item for item in asked if task.outcome is None and item.key not in answered), None)

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


@dataclass(frozen=True, slots=True)
class CarriedAsk:
    """A question of before the run was carried over to another history."""

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
