"""Live progress: the nodes of a run as they start and finish."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, TextIO, TypeAlias

from temporalio.service import RPCError

from oris_temporal.client import OrisClient
from oris_temporal.client.lookup import Found, find
from oris_temporal.client.waiting import untaken_from
from oris_temporal.graph.errors import OrisError
from oris_temporal.graph.streaming import Cursor

from .render import compact
from .style import one_line, paint, terminal_width, width_of
from .words import printable

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAME_SECONDS = 0.1
_LOOK_SECONDS = 0.05
_DRAIN_SECONDS = 5.0
_MARK_SECONDS = 2.0
_WORKER_SECONDS = 2.0
_WORKER_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class _Running:
    """A task that runs: its node, when it started by the run's clock and by ours, and what it says of itself."""

    node: str
    started: datetime
    since: float
    note: str = ""


class Progress:
    """Prints what happens in a run.

    Args:
        stream: Where to print.
        live: Whether the stream is a terminal, so that a line at the bottom can show what runs now. Otherwise nodes are
            reported when they start, too.
    """

    def __init__(self, stream: TextIO, *, live: bool) -> None:
        self._stream = stream
        self._live = live
        self._running: dict[str, _Running] = {}
        self._frame = 0
        self._missing: str | None = None

    def show(self, event: Mapping[str, Any]) -> None:
        """Print an event of the ``debug`` stream; events that say nothing about progress are left out."""
        node, at = self._label(event), datetime.fromisoformat(event["at"])
        key = str(event.get("task_id") or node)
        match event["event_type"]:
            case "task_started":
                self._running[key] = _Running(node, at, time.monotonic())
                if not self._live:
                    self._print("▸", "cyan", node, "started")
            case "task_completed":
                task = self._running.pop(key, None)
                self._print("✓", "green", node, f"{(at - task.started).total_seconds():.1f}s" if task else "")
            case "task_failed":
                self._running.pop(key, None)
                self._print("✗", "red", node, str(event.get("error", "failed")))
            case "run_failed" | "run_cancelled":
                for task in self._running.values():
                    self._print("✗", "red", task.node, "")
                self._running.clear()
            case "interrupt":
                self._running.pop(key, None)
                value = event.get("value")
                what = "stops here" if event.get("kind", "interrupt") != "interrupt" else f"asks {compact(value)}"
                self._print("?", "yellow", node, what)
            case "resumed":
                self._print("!", "yellow", node, f"is answered {compact(event.get('value'))}")
            case "custom" if key in self._running:
                data = event.get("data")
                self._running[key] = replace(self._running[key], note=data if isinstance(data, str) else compact(data))
            case "continued":
                self._print("·", "dim", "", "continued as new")
            case _:
                pass

    def misses(self, task_queue: str | None) -> None:
        """Show that nothing goes on because nobody takes tasks from a task queue; ``None`` if somebody does."""
        self._missing = task_queue

    async def tick(self) -> None:
        """Keep the live line moving until cancelled."""
        try:
            while self._live:
                self._frame += 1
                self._draw()
                await asyncio.sleep(_FRAME_SECONDS)
        finally:
            self.clear()

    def say(self, text: str) -> None:
        """Print a line between the others."""
        self.clear()
        print(printable(text), file=self._stream, flush=True)

    def clear(self) -> None:
        """Take the live line away."""
        if self._live:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _draw(self) -> None:
        frame = _FRAMES[self._frame % len(_FRAMES)]
        if self._missing is not None:
            return self._draw_line(
                f"{frame} {self._columns_of('', f'waiting for a worker on task queue {self._missing}')}"
            )
        if not self._running:
            return self.clear()
        tasks = list(self._running.values())
        names = ", ".join(dict.fromkeys(task.node for task in tasks))
        seconds = time.monotonic() - min(task.since for task in tasks)
        return self._draw_line(f"{frame} {self._columns_of(names, f'{seconds:.0f}s {tasks[-1].note}')}")

    def _draw_line(self, text: str) -> None:
        self._stream.write(f"\r\x1b[K  {paint(text, 'cyan', self._stream)}")
        self._stream.flush()

    def _print(self, mark: str, colour: str, node: str, text: str) -> None:
        self.say(f"  {paint(mark, colour, self._stream)} {self._columns_of(node, text)}")

    def _columns_of(self, node: str, text: str) -> str:
        """Node and text side by side, cut to fit the terminal."""
        name = one_line(node).ljust(16) + " " if node else ""
        width = terminal_width(self._stream)
        return (name + one_line(text, None if width is None else max(10, width - width_of(name) - 5))).rstrip()

    @staticmethod
    def _label(event: Mapping[str, Any]) -> str:
        path = [part.partition(":")[0] for part in str(event.get("namespace", "")).split("|") if part]
        return " > ".join([*path, str(event.get("node") or "")])


