"""For your own tests: servers, a worker that replays everything, a replay check, and a clock that tests move.

Nothing here needs pytest. Where pytest is installed there are also fixtures to import into a ``conftest.py``: `dev_server`,
`oris_client` and `time_skipping_server`.

Example:
    ```python
    # conftest.py
    from oris_temporal.testing import dev_server, oris_client

    # test_review.py
    async def test_a_person_approves(oris_client):
        async with ReplayingWorker(oris_client, graphs=[review]) as worker:
            result = await oris_client.run("review", "t-1", "hello")
            assert result.interrupts[0].value == {"question": "Publish?"}
            result = await oris_client.resume("t-1", {"ok": True})
            assert result.status == "completed"
            await worker.check_replay()
    ```
"""

from __future__ import annotations

import asyncio
import importlib.util
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Token
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self, cast
from uuid import uuid4

import temporalio.client
import temporalio.worker
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import WorkflowHistory
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import ExecuteWorkflowInput, Replayer, WorkflowInboundInterceptor

from .client import OrisClient
from .client.lookup import runs_of, search
from .devserver import DevServer, time_skipping_server_path
from .graph.clock import Clock, current_clock
from .graph.compiled import CompiledGraph
from .graph.duration import Duration, to_timedelta
from .graph.errors import DeterminismError
from .plugin import OrisPlugin
from .worker import Worker
from .workflows.search_attributes import SEARCH_ATTRIBUTES

Run = tuple[str, str]
"""Workflow id and run id."""


class ReplayingWorker(Worker):
    """A `Worker` that keeps no workflow in memory: every workflow task replays its run from the beginning.

    What a deploy or a crash would bring to light, a test then sees at once. The runs it carried are in `runs`.

    Args:
        client: An `OrisClient` or a `temporalio` client.
        graphs: Compiled graphs to serve.
        task_queue: Task queue to poll. Default: the `OrisClient`'s, else ``oris``.
        plugins: Plugins of your own.
        options: Any option of `temporalio.worker.Worker`; ``max_cached_workflows`` is 0 unless given.

    Attributes:
        runs: Workflow id and run id of every run it carried, in order.
    """

    def __init__(
        self,
        client: OrisClient | temporalio.client.Client,
        graphs: Sequence[CompiledGraph],
        *,
        task_queue: str | None = None,
        plugins: Sequence[temporalio.worker.Plugin] = (),
        **options: Any,
    ) -> None:
        self.runs: dict[Run, None] = {}
        self._graphs = graphs
        self._temporal = client.temporal if isinstance(client, OrisClient) else client
        self._id_prefix = client.id_prefix if isinstance(client, OrisClient) else ""
        self._own_workflows = list(options.get("workflows", ()))
        self._own_plugins = plugins
        options["interceptors"] = [*options.get("interceptors", ()), _Recorder(self.runs)]
        options.setdefault("max_cached_workflows", 0)
        super().__init__(client, graphs, task_queue=task_queue, plugins=plugins, **options)

    async def check_replay(self) -> int:
        """Replay the histories of all `runs`. See `check_replay`.

        Returns:
            Number of histories.

        Raises:
            DeterminismError: One of them does not replay.
        """
        return await _replay(
            self._temporal,
            OrisPlugin(self._graphs, id_prefix=self._id_prefix),
            list(self.runs),
            workflows=self._own_workflows,
            plugins=self._own_plugins,
        )


class _Recorder(temporalio.worker.Interceptor):
    """Notes the runs that a worker carries."""

    def __init__(self, runs: dict[Run, None]) -> None:
        self._runs = runs

    def workflow_interceptor_class(
        self, input: temporalio.worker.WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor]:
        runs = self._runs

        class Recording(WorkflowInboundInterceptor):
            async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
                info = workflow.info()
                runs[info.workflow_id, info.run_id] = None
                return await super().execute_workflow(input)

        return Recording


