"""The tasks of a superstep while they run, and what becomes of the others when one fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from .errors import GraphError, error_line
from .records import Task
from .tasks import must_pass

if TYPE_CHECKING:
    from .engine import Engine

CLEAN_UP_LIMIT = timedelta(minutes=10)
"""Time that nodes have to clean up when another one failed or the run is cancelled. Then the run goes on without them."""


class RunningTasks:
    """Runs tasks side by side, each as an asyncio task that keeps the run busy.

    The engine's own unit of work goes to its tasks. The first one that fails, else the last one, hands it back.

    Args:
        engine: The engine.
        tasks: Its tasks.
        run: Runs one of them.
    """

    def __init__(self, engine: Engine, tasks: Sequence[Task], run: Callable[[Task], Awaitable[None]]) -> None:
        self._engine = engine
        self._run = engine.run
        self._over: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._holds_unit = False
        self._run.busy += len(tasks) - 1
        self._left: dict[str, Task] = {task.id: task for task in tasks}
        self._running = [asyncio.create_task(self._count(task, run)) for task in tasks]

    async def wait(self) -> bool:
        """Wait for all; on the first failure cancel the others, in order, and let them clean up.

        Returns:
            False if `give_way` was called.

        Raises:
            GraphError: What the first that failed raised.
        """
        try:
            finished = await self._over
        except GeneratorExit:
            raise
        except BaseException:
            await self._stop()
            raise
        if not finished:
            await self._stop()
        return finished

    def give_way(self) -> None:
        """Stop: other tasks take their place."""
        if not self._over.done():
            self._over.set_result(False)

    async def _stop(self) -> None:
        if not self._left:
            return
        for running in self._running:
            running.cancel()
        where = f"{self._engine.graph.name}: {', '.join(task.node for task in self._left.values())} may clean up"
        if not await self._run.wait_until(lambda: not self._left, CLEAN_UP_LIMIT, where):
            for task in list(self._left.values()):
                error = f"It was cancelled and did not end within {CLEAN_UP_LIMIT}, so the run goes on without it."
                self._run.record("task_failed", self._engine, task=task, data={"error": error})
                self._finished(task)

    async def _count(self, task: Task, run: Callable[[Task], Awaitable[None]]) -> None:
        try:
            with self._run.task_scope(self._engine, task):
                await run(task)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) or must_pass(error):
                self._finished(task)
                raise
            self._run.record("task_failed", self._engine, task=task, data={"error": error_line(error)})
            self._finished(task, error if isinstance(error, Exception) else self._wrapped(task, error))
        else:
            self._finished(task)

    def _wrapped(self, task: Task, error: BaseException) -> GraphError:
        wrapped = GraphError(f"{self._engine.graph.name}.{task.node} could not go on: {error_line(error)}")
        wrapped.__cause__ = error
        return wrapped

    def _finished(self, task: Task, error: Exception | None = None) -> None:
        if self._left.pop(task.id, None) is None:
            return  # the run went on without it
        if not self._holds_unit and (error is not None or not self._left):
            self._holds_unit = True
        else:
            self._run.busy -= 1
        if not self._over.done():
            if error is not None:
                self._over.set_exception(error)
            elif not self._left:
                self._over.set_result(True)
        self._run.changed()
