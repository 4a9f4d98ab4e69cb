"""The conformance kit's host on a real Temporal server.

Every workflow task replays its run from the beginning (`ReplayingWorker`), and when a test is over the histories it made are
replayed once more: what a run did must not depend on what the worker still had in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import temporalio.client
from hosts import DEFAULTS, Options, Record, breakpoints_aside, finished_steps
from libraries import Library, Oris

from oris_temporal import Command, CompiledGraph, StateSnapshot
from oris_temporal.client import OrisClient
from oris_temporal.client.records import RunResult
from oris_temporal.graph.control import MISSING
from oris_temporal.graph.options import RunAs
from oris_temporal.testing import ReplayingWorker


class TemporalHost:
    """`OrisClient` and workers, as an async context manager. A worker for a graph is started when it is first used.

    Args:
        temporal: Client of the server.
        run_as: Where nodes run that do not say so themselves.
        continue_as_new_after: History events after which a run continues as new; ``None`` is the server's suggestion.
    """

    name = "temporal"

    def __init__(
        self,
        temporal: temporalio.client.Client,
        run_as: RunAs = "activity",
        *,
        continue_as_new_after: int | None = None,
    ) -> None:
        self.library: Library = Oris(run_as)
        self._temporal = temporal
        self._continue_as_new_after = continue_as_new_after
        self._clients: dict[int, OrisClient] = {}
        self._seen: dict[str, str] = {}
        self._workers: list[ReplayingWorker] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        if exc is None:
            for worker in self._workers:
                await worker.check_replay()

    async def start(self, graph: CompiledGraph, input: Any, thread_id: str, options: Options = DEFAULTS) -> Record:
        result = await (await self._client(graph)).run(
            graph,
            thread_id,
            input,
            config=_config(options),
            context=options.context,
            interrupt_before=options.interrupt_before,
            interrupt_after=options.interrupt_after,
            continue_as_new_after=self._continue_as_new_after,
        )
        return await self._record(graph, result)

    async def resume(self, graph: CompiledGraph, thread_id: str, value: Any) -> Record:
        return await self._record(graph, await (await self._client(graph)).resume(thread_id, value))

    async def answer(self, graph: CompiledGraph, thread_id: str, answers: Mapping[str, Any]) -> Record:
        client = await self._client(graph)
        return await self._record(graph, await client.resume(thread_id, dict(answers), by_id=True))

    async def proceed(self, graph: CompiledGraph, thread_id: str) -> Record:
        return await self._record(graph, await (await self._client(graph)).resume(thread_id))

    async def command(self, graph: CompiledGraph, thread_id: str, command: Command) -> Record:
        value = MISSING if command.resume is MISSING else command.resume
        client = await self._client(graph)
        result = await client.resume(thread_id, value, update=command.update, goto=command.goto or None)
        return await self._record(graph, result)

    async def resume_at(self, graph: CompiledGraph, thread_id: str, checkpoint_id: str, value: Any) -> Record:
        client = await self._client(graph)
        return await self._record(graph, await client.resume(thread_id, value, checkpoint_id=checkpoint_id))

    async def retry(self, graph: CompiledGraph, thread_id: str, options: Options = DEFAULTS) -> Record:
        latest = await self.state(graph, thread_id)
        client = await self._client(graph)
        result = await client.replay(thread_id, latest.checkpoint_id, config=_config(options))
        return await self._record(graph, result)

    async def replay(self, graph: CompiledGraph, thread_id: str, checkpoint_id: str) -> Record:
        return await self._record(graph, await (await self._client(graph)).replay(thread_id, checkpoint_id))

    async def fork(self, graph: CompiledGraph, thread_id: str, checkpoint_id: str, update: Any) -> tuple[str, Record]:
        result = await (await self._client(graph)).fork(thread_id, checkpoint_id, update=update)
        return result.thread_id, await self._record(graph, result)

    async def update_state(
        self, graph: CompiledGraph, thread_id: str, values: Any, *, as_node: str | None = None
    ) -> str:
        return await (await self._client(graph)).update_state(thread_id, values, as_node=as_node)

    async def state(self, graph: CompiledGraph, thread_id: str, checkpoint_id: str | None = None) -> StateSnapshot:
        return await (await self._client(graph)).checkpoint(thread_id, checkpoint_id)

    async def history(self, graph: CompiledGraph, thread_id: str) -> list[StateSnapshot]:
        return await (await self._client(graph)).history(thread_id, order="newest")

    async def stream(
        self,
        graph: CompiledGraph,
        input: Any,
        thread_id: str,
        mode: str | Sequence[str],
        options: Options = DEFAULTS,
        *,
        live: bool = False,
    ) -> list[Any]:
        client = await self._client(graph)
        if isinstance(input, Command):
            await client.resume(thread_id, input.resume)
        else:
            config: dict[str, Any] = {"configurable": dict(options.configurable)}
            await client.start(graph, thread_id, input, config=config, context=options.context)
            if (
                not live
            ):  # workers without a cache lose one of two queries at once, such as a watcher's and a model call's
                await client.result(thread_id)
        chunks = [chunk async for chunk in client.stream(thread_id, mode=mode, cursor=self._seen.get(thread_id))]
        self._seen[thread_id] = chunks[-1].cursor
        return [chunk.data for chunk in chunks]

    async def _record(self, graph: CompiledGraph, result: RunResult) -> Record:
        steps, boundaries = finished_steps(await self.history(graph, result.thread_id))
        error = result.error or {}
        return Record(
            status=result.status,
            values=result.values,
            asks=breakpoints_aside(result.interrupts),
            next=tuple(result.next),
            steps=steps,
            boundaries=boundaries,
            error=error.get("code"),
            message=error.get("message", ""),
            usage=result.usage,
        )

    async def _client(self, graph: CompiledGraph) -> OrisClient:
        """The client of a graph's worker, which has a task queue of its own."""
        if id(graph) not in self._clients:
            client = OrisClient(self._temporal, task_queue=f"conformance-{uuid4().hex}")
            self._workers.append(await self._stack.enter_async_context(ReplayingWorker(client, [graph])))
            self._clients[id(graph)] = client
        return self._clients[id(graph)]


def _config(options: Options) -> dict[str, Any]:
    config: dict[str, Any] = {"configurable": dict(options.configurable)}
    if options.recursion_limit is not None:
        config["recursion_limit"] = options.recursion_limit
    return config
