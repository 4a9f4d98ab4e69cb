"""Watching runs: chunks of the client's stream as server-sent events, up to one that says how the run stands."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from dataclasses import dataclass, replace

from temporalio.service import RPCError

from oris_temporal.client import OrisClient, RunInfo, Watch
from oris_temporal.graph.errors import OrisError, ThreadNotFoundError
from oris_temporal.graph.results import StreamChunk

from ..error_mapping import explain
from ..errors import ApiError, error_envelope, internal, unavailable
from ..models.streams import StreamedChunk
from ..transport.event_stream import Events, EventStream, OpenStreams, ServerSentEvent
from .checks import require
from .results import job_outcome
from .threads import no_state

logger = logging.getLogger(__name__)

_GATHER_SECONDS = 0.02
"""How long the look at a run that settled waits for others who want it: all its watchers are told at the same moment."""


@dataclass(frozen=True, slots=True)
class View:
    """What a watcher asks to see.

    Attributes:
        modes: Stream modes.
        cursor: Go on after this event; ``None`` is from the start of the run.
        subgraphs: Whether to include what happens inside subgraphs.
        follow: Go on while the run waits for people.
    """

    modes: list[str]
    cursor: str | None
    subgraphs: bool
    follow: bool


class StreamService:
    """Shows runs to watchers.

    Args:
        client: The client.
    """

    def __init__(self, client: OrisClient) -> None:
        self._client = client
        self._looks: dict[tuple[str, int], asyncio.Task[RunInfo]] = {}
        self.open = OpenStreams()

    async def stream(self, thread_id: str, view: View, request_id: str) -> EventStream:
        """The events of a thread's latest run. What is wrong with the request is told before they begin."""
        require(thread_id, "thread_id")
        try:
            watch = await self._watch(thread_id, view)
        except ThreadNotFoundError:
            raise no_state(thread_id) from None
        stopping = _failure(request_id, unavailable("the server stops; connect again to go on after the last event"))
        return EventStream(self._events(thread_id, view, watch, request_id), self.open, stopping)

    async def _watch(self, thread_id: str, view: View) -> Watch:
        return await self._client.watch(
            thread_id, mode=view.modes, cursor=view.cursor, subgraphs=view.subgraphs, follow=view.follow
        )

    async def _events(self, thread_id: str, view: View, watch: Watch, request_id: str) -> Events:
        cursor = view.cursor
        try:
            while True:
                async with aclosing(watch.chunks):
                    async for chunk in watch.chunks:
                        cursor = chunk.cursor
                        yield _shown(chunk)
                run = await self._look(thread_id, watch.run)
                if run.status != "running":
                    break
                later = await self._watch(thread_id, replace(view, cursor=cursor))  # it was answered meanwhile
                if later.run == watch.run:
                    watch = later
            yield ServerSentEvent("end", job_outcome(run).model_dump_json(), cursor)
        except (OrisError, RPCError) as error:
            yield _failure(request_id, explain(error), cursor)
        except Exception:
            logger.exception("The stream of thread %r failed (request %s)", thread_id, request_id)
            yield _failure(request_id, internal("the stream failed; the server's log has the cause"), cursor)

    async def _look(self, thread_id: str, run: int) -> RunInfo:
        """How a run stands. One look, which begins after all of them have asked, serves many."""
        key = thread_id, run
        if (look := self._looks.get(key)) is None:
            look = self._looks[key] = asyncio.create_task(self._look_soon(key))
            look.add_done_callback(_note)
        return await asyncio.shield(look)

    async def _look_soon(self, key: tuple[str, int]) -> RunInfo:
        await asyncio.sleep(_GATHER_SECONDS)
        del self._looks[key]
        thread_id, run = key
        return await self._client.inspect(thread_id, run=run)


def _note(look: asyncio.Task[RunInfo]) -> None:
    """Take note of an error that nobody waits for any more, else asyncio complains that nobody did."""
    if not look.cancelled():
        look.exception()


def _shown(chunk: StreamChunk) -> ServerSentEvent:
    data = StreamedChunk(mode=chunk.mode, data=chunk.data, cursor=chunk.cursor, namespace=chunk.namespace)
    return ServerSentEvent(chunk.mode, data.model_dump_json(), chunk.cursor)


def _failure(request_id: str, error: ApiError, cursor: str | None = None) -> ServerSentEvent:
    return ServerSentEvent("error", error_envelope(request_id, error).model_dump_json(), cursor)
