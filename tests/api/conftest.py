"""The real thing for the facade's tests: dev server, worker, `OrisClient` and HTTP server."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx
import pytest
from facade_graphs import all_graphs
from facade_probe import probe_app
from facade_server import serving
from fastapi import FastAPI

from oris_temporal.api import create_app
from oris_temporal.client import OrisClient
from oris_temporal.config import Settings
from oris_temporal.devserver import DevServer
from oris_temporal.worker import Worker

T = TypeVar("T")


@asynccontextmanager
async def _stack(**settings: Any) -> AsyncIterator[FastAPI]:
    async with DevServer(ui=False) as server:
        client = OrisClient(await server.connect())
        async with Worker(client, graphs=all_graphs()):
            yield create_app(client, settings=Settings(default_graph="int", **settings))


@pytest.fixture(scope="session")
def facade() -> Iterator[httpx.Client]:
    """HTTP client of a facade that all tests share; its default graph is G-int."""
    with serving(_stack) as client:
        yield client


@pytest.fixture
def fresh_facade() -> Iterator[httpx.Client]:
    """HTTP client of a facade whose Temporal has seen no run."""
    with serving(_stack) as client:
        yield client


@pytest.fixture(scope="session")
def knowing_facade() -> Iterator[httpx.Client]:
    """HTTP client of a facade that knows its graphs."""
    with serving(lambda: _stack(graphs=("facade_graphs:all_graphs",))) as client:
        yield client


@pytest.fixture
def eventually() -> Callable[[Callable[[], T]], T]:
    """Calls something until its result is true; lists lag behind runs by Temporal's visibility delay."""

    def wait_for(ask: Callable[[], T]) -> T:
        end = time.monotonic() + 10
        while not (result := ask()) and time.monotonic() < end:
            time.sleep(0.02)
        return result

    return wait_for


@pytest.fixture(scope="session")
def api() -> Iterator[httpx.Client]:
    """HTTP client of an application that never reaches Temporal."""
    with serving(probe_app) as client:
        yield client