Since: TypeAlias = Literal["start", "now", "next run"]


class Follower:
    """Shows the progress of one thread beside a call that waits for it.

    It only looks: whatever goes wrong with it is left to the call to report.

    Args:
        client: The client.
        thread_id: The thread; it may be new.
        progress: Where to show it.
    """

    def __init__(self, client: OrisClient, thread_id: str, progress: Progress) -> None:
        self._client = client
        self._thread_id = thread_id
        self._progress = progress
        self._cursor: str | None = None
        self._before: str | None = None

    @asynccontextmanager
    async def following(self, since: Since) -> AsyncIterator[None]:
        """Show what happens while the block runs, and the rest of it once the block has ended.

        Args:
            since: ``now`` leaves out what the thread's present run did before, ``next run`` leaves out all of it, ``start``
                nothing but what this follower has shown already.
        """
        if since != "start":
            with contextlib.suppress(OrisError, RPCError, TimeoutError):
                async with asyncio.timeout(_MARK_SECONDS):
                    await self._mark(since)
        follow, tick = asyncio.create_task(self._follow()), asyncio.create_task(self._progress.tick())
        look = asyncio.create_task(self._look_for_worker())
        try:
            yield
            with contextlib.suppress(OrisError, RPCError, TimeoutError):
                async with asyncio.timeout(_DRAIN_SECONDS):
                    await self._drain(follow)
        finally:
            for task in (follow, tick, look):
                task.cancel()
            await asyncio.wait({follow, tick, look})

    async def _drain(self, follow: asyncio.Task[None]) -> None:
        """Show what is still to come of a run that has settled."""
        found = await self._find()
        if found is None or (found.is_open and found.status != "interrupted"):
            return  # it goes on, and nobody waits for it any more
        if not found.is_open:
            await follow  # it ends with the run
        else:
            follow.cancel()
            await asyncio.wait({follow})
            await self._show(follow=False)

    async def _mark(self, since: Since) -> None:
        """Remember where the thread is now."""
        found = await self._find()
        if found is None:
            return
        if since == "next run":
            self._before = found.run_id
        elif events := await self._client.timeline(self._thread_id):
            self._cursor = str(Cursor(found.ordinal, events[-1].seq))

    async def _follow(self) -> None:
        with contextlib.suppress(OrisError, RPCError):
            while (found := await self._find()) is None or found.run_id == self._before:  # noqa: ASYNC110 - only the server knows
                await asyncio.sleep(_LOOK_SECONDS)
            await self._show(follow=True)

    async def _look_for_worker(self) -> None:
        """Show it if nobody takes the run's tasks. The call itself is told only when the worker is known to be gone."""
        while True:
            await asyncio.sleep(_WORKER_LOOK_SECONDS)
            with contextlib.suppress(OrisError, RPCError):
                found = await self._find()
                self._progress.misses(None if found is None else untaken_from(found, _WORKER_SECONDS))

    async def _show(self, *, follow: bool) -> None:
        chunks = self._client.stream(self._thread_id, mode="debug", cursor=self._cursor, subgraphs=True, follow=follow)
        async for chunk in chunks:
            self._cursor = chunk.cursor
            self._progress.show(chunk.data)

    async def _find(self) -> Found | None:
        return await find(self._client.temporal, f"{self._client.id_prefix}{self._thread_id}", self._thread_id)
