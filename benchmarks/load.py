"""``python -m benchmarks.load``: the REST facade under load, over HTTP, on the embedded server and an SQLite file.

Everything shares the machine: the clients, the facade (one process, but where it says otherwise), a worker and the Temporal
server. What a request costs by itself is what one client sees; how many there can be at once is limited by whoever needs the
most of the processor.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest, ListWorkflowExecutionsRequest
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError

from oris_temporal.api.control_store import ControlStore, StoreSettings
from oris_temporal.api.control_store.attempts import NewAttempt
from oris_temporal.client import OrisClient
from oris_temporal.devserver import ChildProcess, DevServer, free_ports
from oris_temporal.workflows.protocol import QUERY_HISTORY

from .http import Http
from .report import machine, save
from .runner import quantile

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
QUEUE = "load"
TOKEN = "for-the-bench"

Operation = Callable[[Http], Awaitable[object]]
Starting = AbstractAsyncContextManager[tuple[int, int]]


@dataclass
class Sample:
    """What so many clients at once saw of an operation."""

    operation: str
    clients: int
    per_second: float
    p50_ms: float
    p95_ms: float


class Load:
    """A facade with its surroundings.

    Args:
        client: Starts and answers runs without it.
        store: The facade's control store.
        port: The facade's port.
        facade: Its process.
        start: Starts another facade on the same control store, of so many processes.
    """

    def __init__(
        self, client: OrisClient, store: StoreSettings, port: int, facade: int, start: Callable[[int], Starting]
    ) -> None:
        self.client, self._store, self._port, self._facade, self._start = client, store, port, facade, start
        self._numbers = itertools.count()
        self._old: Iterator[str] = iter(())

    def connect(self) -> Http:
        return Http("127.0.0.1", self._port, TOKEN)

    @asynccontextmanager
    async def of_processes(self, number: int) -> AsyncIterator[None]:
        """Meanwhile the facade is another one, of so many processes."""
        one = self._port
        async with self._start(number) as (self._port, _):
            yield
        self._port = one

    async def seed(self, jobs: int) -> None:
        """Jobs that have ended; they are asked about in turn, for a run answers one question at a time."""
        self._old = itertools.cycle([f"old-{number}" for number in range(jobs)])
        numbers = iter(range(jobs))

        async def start() -> None:
            for number in numbers:
                await self.client.run("note", f"old-{number}", {"text": "old"})

        await asyncio.gather(*(start() for _ in range(32)))

    async def questions(self, number: int) -> list[str]:
        """Threads that wait for an answer."""
        ids = [f"asking-{next(self._numbers)}" for _ in range(number)]
        todo = iter(ids)

        async def start() -> None:
            for id in todo:
                await self.client.run("question", id, {"text": "new"})

        await asyncio.gather(*(start() for _ in range(16)))
        return ids

    async def attempts(self, number: int) -> None:
        """Attempts for HTTP workers, of no job: those of a job that has ended are closed."""
        async with ControlStore.opened(self._store) as control:
            for _ in range(number):
                await control.attempts.enqueue(NewAttempt(f"attempt-{next(self._numbers)}", "no-job"), 1)

    async def measure(self, name: str, operation: Operation, clients: int, total: int) -> Sample:
        """Let clients do an operation as fast as they can, so many times in all."""
        todo, latencies = iter(range(total)), []

        async def one() -> None:
            async with self.connect() as http:
                for _ in todo:
                    begin = time.perf_counter()
                    await operation(http)
                    latencies.append(time.perf_counter() - begin)

        begin = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(clients)))
        seconds = time.perf_counter() - begin
        return Sample(
            name, clients, total / seconds, quantile(latencies, 0.5) * 1_000, quantile(latencies, 0.95) * 1_000
        )

    def memory(self) -> float:
        """Resident memory of the facade in MB."""
        pages = int(Path(f"/proc/{self._facade}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    # --- operations ---

    async def run(self, http: Http) -> None:
        await http.ask("POST", "/v1/jobs/run", self._job("note"))

    async def inspect(self, http: Http) -> None:
        await http.ask("GET", f"/v1/jobs/{next(self._old)}")

    async def list(self, http: Http) -> None:
        await http.ask("GET", "/v1/jobs?limit=50")

    async def poll(self, http: Http) -> None:
        await http.ask("POST", "/v1/workers/poll", {"worker_id": f"w-{id(http)}"})

    async def poll_and_ack(self, http: Http) -> None:
        worker = {"worker_id": f"w-{id(http)}"}
        task = await http.ask("POST", "/v1/workers/poll", worker)
        said = {"attempt_id": task["attempt_id"], "terminal_status": "completed"}
        await http.ask("POST", f"/v1/workers/{worker['worker_id']}/ack", said)

    def resume(self, ids: list[str]) -> Operation:
        todo = iter(ids)

        async def resume(http: Http) -> None:
            await http.ask("POST", f"/v1/jobs/{next(todo)}/resume", {"value": "yes"})

        return resume

    async def bare_inspect(self, _: Http) -> None:
        """What the answer to an inspection needs of Temporal: the run, the end of its history, and its checkpoints."""
        temporal, id = self.client.temporal, next(self._old)
        execution = WorkflowExecution(workflow_id=id)
        request = DescribeWorkflowExecutionRequest(namespace=temporal.namespace, execution=execution)
        await temporal.workflow_service.describe_workflow_execution(request, retry=True)
        handle = temporal.get_workflow_handle(id)
        await asyncio.gather(handle.result(), self._checkpoints(handle))

    async def _checkpoints(self, handle: WorkflowHandle[Any, Any]) -> Any:
        for _ in range(10):
            try:
                return await handle.query(QUERY_HISTORY, rpc_timeout=timedelta(seconds=1))
            except RPCError:  # a worker that evicts the run just then loses the question
                continue
        raise RuntimeError("no worker answers")

    async def bare_list(self, _: Http) -> None:
        temporal = self.client.temporal
        request = ListWorkflowExecutionsRequest(namespace=temporal.namespace, page_size=200)
        await temporal.workflow_service.list_workflow_executions(request, retry=True)

    def _job(self, graph: str) -> dict[str, Any]:
        return {"thread_id": f"new-{next(self._numbers)}", "graph": graph, "input": {"text": "new"}}


async def measure(load: Load, asked: argparse.Namespace) -> dict[str, Any]:
    """All of it, in order."""
    say(f"{asked.jobs} jobs that have ended")
    await load.seed(asked.jobs)
    samples = []
    for clients in asked.clients:
        say(f"{clients} clients")
        total = asked.requests
        samples += [
            await load.measure("run", load.run, clients, total // 4),
            await load.measure("resume", load.resume(await load.questions(total // 4)), clients, total // 4),
            await load.measure("inspect a closed job", load.inspect, clients, total),
            await load.measure("the RPCs of that", load.bare_inspect, clients, total),
            await load.measure("list 50 jobs", load.list, clients, total),
            await load.measure("the RPC of that", load.bare_list, clients, total),
        ]
        await load.attempts(total)
        samples.append(await load.measure("poll + ack", load.poll_and_ack, clients, total))
        await load.attempts(total)
        async with load.of_processes(2):
            samples.append(await load.measure("poll + ack, 2 processes", load.poll_and_ack, clients, total))
    say(f"{asked.watchers} watchers of one job")
    watched = await watch(load, asked.watchers)
    say(f"{asked.steady} requests for the memory")
    return {"samples": [asdict(sample) for sample in samples], "watchers": watched, "memory": await steady(load, asked)}


async def watch(load: Load, watchers: int) -> dict[str, float]:
    """Watchers of one job, from its question to its end."""
    (id,) = await load.questions(1)
    before, seen = load.memory(), asyncio.Semaphore(0)

    async def watcher() -> float:
        async with load.connect() as http:
            async for name in http.events(f"/v1/jobs/{id}/stream?mode=updates&follow=true"):
                if name == "updates":
                    seen.release()
                if name == "end":
                    return time.perf_counter()
        raise RuntimeError("a stream broke off")

    tasks = [asyncio.create_task(watcher()) for _ in range(watchers)]
    for _ in range(watchers):
        await seen.acquire()  # each has seen the first node
    memory = load.memory()
    begin = time.perf_counter()
    await load.client.resume(id, "yes")
    ends = [end - begin for end in await asyncio.gather(*tasks)]
    info = await load.client.inspect(id)
    return {
        "watchers": watchers,
        "p50_ms": quantile(ends, 0.5) * 1_000,
        "last_ms": max(ends) * 1_000,
        "memory_each_kb": (memory - before) / watchers * 1_000,
        "history_events": info.history_events,
    }


async def steady(load: Load, asked: argparse.Namespace) -> dict[str, float]:
    """Memory of the facade while it serves request after request: workers that poll, and somebody who looks at jobs."""
    found = {}
    kinds = itertools.cycle([load.inspect] + [load.poll] * 49)

    async def any_kind(http: Http) -> None:
        await next(kinds)(http)

    for part in range(1, 6):
        await load.measure("any", any_kind, 16, asked.steady // 5)
        found[f"{asked.steady // 5 * part} requests"] = load.memory()
    return found


def as_text(found: dict[str, Any], facts: dict[str, Any]) -> str:
    """The table."""
    lines = [", ".join(f"{name}: {value}" for name, value in facts.items()), ""]
    lines.append(f"{'operation':<26}{'clients':>8}{'per second':>12}{'p50 ms':>10}{'p95 ms':>10}")
    for item in found["samples"]:
        numbers = f"{item['per_second']:>12.0f}{item['p50_ms']:>10.1f}{item['p95_ms']:>10.1f}"
        lines.append(f"{item['operation']:<26}{item['clients']:>8}{numbers}")
    watched = found["watchers"]
    lines += [
        "",
        f"{watched['watchers']} watchers of one job hear of its end after {watched['p50_ms']:.0f} ms (half of them), "
        f"{watched['last_ms']:.0f} ms (the last); {watched['memory_each_kb']:.0f} kB each; {watched['history_events']} "
        "events in its history.",
        "Memory of the facade in MB after " + ", ".join(f"{name}: {mb:.1f}" for name, mb in found["memory"].items()),
    ]
    return "\n".join(lines)


@asynccontextmanager
async def surroundings() -> AsyncIterator[Load]:
    """Server, worker and facade, each in a process of its own."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(DevServer(ui=False))
        files = stack.enter_context(tempfile.TemporaryDirectory())
        store = StoreSettings(sqlite_path=f"{files}/control.db")
        env = {
            **os.environ,
            **server.environment,
            "ORIS_TASK_QUEUE": QUEUE,
            "ORIS_SQLITE_DB": store.sqlite_path,
            "ORIS_API_AUTH_BEARER_TOKEN": TOKEN,
        }
        worker = ["-m", "oris_temporal.cli", "worker", "--quiet", "--graphs", "benchmarks.load_graphs:graphs"]
        stack.push_async_callback(ChildProcess([sys.executable, *worker], env=env).kill)
        start = partial(facade, env)
        port, process = await stack.enter_async_context(start(1))
        yield Load(OrisClient(await server.connect(), task_queue=QUEUE), store, port, process, start)


