"""Heartbeats of node activities: proof of life, the way cancellation arrives, and a side channel for streams."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Self

from temporalio import activity

from oris_temporal.graph.wire import wire_size

BEAT_SECONDS = 0.8
"""Time between beats. A beat's answer carries a cancellation, so a node learns of it within about a second."""

SEND_SECONDS = 0.1
"""Shortest time between beats that carry stream pieces; the worker's throttle lets no more through."""

KEPT_PIECES = 200
"""Stream pieces kept in the heartbeat details; a watcher that looks every 100 ms sees them all below 2,000 a second."""

KEPT_BYTES = 64_000
"""Bytes of them; a piece that is larger is seen when it is recorded."""


class Pulse:
    """The heartbeats of one attempt, and what they say. It beats in the background inside its ``with`` block.

    A node that ends before the first beat costs nothing.

    Attributes:
        progress: What a later attempt may take over; at first, what an earlier one left.
    """

    def __init__(self) -> None:
        self.progress: Any = last_progress()
        self._pieces: deque[tuple[int, Any]] = deque()
        self._bytes = 0
        self._sent = 0
        self._sent_at = 0.0
        self._send_timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        info = activity.info()
        self._attempt = info.attempt
        self._remote = not info.is_local

    def write(self, piece: Any) -> None:
        """Send a piece of stream data to whoever watches. It reaches no history."""
        size = wire_size(piece)
        self._pieces.append((size, piece))
        self._bytes += size
        self._sent += 1
        while len(self._pieces) > KEPT_PIECES or self._bytes > KEPT_BYTES:
            self._bytes -= self._pieces.popleft()[0]
        if self._send_timer is None:
            wait = self._sent_at + SEND_SECONDS - self._loop.time()
            self._send_timer = self._loop.call_later(max(0.0, wait), self._send)

    def beat(self) -> None:
        """Send a heartbeat; the worker's throttle decides when it leaves."""
        if self._remote:
            details: dict[str, Any] = {}
            if self.progress is not None:
                details["progress"] = self.progress
            if self._pieces:
                details["stream"] = {
                    "attempt": self._attempt,  # details outlive their attempt
                    "sent": self._sent,
                    "pieces": [piece for _, piece in self._pieces],
                }
            activity.heartbeat(details) if details else activity.heartbeat()

    def __enter__(self) -> Self:
        self._beat_timer = self._loop.call_later(BEAT_SECONDS, self._beat_again)
        return self

    def __exit__(self, *_: object) -> None:
        self._beat_timer.cancel()
        if self._send_timer is not None:
            self._send_timer.cancel()

    def _beat_again(self) -> None:
        self.beat()
        self._beat_timer = self._loop.call_later(BEAT_SECONDS, self._beat_again)

    def _send(self) -> None:
        self._send_timer = None
        self._sent_at = self._loop.time()
        self.beat()


def last_progress() -> Any:
    """What an earlier attempt of this activity left as its progress."""
    details = activity.info().heartbeat_details
    return details[0].get("progress") if details and isinstance(details[0], dict) else None
