"""What the facade does by itself, again and again, while it serves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from temporalio.service import RPCError
from temporalio.worker import Worker

from oris_temporal.graph.errors import OrisError

logger = logging.getLogger(__name__)


@asynccontextmanager
async def repeating(work: Callable[[], Awaitable[object]], seconds: float, otherwise: str) -> AsyncIterator[None]:
    """Do something again and again until the block ends.

    Args:
        work: What to do. Of several facades on one database each does it, and what is due falls to the first.
        seconds: From the end of one time to the next.
        otherwise: What the log says while it does not succeed.
    """
    task = asyncio.create_task(_repeat(work, seconds, otherwise), name=getattr(work, "__qualname__", "repeating"))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def serving(make: Callable[[], Worker], otherwise: str) -> AsyncIterator[None]:
    """Run a Temporal worker until the block ends, and another one whenever it has failed.

    Args:
        make: Makes the worker.
        otherwise: What the log says while none runs.
    """
    stop = asyncio.Event()
    task = asyncio.create_task(_serve(make, stop, otherwise), name="remote nodes")
    try:
        yield
    finally:
        stop.set()
        await task


async def _serve(make: Callable[[], Worker], stop: asyncio.Event, otherwise: str) -> None:
    while not stop.is_set():
        try:
            async with make():
                await stop.wait()
        except Exception as error:  # such as that Temporal cannot be reached
            logger.error("%s: %s", otherwise, error)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 5)


async def _repeat(work: Callable[[], Awaitable[object]], seconds: float, otherwise: str) -> None:
    told = False
    while True:
        try:
            await work()
            told = False
        except (OrisError, RPCError) as error:
            if not told:
                logger.error("%s: %s", otherwise, error)
            told = True
        except Exception:
            logger.exception(otherwise)
        await asyncio.sleep(seconds)
