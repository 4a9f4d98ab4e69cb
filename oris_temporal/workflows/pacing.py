"""When a run continues as new, what it may keep in memory, and how much it does at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from temporalio import workflow

from oris_temporal.graph.engine import Engine, maybe_await
from oris_temporal.graph.errors import HistoryTooLongError, StateTooLargeError
from oris_temporal.graph.node import Node
from oris_temporal.graph.options import RetryPolicy
from oris_temporal.graph.records import Outcome, Task
from oris_temporal.graph.relay import ChildRelay
from oris_temporal.graph.run import Run
from oris_temporal.graph.state import Write
from oris_temporal.graph.wire import wire_size

from .activity_calls import ActivityCalls
from .guard import guarded
from .present import Present
from .protocol import BREATHE, CARRIED_LIMIT, RunOptions

if TYPE_CHECKING:
    from oris_temporal.graph.compiled import CompiledGraph

LONG_HISTORY_EVENTS = 20_000
"""Events after which branches wait for each other to continue as new together."""

LONG_HISTORY_BYTES = 20_000_000
"""Likewise, bytes."""

HISTORY_EVENTS = 47_000
"""Events after which a run fails; the server ends it at 51,200 (docs: ``limit.historyCount.error``)."""

HISTORY_BYTES = 47_000_000
"""Likewise, bytes; the server ends it at 50 MB (``limit.historySize.error``)."""

BREATH_WORK = 500_000
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


class PacedRun(Run):
    """A run that keeps within what Temporal takes: of history, of state, and of work in one activation.

    Args:
        graph: The graph.
        options: The workflow's options.
        payload_limit: Bytes of JSON accepted for one payload; ``None`` is no limit, for clusters with external storage.
    """

    def __init__(self, graph: CompiledGraph, options: RunOptions, *, payload_limit: int | None) -> None:
        super().__init__(
            graph,
            thread_id=options.thread_id or workflow.info().workflow_id,
            ordinal=options.run,
            config=cast("Any", options.config),
            interrupts_before=options.interrupts,
            interrupt_before=options.interrupt_before,
            interrupt_after=options.interrupt_after,
        )
        self.rejected = False
        self.cancelling = False
        self.continuing = False
        self.parked = False
        self.updates = 0
        self._history_limit = options.history_limit
        self._present = Present()
        self._calls = ActivityCalls(payload_limit, lambda: self.cancelling, self._check_history, self._present)
        self._resting: Counter[str] = Counter()
        self._too_large_at = self._fitted_at = 0
        self._payload_limit = payload_limit
        self._size = self._written = 0
        self._spent = self._spent_at = 0
        self._breathing = False
        self._children: dict[str, ChildRelay] = {}

    @property
    def repeats(self) -> bool:
        """See `Run.repeats`."""
        return workflow.unsafe.is_replaying_history_events()

    # --- time ----------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """See `Run.now`."""
        return self._present.now

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
        events = self._present.look()
        if events != self._spent_at:
            self._spent_at, self._spent = events, 0
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
        return not self.rejected and (self.settled or (self.parked and self.is_at_rest(self._resting)))

    def should_continue_as_new(self) -> bool:
        """Whether the history has grown enough, or a new deployment version is there to move to."""
        if self.rejected:
            return False  # its cancellation is on the way, which the server does not let it leave behind
        if self._children or not self.progressed:
            return False  # without progress it would continue as new for ever
        events = self._present.look()
        if self._history_limit is not None:
            wanted = events >= self._history_limit
        else:
            wanted = (
                self._present.is_continue_as_new_suggested
                or self.updates >= CONTINUE_AFTER_UPDATES
                or self._present.is_deployment_changed
            )
        return wanted and self._can_carry()

    def _can_carry(self) -> bool:
        """Whether what the run carries over fits into a payload. If not, it may later."""
        events = self._present.look()
        if self._payload_limit is None or events == self._fitted_at:
            return True
        if self._too_large_at and events < self._too_large_at + LOOK_AGAIN_EVENTS:
            return False
        fits = wire_size(self.carry()) <= CARRIED_LIMIT
        self._fitted_at, self._too_large_at = (events, 0) if fits else (0, events)
        return fits

    def _must_wait_for_others(self) -> bool:
        """Whether the history is so long that a branch waits until the others can continue as new as well."""
        long = LONG_HISTORY_EVENTS if self._history_limit is None else 2 * self._history_limit
        return self._present.look() >= long or self._present.bytes >= LONG_HISTORY_BYTES

    def _check_history(self) -> None:
        """Fail before the server ends the run.

        Raises:
            HistoryTooLongError: The history is nearly as long as the server accepts.
        """
        events, size = self._present.look(), self._present.bytes
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

    # --- the size of the state -----------------------------------------------------------------------------------

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
