"""Every store in turn, on a clock that tests move."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from postgres_server import PostgresServer
from store_support import HandClock, Open

from oris_temporal.store import InMemoryStore, PostgresStore, SQLiteStore, Store
from oris_temporal.testing import oris_client

__all__ = ["oris_client"]


@pytest.fixture
def dsn(postgres: PostgresServer) -> str:
    """A database of the test's own."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgres.dsn_of(name)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(params=["sqlite", "postgres"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path, clock: HandClock) -> Open:
    """Opens the same lasting store again and again, as other processes would."""
    if request.param == "sqlite":
        return lambda: SQLiteStore(tmp_path / "store.db", clock=clock)
    dsn = request.getfixturevalue("dsn")
    return lambda: PostgresStore(dsn, clock=clock)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: HandClock) -> AsyncIterator[Store]:
    """Every store in turn, empty."""
    if request.param == "memory":
        made: Store = InMemoryStore(clock=clock)
    elif request.param == "sqlite":
        made = SQLiteStore(tmp_path / "store.db", clock=clock)
    else:
        made = PostgresStore(request.getfixturevalue("dsn"), clock=clock)
    async with made:
        yield made
