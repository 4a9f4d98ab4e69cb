"""Stores in a database: shared by processes, there after a restart, and clear about what is wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from postgres_server import PostgresServer
from store_support import Open

from oris_temporal.graph.errors import ConfigurationError, StoreError
from oris_temporal.store import PostgresStore, SQLiteStore

WRITER = """
import asyncio, itertools, sys
from oris_temporal.store import PostgresStore, SQLiteStore

async def write(kind, place, name, count):
    store = SQLiteStore(place) if kind == "sqlite" else PostgresStore(place)
    for number in itertools.count() if count == 0 else range(count):
        await store.put(("writers", name), str(number), {"number": number})
        print(number, flush=True)

asyncio.run(write(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
"""


def writer(kind: str, place: str, name: str, count: int = 0) -> subprocess.Popen[str]:
    """A process that puts numbers, and prints each when it is put."""
    command = [sys.executable, "-c", WRITER, kind, place, name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


async def test_what_was_put_is_there_when_it_is_opened_again(open_store: Open) -> None:
    async with open_store() as store:
        await store.put(("users",), "ada", {"city": "Bern"})
    async with open_store() as store:
        assert [item.value for item in await store.search()] == [{"city": "Bern"}]


async def test_two_see_what_each_other_puts(open_store: Open) -> None:
    async with open_store() as one, open_store() as other:
        await one.put(("users",), "ada", 1)
        await other.put(("users",), "ada", 2)
        found = await one.get(("users",), "ada")
        assert found is not None
        assert found.value == 2


async def test_a_store_that_was_closed_says_so(open_store: Open) -> None:
    store = open_store()
    await store.close()
    with pytest.raises(StoreError, match="was closed") as refused:
        await store.get(("users",), "ada")
    assert refused.value.kind == "closed"


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_processes_may_begin_and_write_at_the_same_time(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = str(tmp_path / "store.db") if kind == "sqlite" else request.getfixturevalue("dsn")
    writers = [writer(kind, place, str(number), 30) for number in range(4)]
    for process in writers:
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")
    async with SQLiteStore(place) if kind == "sqlite" else PostgresStore(place) as store:
        assert len(await store.search(limit=1_000)) == 120


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_what_a_killed_process_has_put_is_there(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = str(tmp_path / "store.db") if kind == "sqlite" else request.getfixturevalue("dsn")
    process = writer(kind, place, "one")
    assert process.stdout is not None
    for line in process.stdout:
        if line == "20\n":
            os.kill(process.pid, signal.SIGKILL)
            break
    rest = process.communicate()[0]
    last = int(rest.split()[-1]) if rest else 20
    async with SQLiteStore(place) if kind == "sqlite" else PostgresStore(place) as store:
        found = {item.key: item.value for item in await store.search(limit=10_000)}
    assert [found[str(number)] for number in range(last + 1)] == [{"number": number} for number in range(last + 1)]


# --- SQLite --------------------------------------------------------------------------------------------------------


async def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "store.db"
    with pytest.raises(StoreError, match=r"nowhere/store\.db failed: unable to open") as failed:
        await SQLiteStore(path).get(("users",), "ada")
    assert failed.value.is_retryable


def test_many_may_make_the_file_at_once(tmp_path: Path) -> None:
    async def begin(path: Path, together: threading.Barrier) -> None:
        async with SQLiteStore(path) as store:
            together.wait()
            await store.put(("users",), "ada", 1)

    for attempt in range(30):
        path, together = tmp_path / str(attempt), threading.Barrier(8)
        with ThreadPoolExecutor(8) as threads:
            for done in [threads.submit(asyncio.run, begin(path, together)) for _ in range(8)]:
                done.result()


async def test_a_file_that_is_no_database_is_not_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_text("not a database, but long enough to be looked at" * 10)
    with pytest.raises(StoreError, match="file is not a database") as failed:
        await SQLiteStore(path).get(("users",), "ada")
    assert (failed.value.kind, failed.value.is_retryable) == ("database", False)


# --- PostgreSQL ----------------------------------------------------------------------------------------------------


async def test_lost_connections_are_made_anew(dsn: str) -> None:
    async with PostgresStore(dsn, connections=2) as store:
        await store.put(("users",), "ada", 1)
        with psycopg.connect(dsn, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
        assert await store.get(("users",), "ada") is not None


async def test_it_goes_on_when_the_server_comes_back() -> None:
    with PostgresServer() as server:
        async with PostgresStore(server.dsn) as store:
            await store.put(("users",), "ada", 1)
            server.stop()
            with pytest.raises(StoreError, match=f"PostgreSQL at {server.home}") as failed:
                await store.get(("users",), "ada")
            assert (failed.value.kind, failed.value.is_retryable) == ("unavailable", True)
            server.start()
            assert await store.get(("users",), "ada") is not None


async def test_times_do_not_depend_on_the_time_zone_of_the_server(dsn: str) -> None:
    async with PostgresStore(dsn) as store:
        await store.put(("users",), "ada", 1, ttl="1h")
        found = await store.get(("users",), "ada")
    assert found is not None
    assert found.expires_at is not None
    assert (found.expires_at - found.created_at).total_seconds() == 3_600


async def test_values_can_be_read_with_sql(dsn: str) -> None:
    async with PostgresStore(dsn) as store:
        await store.put(("users", "ada"), "profile", {"city": "Bern"})
    with psycopg.connect(dsn) as connection:
        found = connection.execute("SELECT namespace, key, value ->> 'city' FROM oris_store").fetchall()
    assert found == [("users/ada/", "profile", "Bern")]


async def test_who_may_not_make_tables_uses_one_that_is_there(dsn: str) -> None:
    async with PostgresStore(dsn) as store:
        await store.put(("users",), "ada", 1)
    role = f"user_{uuid4().hex}"
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN")
        admin.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON oris_store TO {role}")
    async with PostgresStore(dsn.replace("//oris@", f"//{role}@")) as store:
        await store.put(("users",), "bob", 2)
        assert len(await store.search()) == 2


def test_a_dsn_that_cannot_be_read_is_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="DSN cannot be read") as refused:
        PostgresStore("postgresql://ada:secret@host/db?nonsense=1")
    assert "secret" not in str(refused.value)
    assert refused.value.__suppress_context__


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'oris-temporal\[postgres\]'"):
        PostgresStore("postgresql://host/db")


async def test_a_large_search_does_not_bring_everything_over(dsn: str) -> None:
    async with PostgresStore(dsn) as store:
        await asyncio.gather(*(store.put(("n",), f"{number:04}", {"text": "x" * 1_000}) for number in range(500)))
        found = await store.search(query="x", limit=1)
    assert len(found) == 1
