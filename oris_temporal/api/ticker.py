"""Lets time pass for leases also while no worker asks for anything."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from .control_store.database import StoreUnavailableError
from .control_store.ticks import Ticks
from .control_store.times import now_millis

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 1.0


@asynccontextmanager
async def ticking(ticks: Ticks, interval: float = INTERVAL_SECONDS) -> AsyncIterator[None]:
    """Tick until the block ends. Of several facades on one database each ticks, and what is due is ended by the first.

    Args:
        ticks: What to tick.
        interval: Seconds from one tick to the next.
    """
    ticker = asyncio.create_task(_tick(ticks, interval), name="ticker")
    try:
        yield
    finally:
        ticker.cancel()
        with suppress(asyncio.CancelledError):
            await ticker


async def _tick(ticks: Ticks, interval: float) -> None:
    works = True
    while True:
        try:
            await ticks.tick(now_millis())
            works = True
        except StoreUnavailableError as error:
            if works:
                logger.error("Leases do not expire for the time being: %s", error)
            works = False
        await asyncio.sleep(interval)