async def check_replay(
    client: OrisClient,
    graphs: Sequence[CompiledGraph],
    threads: Iterable[str] | None = None,
    *,
    workflows: Sequence[type] = (),
    plugins: Sequence[temporalio.worker.Plugin] = (),
) -> int:
    """Replay histories against the code at hand, as a worker would that takes the runs over.

    Args:
        client: Client of the cluster.
        graphs: The graphs.
        threads: Threads whose runs to replay, all that are retained. Default: everything that was started on the client's task
            queue, subgraphs with workflows of their own included; the list of that lags behind by up to a second or so.
        workflows: Workflow classes of your own on the same task queue.
        plugins: Plugins of your own.

    Returns:
        Number of histories replayed.

    Raises:
        DeterminismError: One does not replay; the message names the thread and the node.
        ThreadNotFoundError: A thread has no run.
    """
    runs: list[Run] = []
    if threads is None:
        query = f"TaskQueue = '{client.task_queue}'"
        runs += [(found.workflow_id, found.run_id) async for found in search(client.temporal, query)]
    for thread in threads or ():
        workflow_id = f"{client.id_prefix}{thread}"
        runs += [(workflow_id, found.run_id) for found in await runs_of(client.temporal, workflow_id, thread)]
    plugin = OrisPlugin(graphs, id_prefix=client.id_prefix)
    return await _replay(client.temporal, plugin, runs, workflows=workflows, plugins=plugins)


async def _replay(
    client: temporalio.client.Client,
    plugin: OrisPlugin,
    runs: Iterable[Run],
    *,
    workflows: Sequence[type],
    plugins: Sequence[temporalio.worker.Plugin],
) -> int:
    replayer = Replayer(
        workflows=workflows,
        namespace=client.namespace,
        data_converter=client.data_converter,
        plugins=[plugin, *plugins],
    )
    histories = [await client.get_workflow_handle(id, run_id=run_id).fetch_history() for id, run_id in runs]
    histories = [history for history in histories if _was_worked_on(history)]
    failures: list[str] = []
    for history in histories:
        result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
        if result.replay_failure is not None:
            failures.append(f"{history.workflow_id} (run {history.run_id}): {_reason(result.replay_failure)}")
    if failures:
        raise DeterminismError("Histories that do not replay:\n" + "\n".join(failures))
    return len(histories)


def _reason(failure: Exception) -> str:
    """What the SDK says about a divergence, without the dump of structures around it."""
    found = re.search(r'\[TMPRL\d+\] ((?:[^"\\]|\\.)*)', str(failure))
    return found[1] if found else str(failure)


def _was_worked_on(history: WorkflowHistory) -> bool:
    """Whether any worker finished a task of the run; before that there is nothing to replay."""
    return any(event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED for event in history.events)


# --- time ----------------------------------------------------------------------------------------------------------


class TimeSkippingServer:
    """Temporal's test server, whose clock a test moves: deadlines of days pass at once.

    An async context manager. It knows no listing: ``list()`` and ``interrupts()`` without a thread need a `DevServer`.

    Args:
        task_queue: Task queue of the client.

    Attributes:
        client: Connected to it, once it is started.
    """

    client: OrisClient

    def __init__(self, *, task_queue: str = "oris") -> None:
        self._task_queue = task_queue
        self._environment: WorkflowEnvironment | None = None

    async def __aenter__(self) -> Self:
        self._environment = await WorkflowEnvironment.start_time_skipping(
            test_server_existing_path=time_skipping_server_path()
        )
        temporal = self._environment.client
        await temporal.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=temporal.namespace,
                search_attributes={
                    name: cast("Any", key.indexed_value_type.value) for name, key in SEARCH_ATTRIBUTES.items()
                },
            )
        )
        self.client = OrisClient(temporal, task_queue=self._task_queue)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._environment is not None:
            await self._environment.shutdown()

    async def skip(self, duration: Duration) -> None:
        """Let this much time pass: timers in it fire, in order, and what follows from them happens."""
        await self._running.sleep(to_timedelta(duration))

    async def now(self) -> datetime:
        """The server's time (UTC)."""
        return (await self._running.get_current_time()).astimezone(UTC)

    @property
    def _running(self) -> WorkflowEnvironment:
        if self._environment is None:
            raise RuntimeError(
                "The time-skipping server was not started; use 'async with TimeSkippingServer() as server'."
            )
        return self._environment


