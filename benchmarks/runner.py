"""Measuring: every implementation takes its turn in every round, so that whatever else the machine does falls on all alike."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import median
from uuid import uuid4

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import History
from temporalio.client import Client

from oris_temporal.devserver import DevServer

from .implementation import Implementation
from .work import Row
from .workers import WorkerProcess

IN_FLIGHT = 20
WARM_UP = 3
HISTORIES = 10
REPLAYS = 5

_WORKFLOW_TASKS = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
    }
)


@dataclass
class Measured:
    """What one implementation took for one row.

    Attributes:
        latencies: Seconds from the client's call to the final state, one run at a time.
        batches: Seconds for a batch of `batch` runs, 20 of them in flight.
        batch: Runs of a batch.
        events: History events of runs.
        other_events: Those that are not of workflow tasks, whose number depends on what the worker's polls happen to meet.
        bytes: Bytes of their histories on the wire.
        replays: Seconds to replay a history.
        cpu: CPU seconds of the worker per run, over all runs.
    """

    batch: int
    latencies: list[float] = field(default_factory=list)
    batches: list[float] = field(default_factory=list)
    events: list[int] = field(default_factory=list)
    other_events: list[int] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)
    replays: list[float] = field(default_factory=list)
    cpu: float = 0.0

    def column(self, name: str) -> float:
        """The figure of a column of the report."""
        match name:
            case "p50":
                return median(self.latencies)
            case "p95":
                return quantile(self.latencies, 0.95)
            case "throughput":
                return self.batch / median(self.batches)
            case "events":
                return median(self.events)
            case "bytes":
                return median(self.bytes)
            case "replay":
                return median(self.replays)
            case "cpu":
                return self.cpu
        raise KeyError(name)


def quantile(values: Sequence[float], share: float) -> float:
    """A quantile, between the two nearest values."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


class Bench:
    """The implementations with their workers, and a client.

    Args:
        server: The Temporal server.
        implementations: Implementations by name.
        repeat: Runs to time, one at a time, per row and implementation.
        batch: Runs of a batch, in place of each row's own number.
        say: Shows progress.
    """

    def __init__(
        self,
        server: DevServer,
        implementations: Mapping[str, Implementation],
        *,
        repeat: int,
        batch: int | None = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._server = server
        self._implementations = implementations
        self._repeat = repeat
        self._batch = batch
        self._say = say
        self._workers = {name: WorkerProcess(name, server.address) for name in implementations}

    async def measure(self, rows: Sequence[Row]) -> dict[str, dict[str, Measured]]:
        """Measurements by row and implementation."""
        async with AsyncExitStack() as stack:
            client = await self._server.connect()
            for worker in self._workers.values():
                await stack.enter_async_context(worker)
            found = {}
            for row in rows:
                self._say(f"{row.title} ...")
                found[row.name] = await self._measure_row(client, row)
            return found

    async def _measure_row(self, client: Client, row: Row) -> dict[str, Measured]:
        names = [name for name, made in self._implementations.items() if row.name in (made.rows() or {row.name})]
        found = {name: Measured(self._batch or row.batch) for name in names}
        for name in names:
            for _ in range(WARM_UP):
                await self._run(client, row, name)
        before = {name: await self._workers[name].cpu_seconds() for name in names}
        ids: dict[str, list[str]] = {name: [] for name in names}
        for turn in range(self._repeat):
            for name in _rotated(names, turn):
                began = time.perf_counter()
                ids[name].append(await self._run(client, row, name))
                found[name].latencies.append(time.perf_counter() - began)
        for turn in range(_batches(self._repeat)):
            for name in _rotated(names, turn):
                began = time.perf_counter()
                await self._run_batch(client, row, name, found[name].batch)
                found[name].batches.append(time.perf_counter() - began)
        for name in names:
            measured = found[name]
            runs = len(measured.latencies) + measured.batch * len(measured.batches)
            measured.cpu = (await self._workers[name].cpu_seconds() - before[name]) / runs
            for id in ids[name]:
                await read_history(client, id, measured)
        for turn in range(REPLAYS):
            for name in _rotated(names, turn):
                replayed = ids[name][-HISTORIES:]
                seconds = await self._workers[name].replay_seconds(replayed)
                if turn or REPLAYS == 1:  # the first one warms up
                    found[name].replays.append(seconds)
        return found

    async def _run_batch(self, client: Client, row: Row, name: str, runs: int) -> None:
        places = asyncio.Semaphore(IN_FLIGHT)

        async def one() -> None:
            async with places:
                await self._run(client, row, name)

        async with asyncio.TaskGroup() as group:
            for _ in range(runs):
                group.create_task(one())

    async def _run(self, client: Client, row: Row, name: str) -> str:
        """Run once, check the final state, and return the workflow id."""
        id = uuid4().hex
        final = await self._implementations[name].run(client, self._workers[name].task_queue, row, id)
        if final != row.final:
            raise AssertionError(f"{name} ended {row.name} ({id}) with another state than it should: {final!r:.500}")
        return id


def _batches(repeat: int) -> int:
    return max(1, repeat // 10)


def _rotated(names: list[str], turn: int) -> list[str]:
    start = turn % len(names)
    return names[start:] + names[:start]


async def read_history(client: Client, id: str, measured: Measured) -> None:
    """Note how long the history of a run is."""
    events = [event async for event in client.get_workflow_handle(id).fetch_history_events()]
    measured.events.append(len(events))
    measured.other_events.append(sum(event.event_type not in _WORKFLOW_TASKS for event in events))
    measured.bytes.append(History(events=events).ByteSize())
