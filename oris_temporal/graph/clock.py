"""Time as runs in this process see it; tests put another clock in its place."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime


class Clock:
    """The real time."""

    def now(self) -> datetime:
        """The present time (UTC)."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        """Wait until an event is set, at most so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), seconds)


_REAL = Clock()
current_clock: ContextVar[Clock] = ContextVar("oris_clock", default=_REAL)
"""Clock of the runs that start in this context."""
