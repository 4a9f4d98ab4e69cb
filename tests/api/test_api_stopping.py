"""What becomes of streams when the facade is to stop, and where there is no worker."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from facade_graphs import all_graphs
from facade_process import facade_process
from facade_server import serving
from facade_streams import streaming
from fastapi import FastAPI

from oris_temporal.api import create_app
from oris_temporal.client import OrisClient
from oris_temporal.config import Settings
from oris_temporal.devserver import DevServer
from oris_temporal.worker import Worker


async def test_a_facade_that_is_to_stop_tells_its_watchers_and_stops(dev_server: DevServer) -> None:
    client = OrisClient(await dev_server.connect(), task_queue="stopping")
    async with Worker(client, graphs=all_graphs()):
        await client.run("int", "stopping", "hello")
        env = {**dev_server.environment, "ORIS_TASK_QUEUE": "stopping"}
        events = await asyncio.to_thread(_stop_while_watching, env)
    assert [event.event for event in events] == ["updates", "error"]
    assert events[1].data["error"]["code"] == "unavailable"


def _stop_while_watching(env: dict[str, str]) -> list[Any]:
    with facade_process(env) as (api, child), streaming(api, "stopping", "follow=true") as events:
        seen = [next(events)]
        os.kill(child.pid, signal.SIGTERM)
        seen += events
        end = time.monotonic() + 10
        while child.running and time.monotonic() < end:
            time.sleep(0.02)
        assert not child.running
        return seen


def test_without_a_worker_a_stream_ends_with_an_error() -> None:
    @asynccontextmanager
    async def stack() -> AsyncIterator[FastAPI]:
        async with DevServer(ui=False) as server:
            client = OrisClient(await server.connect())
            await client.start("int", "watched", "hello")
            yield create_app(client, settings=Settings(default_graph="int"))

    with serving(stack) as api, streaming(api, "watched") as events:
        (error,) = events
    assert (error.event, error.data["error"]["code"]) == ("error", "unavailable")
    assert error.data["error"]["message"].startswith("No worker polls task queue 'oris'")
