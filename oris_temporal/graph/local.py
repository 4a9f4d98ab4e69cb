"""Running in this process: nodes as coroutines and threads of this event loop. Durable only while the process lives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from oris_temporal.models.caller import ModelCaller
from oris_temporal.models.request import RESTART, ModelRequest, Piece, chunk_of
from oris_temporal.models.retries import model_retry
from oris_temporal.store.base import Store
from oris_temporal.store.remote import STORE_RETRY, serve
from oris_temporal.tools.tool import open_sources

from .clock import current_clock
from .duration import Duration, to_timedelta_or_none
from .engine import Engine
from .errors import GraphError, InterruptConflictError, ModelError, NodeError, NodeTimeoutError
from .execution import NodeCall, NodeResult, execute_node
from .interrupts import Ask, Interrupt
from .node import Node, is_async_callable
from .options import RetryPolicy
from .records import EngineState, Outcome, Position, Task
from .relay import ChildRelay
from .run import Edit, Run, node_error
from .state import Write
from .subgraph import Subgraph
from .tasks import being_cancelled
from .tool_calls import attempt_tool
from .wire import to_wire

if TYPE_CHECKING:
    from oris_temporal.tools import Tool

    from .compiled import CompiledGraph


# asyncio does not tell when it has nothing left to do at once; so many turns of its loop are far more than a node takes.
_QUIET_TURNS = 50


class LocalRun(Run):
    """A run in this process's event loop.

    Args:
        graph: The graph.
        kwargs: See `Run`.
    """

    def __init__(self, graph: CompiledGraph, **kwargs: Any) -> None:
        super().__init__(graph, **kwargs)
        self.loop = asyncio.get_running_loop()
        self.change = asyncio.Event()
        self.clock = current_clock.get()
        self.models = ModelCaller()
        self.outer_store: Store | None = None
        self._main: asyncio.Task[None] | None = None

    # --- from outside --------------------------------------------------------------------------------------------

    def start(
        self, input_wire: dict[str, Any] | None, seed: EngineState | None = None, edit: Edit | None = None
    ) -> None:
        """Begin to execute in the background."""
        self._main = self.loop.create_task(self._execute(input_wire, seed, edit))
        self._main.add_done_callback(lambda _: self.changed())

    async def _execute(self, input_wire: dict[str, Any] | None, seed: EngineState | None, edit: Edit | None) -> None:
        try:
            async with open_sources(self.graph.all_tools()):
                await self.execute(input_wire, seed, edit)
        finally:
            await self.models.close()

    def stop(self) -> None:
        """Give the run up, if its event loop still is this one."""
        if self._main is not None and self.loop is asyncio.get_running_loop():
            self._main.cancel()

    @property
    def ended(self) -> bool:
        """Whether nothing executes any more."""
        return self._main is None or self._main.done()

    async def until_settled(self) -> None:
        """Wait until the run ended or waits for people.

        Raises:
            GraphError: What made the run fail.
        """
        while not (self.ended or await self._is_quiet()):
            await self.change.wait()
        if self.status in ("running", "interrupted") and not self.ended:
            self.status = "interrupted"
        else:
            await cast("asyncio.Task[None]", self._main)

    async def _is_quiet(self) -> bool:
        """Whether the run is settled and stays so: a node that was just woken may have more to do before it waits."""
        for _ in range(_QUIET_TURNS):
            if not self.settled:
                return False
            await asyncio.sleep(0)
        return self.settled

    # --- what the engine asks for --------------------------------------------------------------------------------

    def now(self) -> datetime:
        """See `Run.now`."""
        return self.clock.now()

    def changed(self) -> None:
        """See `Run.changed`. Whoever waits holds the event of before, so nobody misses it."""
        before, self.change = self.change, asyncio.Event()
        before.set()

    async def sleep(self, duration: timedelta, summary: str) -> None:
        """See `Run.sleep`."""
        await self.clock.sleep(duration.total_seconds())

    async def wait_until(self, condition: Callable[[], bool], timeout: timedelta | None, summary: str) -> bool:
        """See `Run.wait_until`."""
        deadline = None if timeout is None else self.now() + timeout
        while True:
            change = self.change
            if condition():
                return True
            left = None if deadline is None else (deadline - self.now()).total_seconds()
            if left is not None and left <= 0:
                return False
            if left is None:
                await change.wait()
            else:
                await self.clock.wait(change, left)

    async def at_boundary(self, engine: Engine) -> None:
        """See `Run.at_boundary`. Lets watchers and other runs of this loop take their turn."""
        await self.apply_edits()
        await asyncio.sleep(0)

    async def before_operation(self, task: Task) -> None:
        """See `Run.before_operation`. There is no history to keep short."""

    def check_state(self, writes: Sequence[Write]) -> None:
        """See `Run.check_state`. Memory takes any."""

    async def call(self, engine: Engine, task: Task, node: Node) -> Outcome:
        """See `Run.call`."""

        def write(data: Any) -> None:
            self._in_loop(lambda: self.record("custom", engine, task=task, data=data))

        while True:
            call = NodeCall(
                state={} if task.sent else to_wire(engine.values.wire(node.reads), f"input of {node.full_name}"),
                config=self.config,
                sent=task.sent,
                payload=task.payload,
                answers=[task.journal[number] for number in sorted(task.journal)],
            )
            attempt = partial(self._attempt, engine, node, call, write)
            options = node.options
            result: NodeResult = await self._attempts(
                node.full_name, options.retry, options.timeout, options.total_timeout, attempt
            )
            if result.outcome is not None:
                return result.outcome
            number = len(task.journal)
            task.journal[number] = await self.ask(engine, task, number, cast("Ask", result.ask))

    async def _attempt(self, engine: Engine, node: Node, call: NodeCall, write: Callable[[Any], None]) -> NodeResult:
        store = self._store(engine) if node.wants_store else None
        return await execute_node(node, call, writer=write, store=store)

    async def call_chain(self, engine: Engine, task: Task, chain: Sequence[Node]) -> list[Outcome]:
        """See `Run.call_chain`. Fusing saves history, of which there is none here."""
        return [await self.call(engine, task, chain[0])]

    async def call_child(self, engine: Engine, task: Task, node: Subgraph) -> Outcome:
        """See `Run.call_child`. The child is a run on the thread ``<thread>/<task id>``; its interrupts are asked here."""
        child = LocalRun(
            node.graph, thread_id=f"{self.thread_id}/{task.id}", config=to_wire(self.config, "run configuration")
        )

        child.outer_store = self._store(engine)
        child.asked_by_parent = True

        async def answer(item: Interrupt, value: Any, author: str | None) -> None:
            with suppress(InterruptConflictError):
                child.resume(value, interrupt_id=item.id, author=author)

        async def signal(name: str, value: Any) -> None:
            child.receive_signal(name, value)

        relay = ChildRelay(self, engine, task, answer, signal)
        try:
            child.start(node.input_from_payload(task.payload) if task.sent else node.input_wire(engine.values))
            while not child.ended:
                change = child.change
                relay.update(
                    settled=child.settled,
                    pending=child.desk.waiting,
                    signal_waits=child.signal_waits,
                    asked=child.desk.asked.values(),
                )
                await change.wait()
            await child.until_settled()
        finally:
            relay.close(child.desk.asked.values())
            child.stop()
            self.add_usage(child.usage)
        updates = [
            (event.node or "", event.data)
            for event in child.log.events
            if event.kind == "updates" and not event.namespace
        ]
        return node.outcome(child.root.values, updates)

    async def call_function(
        self,
        task: Task,
        number: Position,
        name: str,
        fn: Callable[..., Any] | None,
        args: Sequence[Any],
        options: Mapping[str, Any],
    ) -> Any:
        """See `Run.call_function`."""
        if fn is None:
            raise NodeError(
                f"ctx.activity({name!r}): only functions given to add_activity(...) can run in this process.",
                node=name,
                cause_type="LookupError",
            )

        async def attempt() -> Any:
            return await fn(*args) if is_async_callable(fn) else await asyncio.to_thread(fn, *args)

        retry = options.get("retry") or RetryPolicy()
        return to_wire(await self._attempts(name, retry, options.get("timeout"), None, attempt), f"result of {name}")

    async def call_model(
        self, engine: Engine, task: Task, number: Position, request: ModelRequest, task_queue: str | None, summary: str
    ) -> dict[str, Any]:
        """See `Run.call_model`."""
        model, options = request.model, request.model.options
        retry = model_retry(options.max_retries)
        limit = to_timedelta_or_none(options.timeout)
        attempt = 1

        def emit(piece: Piece) -> None:
            if not request.held:
                self.record("token", engine, task=task, data=chunk_of(piece))

        while True:
            try:
                async with asyncio.timeout(None if limit is None else limit.total_seconds()):
                    reply = await self.models.call(replace(request, attempt=attempt), emit)
                return self.answered(engine, task, request, to_wire(reply.message(model.provider), "answer"))
            except TimeoutError:
                error = ModelError(
                    f"{model.name} did not answer within {limit}.",
                    kind="timeout",
                    provider=model.provider,
                )
            except ModelError as refused:
                error = refused
            attempt += 1
            wait = retry.wait_before(attempt) if error.is_retryable else None
            if wait is None:
                raise error
            if not request.held:
                self.record("token", engine, task=task, data=RESTART)
            await self.clock.sleep(wait.total_seconds() if error.retry_after is None else error.retry_after)

    async def call_tool(
        self,
        engine: Engine,
        task: Task,
        number: Position,
        tool: Tool,
        args: dict[str, Any],
        call_id: str,
        answers: Sequence[Any],
        summary: str,
    ) -> dict[str, Any]:
        """See `Run.call_tool`."""
        runtime = self.tool_runtime(engine, task, number, tool, call_id, engine.values.data)

        def write(data: Any) -> None:
            self._in_loop(lambda: runtime.write(data))

        attempt = partial(attempt_tool, tool, args, replace(runtime, write=write), answers)
        result: dict[str, Any] = await self._attempts(tool.activity_type, tool.retry, tool.timeout, None, attempt)
        return result

    def has_store(self, engine: Engine) -> bool:
        """See `Run.has_store`."""
        return self.store_graph(engine) is not None or self.outer_store is not None

    async def call_store(self, engine: Engine, task: Task, place: str, request: dict[str, Any], summary: str) -> Any:
        """See `Run.call_store`."""

        async def attempt() -> Any:
            return await serve(cast("Store", self._store(engine)), request)

        return await self._attempts("store", STORE_RETRY, None, None, attempt)

    def tool_store(self, engine: Engine, task: Task, number: Position) -> Store | None:
        """See `Run.tool_store`. Here it is at hand."""
        return self._store(engine)

    def _store(self, engine: Engine) -> Store | None:
        graph = self.store_graph(engine)
        return self.outer_store if graph is None else graph.opened_store

    async def _attempts(
        self,
        name: str,
        retry: RetryPolicy,
        timeout: Duration | None,
        total: Duration | None,
        attempt: Callable[[], Awaitable[Any]],
    ) -> Any:
        """Try something under a retry policy, as Temporal would.

        Raises:
            NodeError: The last attempt failed, or its error is not worth retrying.
            GraphError: The node broke a rule of the graph.
        """
        limit, in_all = to_timedelta_or_none(timeout), to_timedelta_or_none(total)
        deadline = None if in_all is None else self.now() + in_all
        number = 1
        while True:
            failure: GraphError
            left = None if deadline is None else deadline - self.now()
            shortest = min((item for item in (limit, left) if item is not None), default=None)
            try:
                async with asyncio.timeout(None if shortest is None else shortest.total_seconds()) as timer:
                    result = await attempt()
                if not timer.expired():
                    return result
                raise TimeoutError  # it swallowed its cancellation; its result comes too late
            except GraphError as error:
                if not error.is_retryable:
                    raise
                cause: BaseException = error
                failure = error
            except BaseException as error:
                if being_cancelled() or isinstance(error, GeneratorExit | KeyboardInterrupt):
                    raise
                cause = error
                if timer.expired():
                    exceeded = limit if shortest == limit else in_all
                    failure = NodeTimeoutError(
                        f"Node {name} did not finish within {exceeded}.", node=name, cause_type="TimeoutError"
                    )
                else:  # a CancelledError or SystemExit as well: it is the node's own, and not to end the run or the process
                    failure = node_error(name, error)
            number += 1
            wait = retry.wait_before(number) if retry.retries(cause) else None
            if wait is None or (deadline is not None and self.now() + wait >= deadline):
                raise failure from cause
            await self.clock.sleep(wait.total_seconds())

    def _in_loop(self, call: Callable[[], None]) -> None:
        """Call in the event loop: at once if this is its thread, else as soon as it gets round to it."""
        try:
            here = asyncio.get_running_loop() is self.loop
        except RuntimeError:
            here = False
        if here:
            call()
        else:
            self.loop.call_soon_threadsafe(call)
