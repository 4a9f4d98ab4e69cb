"""One Temporal server for all tests that do not need one of their own."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest
from postgres_server import PostgresServer

from oris_temporal.devserver import DevServer

# By default a server lets a run continue as new once a second only; some tests do little else.
_CONTINUE_AT_ONCE = {"history.workflowIdReuseMinimalInterval": "1ms"}


def pytest_collection_finish() -> None:
    """Spare the garbage collector the thousands of tests, which stay to the end."""
    _freeze()


@pytest.fixture(scope="module", autouse=True)
def _frozen_leftovers() -> Iterator[None]:
    """Spare it what a module leaves behind as well, such as applications, which FastAPI's routers keep for good."""
    yield
    _freeze()


def _freeze() -> None:
    """The collector does not look again at what there is now: each look at all of it holds up workflows, for a second in the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def dev_server() -> Iterator[DevServer]:
    """A Temporal server that all tests of the session share."""
    with asyncio.Runner() as runner:
        server = runner.run(DevServer(ui=False, dynamic_config=_CONTINUE_AT_ONCE).start())
        try:
            yield server
        finally:
            runner.run(server.stop())


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server that all tests of the session share."""
    with PostgresServer() as server:
        yield server
