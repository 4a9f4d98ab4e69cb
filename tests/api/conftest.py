"""The real thing for the facade's tests: dev server, worker, `OrisClient` and HTTP server."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import pytest
from facade_graphs import all_graphs
from facade_probe import probe_app
from facade_server import serving
from fastapi import FastAPI
from postgres_server import PostgresServer

from oris_temporal.api import create_app
from oris_temporal.api.control_store import Database, StoreSettings, upgrade
from oris_temporal.api.security import SecuritySettings
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
            with tempfile.TemporaryDirectory() as files:
                store = StoreSettings(sqlite_path=f"{files}/oris.db")
                yield create_app(client, settings=Settings(default_graph="int", **settings), store=store)


@pytest.fixture(scope="session")
def facade_app() -> list[FastAPI]:
    """The application behind `facade`, once that is there."""
    return []


@pytest.fixture(scope="session")
def facade(facade_app: list[FastAPI]) -> Iterator[httpx.Client]:
    """HTTP client of a facade that all tests share; its default graph is G-int."""

    @asynccontextmanager
    async def known() -> AsyncIterator[FastAPI]:
        async with _stack() as app:
            facade_app.append(app)
            yield app

    with serving(known) as client:
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


@pytest.fixture(autouse=True)
def own_control_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A control store of the test's own for applications that read the environment."""
    monkeypatch.setenv("ORIS_SQLITE_DB", str(tmp_path / "control.db"))


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> StoreSettings:
    """Where a control store can be that nobody else uses: each kind of database in turn, empty."""
    if request.param == "sqlite":
        return StoreSettings(sqlite_path=str(tmp_path / "control.db"))
    server: PostgresServer = request.getfixturevalue("postgres")
    made = StoreSettings("postgres", dsn=server.dsn, schema=f"control_{uuid4().hex}", require_schema=False)
    asyncio.run(_make_tables(made))
    return made


async def _make_tables(store: StoreSettings) -> None:
    database = Database(store)
    await upgrade(database)
    await database.close()


@pytest.fixture(scope="session")
def served_queue(dev_server: DevServer) -> Iterator[str]:
    """Task queue of a worker for all graphs, on the server that all tests share."""
    queue = f"facades-{uuid4().hex}"

    @asynccontextmanager
    async def work() -> AsyncIterator[FastAPI]:
        async with Worker(await dev_server.connect(), graphs=all_graphs(), task_queue=queue):
            yield FastAPI()

    with serving(work):
        yield queue


Serve = Callable[..., httpx.Client]


@pytest.fixture
def serve(dev_server: DevServer, served_queue: str) -> Iterator[Serve]:
    """Serves facades of the test's own: ``serve(store, **security)`` is an HTTP client of one. Its default graph is G-int."""

    def start(store: StoreSettings, *, graphs: tuple[str, ...] = (), **security: Any) -> httpx.Client:
        @asynccontextmanager
        async def app() -> AsyncIterator[FastAPI]:
            client = OrisClient(await dev_server.connect(), task_queue=served_queue)
            settings = Settings(default_graph="int", graphs=graphs)
            yield create_app(client, settings=settings, store=store, security=SecuritySettings(**security))

        return stack.enter_context(serving(app))

    with ExitStack() as stack:
        yield start


@pytest.fixture(scope="session")
def api() -> Iterator[httpx.Client]:
    """HTTP client of an application that never reaches Temporal."""
    with serving(probe_app) as client:
        yield client
