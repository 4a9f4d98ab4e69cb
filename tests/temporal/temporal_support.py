"""What several test files need: a look at histories, waiting for something to become true, workers as processes."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from oris_temporal import OrisClient
from oris_temporal.devserver import ChildProcess
from oris_temporal.testing import ReplayingWorker

Serve = Callable[..., ReplayingWorker]
"""Type of the fixture ``serve``."""

HERE = Path(__file__).parent


async def events(client: OrisClient, thread: str, run_id: str | None = None) -> list[HistoryEvent]:
    """History of a thread's latest run, or of a given one."""
    handle = client.temporal.get_workflow_handle(thread, run_id=run_id)
    return [event async for event in handle.fetch_history_events()]


async def event_names(client: OrisClient, thread: str, run_id: str | None = None) -> list[str]:
    """Types of its events, such as ``ACTIVITY_TASK_SCHEDULED``."""
    found = await events(client, thread, run_id)
    return [EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in found]


async def event_counts(client: OrisClient, thread: str, run_id: str | None = None) -> Counter[str]:
    """How often each type of event occurs."""
    return Counter(await event_names(client, thread, run_id))


async def eventually(condition: Callable[[], Any], seconds: float = 20) -> Any:
    """Result of `condition`, plain or async, once it is true."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                result = condition()
                if inspect.isawaitable(result):
                    result = await result
                if result:
                    return result
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"this did not become true within {seconds} seconds: {condition}") from None


def lines(path: Path) -> list[str]:
    """Lines of a file that several processes append to; none if it is not there."""
    return path.read_text().split() if path.exists() else []


def note(path: Path, text: str) -> None:
    """Append a line, in one write, so that processes do not cut each other short."""
    with path.open("a") as file:
        file.write(f"{text}\n")


class WorkerProcess:
    """A worker in a process of its own, which a test may kill.

    Args:
        address: The server's.
        task_queue: Task queue to serve.
        graphs: ``module:name`` of graphs, or of functions that make them, in this directory.
        directory: Directory for its log and for what nodes write, which find it in ``ORIS_TEST_DIR``.
        variables: More environment variables.
    """

    def __init__(self, address: str, task_queue: str, *graphs: str, directory: Path, **variables: str) -> None:
        self._arguments = [sys.executable, str(HERE / "worker_process.py"), address, task_queue, *graphs]
        self._directory = directory
        self._environment = {**os.environ, **variables, "ORIS_TEST_DIR": str(directory)}
        self._environment["PYTHONPATH"] = os.pathsep.join([str(HERE.parent.parent), str(HERE)])
        self._process: ChildProcess | None = None

    async def __aenter__(self) -> Self:
        log = self._directory / "worker.log"
        with log.open("ab") as output:
            self._process = ChildProcess(self._arguments, env=self._environment, output=output)
        try:
            await eventually(lambda: not self.process.running or f"ready {self.process.pid}" in log.read_text(), 30)
            assert self.process.running, f"the worker ended at once:\n{log.read_text()}"
        except BaseException:
            await self.kill()
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.kill()

    @property
    def process(self) -> ChildProcess:
        assert self._process is not None
        return self._process

    async def kill(self) -> None:
        """SIGKILL."""
        await self.process.kill()
