"""What a subgraph with a run of its own waits for, asked on its parent's thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from .interrupts import Interrupt
from .records import Task

if TYPE_CHECKING:
    from .engine import Engine
    from .run import Run


class ChildRelay:
    """Asks a child's questions for it and hands the answers down.

    Args:
        run: The parent's run.
        engine: Engine the child's task belongs to.
        task: The task.
        answer: Gives the child an answer to one of its interrupts.
    """

    def __init__(
        self, run: Run, engine: Engine, task: Task, answer: Callable[[Interrupt, Any], Awaitable[None]]
    ) -> None:
        self._run, self._engine, self._task, self._answer = run, engine, task, answer
        self._asks: dict[str, asyncio.Task[None]] = {}
        self._settled = False
        run.occupy(task.id, works=1)

    def update(self, *, settled: bool, pending: Sequence[Interrupt]) -> None:
        """Take over what the child waits for now, and whether all of it waits."""
        wanted = {item.id for item in pending}
        for id in [id for id in self._asks if id not in wanted]:
            self._asks.pop(id).cancel()
        for item in pending:
            if item.id not in self._asks:
                self._asks[item.id] = asyncio.create_task(self._relay(item))
        if settled is not self._settled:
            self._settled = settled
            self._run.occupy(self._task.id, works=-1 if settled else 1)

    async def _relay(self, item: Interrupt) -> None:
        answer = await self._run.ask_for_child(self._engine, self._task, item)
        if self._settled:  # from here on the child works
            self._settled = False
            self._run.occupy(self._task.id, works=1)
        await self._answer(item, answer)

    def close(self) -> None:
        """Stop asking: the child has ended."""
        for ask in self._asks.values():
            ask.cancel()
        self._asks.clear()
        if not self._settled:
            self._run.occupy(self._task.id, works=-1)
            self._settled = True
