"""The control store: where it is, its tables, and what a server says that cannot start with it (cases 102-103, 121-125)."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from postgres_server import PostgresServer
from sqlalchemy import Connection, text

from oris_temporal.api.control_store import ApiKeys, ControlStore, Database, StoreSettings, upgrade
from oris_temporal.api.control_store.database import StoreUnavailableError
from oris_temporal.api.control_store.migrate import VERSION_TABLE, head
from oris_temporal.api.control_store.tables import metadata
from oris_temporal.devserver import DevServer
from oris_temporal.graph.errors import ConfigurationError

PG = {"ORIS_RUNTIME_BACKEND": "postgres", "ORIS_POSTGRES_DSN": "postgresql://db/x"}


class TestSettings:
    def test_121_nothing_set(self) -> None:
        assert StoreSettings.from_env({}) == StoreSettings("sqlite", "oris_execution_server.db", None, "public", True)

    def test_122_unknown_backend(self) -> None:
        with pytest.raises(ConfigurationError) as caught:
            StoreSettings.from_env({"ORIS_RUNTIME_BACKEND": "MySQL"})
        assert caught.value.message == "invalid ORIS_RUNTIME_BACKEND='MySQL'. expected one of: sqlite, postgres"

    @pytest.mark.parametrize("dsn", [{}, {"ORIS_POSTGRES_DSN": " ", "ORIS_RUNTIME_DSN": "postgresql://db/x"}])
    def test_123_postgres_without_dsn(self, dsn: dict[str, str]) -> None:
        with pytest.raises(ConfigurationError) as caught:
            StoreSettings.from_env({"ORIS_RUNTIME_BACKEND": "postgres", **dsn})
        expected = "ORIS_RUNTIME_BACKEND=postgres requires ORIS_POSTGRES_DSN (or ORIS_RUNTIME_DSN)"
        assert caught.value.message == expected

    def test_124_postgres(self) -> None:
        given = {**PG, "ORIS_POSTGRES_SCHEMA": "oris_runtime", "ORIS_POSTGRES_REQUIRE_SCHEMA": "false"}
        found = StoreSettings.from_env(given)
        assert (found.backend, found.dsn, found.schema, found.require_schema) == (
            *("postgres", "postgresql://db/x", "oris_runtime"),
            False,
        )

    def test_a_dsn_alone_means_postgres(self) -> None:
        assert StoreSettings.from_env({"ORIS_POSTGRES_DSN": "postgresql://db/x"}).backend == "postgres"
        assert StoreSettings.from_env({"ORIS_RUNTIME_DSN": "postgresql://db/x"}).backend == "postgres"
        assert StoreSettings.from_env({**PG, "ORIS_RUNTIME_BACKEND": "SQLite"}).dsn is None

    @pytest.mark.parametrize(
        ("word", "required"), [("1", True), ("YES", True), (" on ", True), ("0", False), ("x", False)]
    )
    def test_words_for_yes(self, word: str, required: bool) -> None:
        assert StoreSettings.from_env({**PG, "ORIS_POSTGRES_REQUIRE_SCHEMA": word}).require_schema is required


class TestTables:
    async def test_102_migrations_make_what_the_program_expects(self, store: StoreSettings) -> None:
        database = Database(store)
        await upgrade(database)
        assert await database.read(lambda connection: _differences(connection, database)) == []
        await database.close()

    async def test_103_a_database_that_is_behind_is_brought_up_to_date(self, store: StoreSettings) -> None:
        async with _tables_of_version_0001(store) as database:
            await ApiKeys(database).create("ops", "hash", "operator")
            assert await upgrade(database) == ("0001", head())
            assert await database.read(lambda connection: _differences(connection, database)) == []
            assert [key.key_id for key in await ApiKeys(database).list()] == ["ops"]

    async def test_upgrading_again_changes_nothing(self, store: StoreSettings) -> None:
        database = Database(store)
        await upgrade(database)
        assert await upgrade(database) == (head(), head())
        await database.close()

    async def test_several_that_start_at_once_take_turns(self, tmp_path: Path) -> None:
        settings = StoreSettings(sqlite_path=str(tmp_path / "c.db"))

        async def start() -> bool:
            async with ControlStore.opened(settings) as control:
                return await control.keys.any()

        assert await asyncio.gather(*(start() for _ in range(8))) == [False] * 8

    async def test_a_database_that_is_newer_is_refused(self, store: StoreSettings) -> None:
        await _set_version(store, "9999")
        with pytest.raises(ConfigurationError) as caught:
            async with ControlStore.opened(store):
                pass
        assert f"{store.backend} runtime schema version 9999 is newer than supported {head()}" in caught.value.message

    async def test_postgres_that_is_behind_is_refused_with_the_remedy(self, postgres: PostgresServer) -> None:
        settings = StoreSettings("postgres", dsn=postgres.dsn, schema="behind", require_schema=False)
        with pytest.raises(ConfigurationError) as caught:
            async with ControlStore.opened(settings):
                pass
        assert "oris-temporal db upgrade" in caught.value.message

    async def test_a_schema_that_must_be_there(self, postgres: PostgresServer) -> None:
        database = Database(StoreSettings("postgres", dsn=postgres.dsn, schema="not_there"))
        with pytest.raises(ConfigurationError) as caught:
            await upgrade(database)
        await database.close()
        assert caught.value.message == (
            "postgres schema 'not_there' does not exist (ORIS_POSTGRES_REQUIRE_SCHEMA=true). "
            "create schema first or set ORIS_POSTGRES_REQUIRE_SCHEMA=false"
        )


class TestTransactions:
    async def test_what_raises_leaves_nothing_behind(self, store: StoreSettings) -> None:
        async with ControlStore.opened(store) as control:
            with pytest.raises(KeyError):
                await control.database.write(lambda connection: self._fail_after_writing(connection, control))
            assert not await control.keys.any()

    def _fail_after_writing(self, connection: Connection, control: ControlStore) -> None:
        schema = "" if control.database.settings.backend == "sqlite" else f"{control.database.settings.schema}."
        connection.execute(text(f"INSERT INTO {schema}oris_api_keys VALUES ('a', 'h', 'admin', NULL, 'active', 1, 1)"))
        raise KeyError

    async def test_many_writers_at_once(self, store: StoreSettings) -> None:
        async with ControlStore.opened(store) as control:
            await asyncio.gather(*(control.keys.create(f"key-{n:02}", "hash", "operator") for n in range(50)))
            assert [key.key_id for key in await control.keys.list()] == [f"key-{n:02}" for n in range(50)]

    async def test_one_that_fails_leaves_those_beside_it_alone(self, store: StoreSettings) -> None:
        async with ControlStore.opened(store) as control:
            writes = [control.keys.create(f"key-{n}", "hash", "operator") for n in range(9)]
            failing = control.database.write(lambda connection: self._fail_after_writing(connection, control))
            outcomes = await asyncio.gather(*writes[:4], failing, *writes[4:], return_exceptions=True)
            assert [type(outcome) for outcome in outcomes if isinstance(outcome, Exception)] == [KeyError]
            assert isinstance(outcomes[4], KeyError)
            assert [key.key_id for key in await control.keys.list()] == [f"key-{n}" for n in range(9)]

    async def test_one_whose_caller_has_gone_is_not_waited_for(self, store: StoreSettings) -> None:
        async with ControlStore.opened(store) as control:
            writes = [asyncio.create_task(control.keys.create(f"key-{n}", "hash", "operator")) for n in range(5)]
            await asyncio.sleep(0)  # all of them have asked
            writes[2].cancel()
            await asyncio.gather(*(write for write in writes if write is not writes[2]))
            assert {"key-0", "key-1", "key-3", "key-4"} <= {key.key_id for key in await control.keys.list()}

    async def test_all_that_wait_for_a_file_hear_at_once_that_it_is_locked(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("oris_temporal.api.control_store.database._BUSY_SECONDS", 0.5)
        settings = StoreSettings(sqlite_path=str(tmp_path / "control.db"))
        async with ControlStore.opened(settings) as control:
            with closing(sqlite3.connect(settings.sqlite_path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                begin = time.monotonic()
                writes = (control.keys.create(f"key-{n}", "hash", "operator") for n in range(50))
                outcomes = await asyncio.gather(*writes, return_exceptions=True)
                seconds = time.monotonic() - begin
            assert {type(outcome) for outcome in outcomes} == {StoreUnavailableError}
            assert seconds < 10  # one wait or two, not fifty
            await control.keys.create("after", "hash", "operator")
            assert [key.key_id for key in await control.keys.list()] == ["after"]

    async def test_errors_show_neither_statement_nor_values(self, store: StoreSettings) -> None:
        async with ControlStore.opened(store) as control:
            with pytest.raises(StoreUnavailableError) as caught:
                await control.database.write(self._write_nonsense)
        assert "hunter2" not in str(caught.value)
        assert "INSERT" not in str(caught.value)

    def _write_nonsense(self, connection: Connection) -> None:
        connection.execute(text("INSERT INTO no_such_table VALUES (:value)"), {"value": "hunter2"})


class TestStart:
    """A server that cannot start says why in one sentence and ends with another exit code than 0."""

    @pytest.mark.parametrize(
        ("variables", "message"),
        [
            (
                {"ORIS_RUNTIME_BACKEND": "mysql"},
                "invalid ORIS_RUNTIME_BACKEND='mysql'. expected one of: sqlite, postgres",
            ),
            (
                {"ORIS_SQLITE_DB": "/no/such/directory/x.db"},
                "startup health check failed: runtime backend sqlite health check failed for "
                "ORIS_SQLITE_DB='/no/such/directory/x.db': unable to open database file",
            ),
            (
                {"ORIS_POSTGRES_DSN": "postgresql://ann:hunter2@127.0.0.1:1/x"},
                "startup health check failed: failed to connect postgres dsn 'postgresql://ann:***@127.0.0.1:1/x': ",
            ),
            (
                {"ORIS_POSTGRES_DSN": "nonsense hunter2"},
                "ORIS_POSTGRES_DSN cannot be read: it must have the form postgresql://user:password@host:port/database.",
            ),
        ],
        ids=["backend", "sqlite", "postgres", "dsn"],
    )
    def test_what_it_says(self, dev_server: DevServer, tmp_path: Path, variables: dict[str, str], message: str) -> None:
        ended = subprocess.run(
            [*(sys.executable, "-m", "uvicorn"), "--factory", "oris_temporal.cli.stack:make_app", "--port", "0"],
            env={**_clean(), **dev_server.environment, **variables},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode != 0
        assert message in ended.stderr
        assert "hunter2" not in ended.stderr
        assert "Traceback" not in ended.stderr


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("ORIS_", "TEMPORAL_"))}


def _differences(connection: Connection, database: Database) -> list[Any]:
    schema = database.settings.schema if database.settings.backend == "postgres" else None
    options = {
        "version_table": VERSION_TABLE,
        "version_table_schema": schema,
        "compare_type": True,
        "include_schemas": schema is not None,
        "include_name": lambda name, kind, _: kind != "schema" or name == schema,
    }
    expected = metadata if schema is None else _in_schema(schema)
    return compare_metadata(MigrationContext.configure(connection, opts=options), expected)


def _in_schema(schema: str) -> Any:
    from sqlalchemy import MetaData

    moved = MetaData(naming_convention=metadata.naming_convention)
    for table in metadata.tables.values():
        table.to_metadata(moved, schema=schema)
    return moved


@asynccontextmanager
async def _tables_of_version_0001(store: StoreSettings) -> AsyncIterator[Database]:
    await _set_version(store, "0001")
    database = Database(store)
    first = {"api_keys", "audit_log", "idempotency_keys", "replay_effects", "cancelled_threads"}
    later = [table for name, table in metadata.tables.items() if name.removeprefix("oris_") not in first]
    await database.write(lambda connection: metadata.drop_all(connection, later))
    yield database
    await database.close()


async def _set_version(store: StoreSettings, version: str) -> None:
    database = Database(store)
    await upgrade(database)
    schema = "" if store.backend == "sqlite" else f"{store.schema}."
    change = text(f"UPDATE {schema}{VERSION_TABLE} SET version_num = '{version}'")
    await database.write(lambda connection: connection.execute(change))
    await database.close()
