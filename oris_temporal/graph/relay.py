"""What a subgraph with a run of its own waits for, asked on its parent's thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .interrupts import Interrupt, Order
from .records import Task

if TYPE_CHECKING:
    from .engine import Engine
    from .run import Run


class ChildRelay:
    """Asks a child's questions for it, waits for its signals, and hands answers and signals down.

    Args:
        run: The parent's run.
        engine: Engine the child's task belongs to.
        task: The task.
        answer: Gives the child an answer to one of its interrupts, and who gave it; one that comes too late changes nothing.
        signal: Gives the child a signal.
    """

    def __init__(
        self,
        run: Run,
        engine: Engine,
        task: Task,
        answer: Callable[[Interrupt, Any, str | None], Awaitable[None]],
        signal: Callable[[str, Any], Awaitable[None]],
    ) -> None:
        self._run, self._engine, self._task, self._answer, self._signal = run, engine, task, answer, signal
        self._asks: dict[str, tuple[str, asyncio.Task[None]]] = {}
        self._signals: dict[str, asyncio.Task[None]] = {}
        self._sending = asyncio.Lock()
        self._settled = False
        run.occupy(task.id, works=1)

    def update(
        self,
        *,
        settled: bool,
        pending: Sequence[tuple[Interrupt, Order]],
        signal_waits: Mapping[str, str],
        asked: Iterable[Interrupt] = (),
    ) -> None:
        """Take over what the child waits for now.

        Args:
            settled: Whether all of it waits for people.
            pending: Its unanswered interrupts.
            signal_waits: Signals that its nodes wait for.
            asked: Interrupts of it that may have been settled there, by a deadline or on its own thread.
        """
        self._keep({item.id for item, _ in pending}, signal_waits, asked)
        for item, order in pending:
            if item.id not in self._asks:  # asked here and now: an answer may be on its way already
                id, future = self._run.ask_for_child(self._engine, self._task, item, order)
                self._asks[item.id] = id, asyncio.create_task(self._relay(item, id, future))
        for wait_id, name in signal_waits.items():
            if wait_id not in self._signals:
                self._signals[wait_id] = asyncio.create_task(self._relay_signal(wait_id, name))
        if settled is not self._settled:
            self._settled = settled
            self._run.occupy(self._task.id, works=-1 if settled else 1)

    async def _relay(self, item: Interrupt, id: str, future: asyncio.Future[Any]) -> None:
        answer = await future
        self._run.stop_asking(id)
        if self._settled:  # from here on the child works
            self._settled = False
            self._run.occupy(self._task.id, works=1)
        await self._answer(item, answer, self._run.desk.asked[id].author)

    async def _relay_signal(self, wait_id: str, name: str) -> None:
        summary = f"{self._engine.graph.name}.{self._task.node} waits for signal {name}"
        _, value = await self._run.take_signal(f"{self._task.id}|{wait_id}", name, None, summary)
        async with self._sending:  # two that are under way may overtake each other
            await self._signal(name, value)

    def close(self, asked: Iterable[Interrupt] = ()) -> None:
        """Stop asking: the child has ended. For `asked` see `update`."""
        self._keep((), (), asked)
        if not self._settled:
            self._run.occupy(self._task.id, works=-1)
            self._settled = True

    def _keep(self, pending: Collection[str], signal_waits: Collection[str], asked: Iterable[Interrupt]) -> None:
        """Stop what is not wanted any more."""
        became = {item.id: item for item in asked}
        for item in [item for item in self._asks if item not in pending]:
            id, relaying = self._asks.pop(item)
            relaying.cancel()
            if item in became:
                self._run.settled_by_child(id, became[item])
            self._run.stop_asking(id)
        for wait_id in [wait_id for wait_id in self._signals if wait_id not in signal_waits]:
            self._signals.pop(wait_id).cancel()