class FakeClock(Clock):
    """The time of graphs that run in this process (`CompiledGraph.invoke`), moved by a test.

    It holds for runs that start inside its ``with`` block. What a graph itself waits for passes at once: ``ctx.sleep``, and the
    waits between attempts of a node. What it waits for *others* - deadlines and escalation of interrupts, timeouts of signals -
    passes when the test calls `advance`. Time limits of a node's own work stay real.

    Args:
        start: Where it starts. Default: 1 January 2030 (UTC).

    Example:
        >>> with FakeClock() as clock:
        ...     await graph.invoke("hello", config)      # asks, with a deadline in 24 hours
        ...     await clock.advance("25h")
        ...     state = await graph.get_state(config)    # the default was taken
    """

    def __init__(self, start: datetime = datetime(2030, 1, 1, tzinfo=UTC)) -> None:
        self._now = start
        self._timers: list[_Timer] = []
        self._leaping: asyncio.Task[None] | None = None
        self._tokens: list[Token[Clock]] = []

    def __enter__(self) -> Self:
        self._tokens.append(current_clock.set(self))
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        current_clock.reset(self._tokens.pop())

    def now(self) -> datetime:
        """See `Clock.now`."""
        return self._now

    async def advance(self, duration: Duration) -> None:
        """Let this much time pass: timers in it fire, in order, and what follows from them happens.

        Nodes that run in threads go on in real time; wait for their run with ``invoke(None, config)``.
        """
        await self._move_to(self._now + to_timedelta(duration))

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`. The clock leaps ahead as soon as nothing else can happen."""
        with self._timer(seconds, leap=True) as timer:
            if self._leaping is None or self._leaping.done():
                self._leaping = asyncio.create_task(self._leap())
            await timer.fired.wait()

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        """See `Clock.wait`. Only `advance` and sleepers move the clock."""
        with self._timer(seconds, leap=False) as timer:
            both = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(timer.fired.wait())]
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in both:
                    one.cancel()

    @contextmanager
    def _timer(self, seconds: float, *, leap: bool) -> Iterator[_Timer]:
        timer = _Timer(self._now + timedelta(seconds=seconds), leap)
        self._timers.append(timer)
        try:
            yield timer
        finally:
            self._timers.remove(timer)

    async def _leap(self) -> None:
        """Move to the first sleeper's end, again and again until nobody sleeps."""
        await _others()
        while ends := [timer.at for timer in self._timers if timer.leap and not timer.fired.is_set()]:
            await self._move_to(min(ends))

    async def _move_to(self, end: datetime) -> None:
        while due := [timer for timer in self._timers if timer.at <= end and not timer.fired.is_set()]:
            first = min(due, key=lambda timer: timer.at)
            self._now = max(self._now, first.at)
            first.fired.set()
            await _others()
        self._now = max(self._now, end)


@dataclass(eq=False)
class _Timer:
    at: datetime
    leap: bool
    fired: asyncio.Event = field(default_factory=asyncio.Event)


async def _others() -> None:
    """Let everything else in the event loop happen that can happen now."""
    for _ in range(100):
        await asyncio.sleep(0)


# --- pytest --------------------------------------------------------------------------------------------------------

if importlib.util.find_spec("pytest") is not None:
    import pytest

    @pytest.fixture(scope="session")
    def dev_server() -> Iterator[DevServer]:
        """A Temporal server that all tests of the session share."""
        # Plain fixtures with an event loop of their own: they work with pytest-asyncio and anyio alike.
        loop = asyncio.new_event_loop()
        server = loop.run_until_complete(DevServer(ui=False).start())
        try:
            yield server
        finally:
            loop.run_until_complete(server.stop())
            loop.close()

    @pytest.fixture
    def oris_client(dev_server: DevServer) -> OrisClient:
        """A client of `dev_server` with a task queue that no other test uses."""
        loop = asyncio.new_event_loop()
        try:
            temporal = loop.run_until_complete(dev_server.connect())
        finally:
            loop.close()
        return OrisClient(temporal, task_queue=f"test-{uuid4().hex}")

    @pytest.fixture
    def time_skipping_server() -> Iterator[TimeSkippingServer]:
        """A server of the test's own whose clock it moves."""
        loop = asyncio.new_event_loop()
        server = loop.run_until_complete(TimeSkippingServer().__aenter__())
        try:
            yield server
        finally:
            loop.run_until_complete(server.__aexit__(None, None, None))
            loop.close()
