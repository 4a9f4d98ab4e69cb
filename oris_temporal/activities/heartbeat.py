"""Heartbeats of node activities: proof of life, the way cancellation arrives, and a side channel for streams."""

from __future__ import annotations

import asyncio
from typing import Any, Self

from temporalio import activity

BEAT_SECONDS = 0.8
"""Time between beats. A beat's answer carries a cancellation, so a node learns of it within about a second."""

KEPT_PIECES = 200
"""Stream pieces kept in the heartbeat details; a watcher that looks every 100 ms sees them all below 2,000 a second."""


class Pulse:
    """The heartbeats of one attempt, and what they say. It beats in the background inside its ``with`` block.

    A node that ends before the first beat costs nothing.

    Attributes:
        progress: What a later attempt may take over; at first, what an earlier one left.
    """

    def __init__(self) -> None:
        self.progress: Any = last_progress()
        self._pieces: list[Any] = []
        self._sent = 0
        self._remote = not activity.info().is_local

    def write(self, piece: Any) -> None:
        """Send a piece of stream data to whoever watches. It reaches no history."""
        self._pieces.append(piece)
        self._sent += 1
        if len(self._pieces) > 2 * KEPT_PIECES:
            del self._pieces[:KEPT_PIECES]
        self.beat()

    def beat(self) -> None:
        """Send a heartbeat; the worker's throttle decides when it leaves."""
        if self._remote:
            details: dict[str, Any] = {}
            if self.progress is not None:
                details["progress"] = self.progress
            if self._pieces:
                details["stream"] = {"sent": self._sent, "pieces": self._pieces[-KEPT_PIECES:]}
            activity.heartbeat(details) if details else activity.heartbeat()

    def __enter__(self) -> Self:
        self._timer = asyncio.get_running_loop().call_later(BEAT_SECONDS, self._beat_again)
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _beat_again(self) -> None:
        self.beat()
        self._timer = asyncio.get_running_loop().call_later(BEAT_SECONDS, self._beat_again)


def last_progress() -> Any:
    """What an earlier attempt of this activity left as its progress."""
    details = activity.info().heartbeat_details
    return details[0].get("progress") if details and isinstance(details[0], dict) else None
