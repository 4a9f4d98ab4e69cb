"""Streams: one tail per run, shared by all who watch it.

A long poll on the history says that something happened; a query then fetches the events since. Neither adds to the history, and
however many watch, the server sees one poll.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from oris_temporal.graph.errors import OrisError
from oris_temporal.graph.records import Event
from oris_temporal.graph.results import StreamChunk
from oris_temporal.graph.streaming import Cursor, is_visible, project
from oris_temporal.workflows.protocol import QUERY_EVENTS

from .history import follow_history
from .live import LIVE_MODES, LOOK_SECONDS, Beat, LiveView, beats_of
from .lookup import Found, describe, runs_of
from .snapshots import read_event
from .threads import Threads

_PATIENCE = timedelta(seconds=60)
"""Longest wait for events. A question that a worker loses is put to it again only after its workflow task timeout, 10 s."""

_NOTHING: dict[str, Any] = {"run": 0, "settled": False, "items": [], "more": False}

_ENDS = {"run_completed", "run_failed", "run_cancelled"}


@dataclass(slots=True)
class _Seen:
    event: Event
    values: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class _Look:
    """What running activities had sent at some moment.

    Attributes:
        history: Run id and number of events in its history at that moment.
        beats: The latest heartbeats, by activity and attempt.
    """

    history: tuple[str, int]
    beats: dict[tuple[str, int], Beat]


@dataclass
class _Tail:
    """Events of one run, as far as they were fetched: of the history of a run id, up to an event.

    Heartbeats that were looked at are not shown before what had happened by then, nor when their task has said something since: what
    they sent is recorded then, or was in vain.
    """

    run: int = 0
    events: list[_Seen] = field(default_factory=list)
    over: bool = False
    settled: bool = False
    error: BaseException | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    heard: dict[str | None, datetime] = field(default_factory=dict)
    beats: dict[tuple[str, int], Beat] = field(default_factory=dict)
    looked: _Look | None = None
    history: tuple[str, int] = "", 0
    watchers: int = 0
    live_watchers: int = 0
    task: asyncio.Task[None] | None = None
    looking: asyncio.Task[None] | None = None

    @property
    def latest(self) -> int:
        """Number of the latest event."""
        return self.events[-1].event.seq if self.events else 0

    def show(self) -> None:
        """Show what was looked at, if it is its turn."""
        if self.looked is None or self.looked.history[0] != self.history[0] or self.looked.history[1] > self.history[1]:
            return
        shown, self.beats, self.looked = self.beats, self._current(self.looked.beats), None
        if shown != self.beats:
            self.wake()

    def add(self, fresh: Sequence[_Seen]) -> None:
        """Add events."""
        self.events += fresh
        self.heard |= {seen.event.task_id: seen.event.at for seen in fresh}
        self.beats = self._current(self.beats)

    def _current(self, beats: dict[tuple[str, int], Beat]) -> dict[tuple[str, int], Beat]:
        """Those that are later than all events of their tasks, by the server's clock."""
        return {
            key: beat
            for key, beat in beats.items()
            if (heard := self.heard.get(beat.task_id)) is None or beat.at > heard
        }

    def wake(self) -> None:
        """Let every watcher look again."""
        self.changed.set()
        self.changed = asyncio.Event()