@asynccontextmanager
async def facade(env: dict[str, str], processes: int) -> AsyncIterator[tuple[int, int]]:
    """A facade of so many processes that share a port, until the block ends.

    Yields:
        The port, and the id of the process that is started.
    """
    (port,) = free_ports(1)
    command = ["-m", "uvicorn", "--factory", "oris_temporal.api:create_app", "--port", str(port), "--no-access-log"]
    with tempfile.NamedTemporaryFile() as log:
        child = ChildProcess([sys.executable, *command, "--workers", str(processes)], env=env, output=log.file)
        try:
            while Path(log.name).read_text().count("Application startup complete") < processes:
                if not child.running:
                    raise RuntimeError(f"The facade does not start: {Path(log.name).read_text()}")
                await asyncio.sleep(0.1)
            yield port, child.pid
        finally:
            await child.stop()


def say(text: str) -> None:
    print(text, file=sys.stderr)


def main() -> int:
    asked = _arguments()
    facts = machine()

    async def run() -> dict[str, Any]:
        async with surroundings() as load:
            return await measure(load, asked)

    found = asyncio.run(run())
    save(asked.json, {"machine": facts, **found})
    print(as_text(found, facts))
    print(f"\nWritten to {asked.json}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--clients", type=lambda text: [int(part) for part in text.split(",")], default=[1, 16, 64])
    parser.add_argument("--requests", type=int, default=2_000, help="of each kind; a quarter of that are runs")
    parser.add_argument("--jobs", type=int, default=10_000, help="jobs that are there before")
    parser.add_argument("--watchers", type=int, default=1_000)
    parser.add_argument("--steady", type=int, default=50_000, help="requests while memory is looked at")
    name = f"load-{time.strftime('%Y%m%d-%H%M%S')}.json"
    parser.add_argument("--json", type=Path, default=RESULTS / name)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