class Tails:
    """The tails of one client.

    Args:
        threads: The threads.
    """

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._temporal = threads.temporal
        self._tails: dict[str, _Tail] = {}

    async def watch(
        self, found: Found, modes: Sequence[str], after: Cursor, *, subgraphs: bool, follow: bool
    ) -> AsyncGenerator[StreamChunk, None]:
        """Chunks of a run, from after a cursor. See `OrisClient.stream`."""
        if after.run != found.ordinal:
            after = Cursor(found.ordinal, 0)
        live = LiveView(after.live) if LIVE_MODES.intersection(modes) else None
        tail = self._join(found, live is not None)
        try:
            position = 0
            while True:
                changed, over, settled = tail.changed, tail.over, tail.settled
                while position < len(tail.events):
                    seen = tail.events[position]
                    position += 1
                    if live is not None and live.had(seen.event):
                        continue
                    had = after.had_of(seen.event.seq)
                    if had is None or not is_visible(seen.event, subgraphs=subgraphs):
                        continue
                    position_live = live.position(tail.beats.values()) if live is not None else ()
                    chunks = project(seen.event, modes, ordinal=tail.run, values=seen.values, live=position_live)
                    for chunk in islice(chunks, had, None):
                        yield chunk
                if live is not None:
                    beats = tail.beats.values()
                    for event in live.fresh(beats, tail.latest):
                        if is_visible(event, subgraphs=subgraphs):
                            at = str(Cursor(tail.run, event.seq, live=live.position(beats)))
                            for chunk in project(event, modes, ordinal=tail.run, values=None):
                                yield replace(chunk, cursor=at)
                if tail.error is not None:
                    raise tail.error
                if over or (settled and not follow):
                    return
                await changed.wait()
        finally:
            self._leave(found.run_id, tail, live is not None)

    def _join(self, found: Found, live: bool) -> _Tail:
        tail = self._tails.get(found.run_id)
        if tail is None:
            tail = self._tails[found.run_id] = _Tail()
            tail.task = asyncio.create_task(self._follow(tail, found))
        tail.watchers += 1
        tail.live_watchers += live
        if live and tail.looking is None:
            tail.looking = asyncio.create_task(self._look(tail, found))
        return tail

    def _leave(self, key: str, tail: _Tail, live: bool) -> None:
        tail.watchers -= 1
        tail.live_watchers -= live
        if tail.looking is not None and not tail.live_watchers:
            tail.looking.cancel()
            tail.looking = None
        if not tail.watchers:
            self._tails.pop(key, None)
            if tail.task is not None:
                tail.task.cancel()
            tail.events = []  # at once: what ended may be held until the garbage collector comes round

    async def _look(self, tail: _Tail, found: Found) -> None:
        """Look at what running activities send, for as long as somebody watches that."""
        while not tail.over:
            changed = tail.changed
            with suppress(OrisError):  # the tail itself says what is wrong
                latest = await describe(self._temporal, found.workflow_id, found.workflow_id)
                beats = {(beat.activity_id, beat.attempt): beat for beat in await beats_of(self._temporal, latest)}
                if (description := latest.description) is not None:
                    length = description.workflow_execution_info.history_length
                    if tail.looked is None or tail.looked.history[0] != latest.run_id:  # else its turn comes first
                        tail.looked = _Look((latest.run_id, length), beats)
                    tail.show()
                    if description.pending_activities or tail.looked is not None:
                        await asyncio.sleep(LOOK_SECONDS)
                        continue
            await changed.wait()

    async def _follow(self, tail: _Tail, found: Found) -> None:
        try:
            await self._follow_segments(tail, found)
            tail.over = True
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            tail.error = error
        finally:
            tail.wake()

    async def _follow_segments(self, tail: _Tail, found: Found) -> None:
        """Follow a run through every history it had and will have: it may continue as new, and more than once between two looks."""
        followed = ""
        while segments := await self._segments(found, followed):
            for segment in segments[:-1]:
                await self._fetch(tail, segment)
            await self._follow_run(tail, segments[-1])
            followed = segments[-1].run_id

    async def _segments(self, found: Found, after: str) -> list[Found]:
        """The histories of a run after one of them, oldest first."""
        runs = await runs_of(self._temporal, found.workflow_id, found.workflow_id, until=after)
        return [run for run in reversed(runs) if run.ordinal == found.ordinal]

    async def _follow_run(self, tail: _Tail, found: Found) -> None:
        """Fetch events whenever the history has grown, until the workflow is closed."""
        await self._fetch(tail, found)
        if found.is_open:
            async for events in follow_history(self._temporal, found):
                await self._fetch(tail, found, events[-1].event_id)

    async def _fetch(self, tail: _Tail, found: Found, upto: int = 0) -> None:
        """Fetch the events of a run since the last time.

        Args:
            tail: The tail.
            found: The run.
            upto: Event of its history up to which these are all.
        """
        thread_id = self._threads.thread_of(found.workflow_id)
        more = True
        while more:
            page = await self._threads.query(
                thread_id, found, QUERY_EVENTS, tail.latest, patience=_PATIENCE, nothing=_NOTHING
            )
            tail.run, more = page["run"] or found.ordinal, page["more"]
            tail.add([_Seen(read_event(wire), wire.get("values")) for wire in page["items"]])
        tail.settled = page["settled"] and not found.continued
        tail.over = bool(tail.events) and tail.events[-1].event.kind in _ENDS
        tail.history = found.run_id, upto
        tail.wake()
        tail.show()
