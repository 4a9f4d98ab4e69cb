"""Tools that look into a SQL database; read-only unless told otherwise, and the database sees to that."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import unquote, urlsplit

from pydantic import Field

from oris_temporal.graph.duration import Duration, to_timedelta
from oris_temporal.graph.errors import ConfigurationError, ToolError, error_text
from oris_temporal.graph.options import NO_RETRY, RetryPolicy
from oris_temporal.tools.secrets import with_secrets
from oris_temporal.tools.tool import Tool, tool

Parameter = str | int | float | bool | None

_NAMES = 1_000
"""Tables, and columns of one, that are told."""

_GRACE = timedelta(seconds=10)
_CELL = 2_000
"""Characters of a value that are shown."""

_CHARACTERS = 60_000
"""Characters of rows that are shown."""

_LARGEST = 16_000_000
"""Bytes of a value that SQLite reads or makes; a statement must not take the worker's memory."""


@dataclass(frozen=True)
class _Rows:
    """What a statement returned, its values as they are shown; of more rows than were asked for, one more."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    changed: int = -1


class _Database(Protocol):
    """A database."""

    TABLES: str
    """Statement for the names of tables and views."""

    COLUMNS: str
    """Statement for the columns of one."""

    async def run(self, sql: str, parameters: Sequence[Parameter], most: int) -> _Rows:
        """Run one statement."""


def sql_tools(
    database: str | os.PathLike[str],
    *,
    read_only: bool = True,
    max_rows: int = 200,
    timeout: Duration = "30s",
    prefix: str = "sql_",
    task_queue: str | None = None,
) -> list[Tool]:
    """Tools to query a database: ``sql_query``, ``sql_list_tables`` and ``sql_describe_table``.

    Read-only means that the database refuses to write: SQLite opens the file so and checks each statement, PostgreSQL runs it in a
    read-only transaction. What else a PostgreSQL user may do - call functions with effects, read files - is a matter of its rights: give
    it few.

    Args:
        database: Path of a SQLite file (also ``sqlite:///path``), ``postgresql://user@host/database``, or ``env:NAME`` of the worker's
            variable that has one of them, as it must be where there is a password. PostgreSQL needs the extra ``postgres``.
        read_only: Whether to refuse statements that write. Otherwise a statement is run once and not tried again.
        max_rows: Rows that are returned.
        timeout: Longest time for a statement.
        prefix: Put before the names of the tools.
        task_queue: Task queue of the workers that reach the database.

    Raises:
        ConfigurationError: There is a password in the address.
    """
    where = os.fspath(database)
    if urlsplit(where).password:
        raise ConfigurationError(
            "sql_tools: the address has a password; put it into a variable of the worker and pass 'env:NAME'."
        )
    limit = to_timedelta(timeout)
    retry = RetryPolicy() if read_only else NO_RETRY
    options: dict[str, Any] = {"timeout": limit + _GRACE, "task_queue": task_queue}

    def opened() -> _Database:
        return _open(with_secrets(f"Tool {prefix}query", {"database": where}, [])["database"], read_only, limit)

    async def query(sql: str, parameters: Sequence[Parameter] = ()) -> str:
        return _table(await opened().run(sql, parameters, max_rows), max_rows)

    query.__doc__ = f"""Run one SQL statement and read the rows it returns, at most {max_rows}.{" It must not write." if read_only else ""}

    Args:
        sql: The statement.
        parameters: Values for its placeholders, ? in SQLite and %s in PostgreSQL.
    """

    @tool(name=f"{prefix}list_tables", retry=retry, **options)
    async def list_tables() -> str:
        """List the tables and views of the database."""
        base = opened()
        return _table(await base.run(base.TABLES, (), _NAMES), _NAMES)

    @tool(name=f"{prefix}describe_table", retry=retry, **options)
    async def describe_table(table: str = Field(min_length=1)) -> str:
        """Tell the columns of a table or view.

        Args:
            table: Its name, as the list of tables has it.
        """
        base = opened()
        found = await base.run(base.COLUMNS, (table,), _NAMES)
        if not found.rows:
            raise ToolError(f"There is no table {table!r}. See {prefix}list_tables.", kind="not_found")
        return _table(found, _NAMES)

    return [tool(name=f"{prefix}query", retry=retry, **options)(query), list_tables, describe_table]


def _open(where: str, read_only: bool, limit: timedelta) -> _Database:
    if where.startswith(("postgresql://", "postgres://")):
        return _Postgres(where, read_only, limit)
    if "://" in where and not where.startswith("sqlite://"):
        raise ToolError(  # without the address, which may have a password
            "The address of the database begins with neither sqlite:/// nor postgresql://. Mend it where the worker runs.",
            kind="configuration",
            retryable=False,
        )
    return _Sqlite(Path(unquote(where.removeprefix("sqlite:///"))), read_only, limit)


def _table(found: _Rows, most: int) -> str:
    """Rows as a model reads them: JSON, a row a line, under the names of the columns."""
    if not found.columns:
        return (
            "Done." if found.changed < 0 else f"Done; {found.changed} row{'' if found.changed == 1 else 's'} changed."
        )
    shown = [json.dumps(list(found.columns), ensure_ascii=False)]
    length = 0
    for row in found.rows[:most]:
        line = json.dumps(row, ensure_ascii=False)
        length += len(line)
        if length > _CHARACTERS:
            break
        shown.append(line)
    if len(shown) - 1 < len(found.rows):
        shown.append(f"(cut after {len(shown) - 1} rows: there are more; select less, or use LIMIT and OFFSET)")
    elif not found.rows:
        shown.append("(no rows)")
    return "\n".join(shown)


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, bytes | memoryview):
        value = f"base64:{base64.b64encode(bytes(value)).decode()}"
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | dict) else str(value)
    return value if len(value) <= _CELL else f"{value[:_CELL]}... (cut, of {len(value):,} characters)"


def _refusal(error: BaseException) -> ToolError:
    """An error of the database, for the model to mend its statement."""
    return ToolError(f"The database refused: {error_text(error).strip()}", kind="invalid_input")


# --- SQLite -------------------------------------------------------------------------------------------------------


class _Sqlite:
    """A SQLite file. Every statement has a connection of its own, in a thread."""

    TABLES = "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name"
    COLUMNS = (
        'SELECT name, type, "notnull" AS not_null, dflt_value AS "default", pk AS primary_key FROM pragma_table_info(?)'
    )

    def __init__(self, path: Path, read_only: bool, limit: timedelta) -> None:
        self._path = path
        self._read_only = read_only
        self._limit = limit

    async def run(self, sql: str, parameters: Sequence[Parameter], most: int) -> _Rows:
        """See `_Database.run`. Cancelling it ends the statement."""
        stopped: list[bool] = []
        try:
            return await asyncio.to_thread(self._run, sql, parameters, most, lambda: bool(stopped))
        finally:
            stopped.append(True)  # for the thread, where this is being cancelled

    def _run(self, sql: str, parameters: Sequence[Parameter], most: int, is_stopped: Callable[[], bool]) -> _Rows:
        deadline = time.monotonic() + self._limit.total_seconds()
        late = False

        def stop() -> bool:
            nonlocal late
            late = time.monotonic() > deadline
            return late or is_stopped()

        with self._connected() as connection:
            connection.set_progress_handler(stop, 10_000)
            try:
                cursor = connection.execute(sql, parameters)
                rows = [[_cell(value) for value in row] for row in islice(cursor, most + 1)]
                connection.commit()
            except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
                if late:
                    raise ToolError(f"The statement did not end within {self._limit}.", kind="timeout") from None
                raise _refusal(error) from None
            return _Rows([column[0] for column in cursor.description or ()], rows, cursor.rowcount)

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        mode = "ro" if self._read_only else "rw"
        try:
            connection = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode={mode}", uri=True, timeout=5)
        except sqlite3.Error as error:
            raise ToolError(f"The database cannot be opened: {error}.", kind="configuration") from None
        with closing(connection):
            if self._read_only:
                connection.execute("PRAGMA query_only = ON")
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST)
            connection.set_authorizer(_read_only if self._read_only else _no_other_files)
            yield connection


_READS = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE})
_OTHER_FILES = frozenset({sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH})
_TELLING_PRAGMAS = frozenset(
    {"table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list"}
)


def _read_only(action: int, first: str | None, second: str | None, *_: object) -> int:
    """Answer SQLite, which asks for each part of a statement whether it may."""
    allowed = (
        action in _READS
        or (action == sqlite3.SQLITE_FUNCTION and second != "load_extension")
        or (action == sqlite3.SQLITE_PRAGMA and first in _TELLING_PRAGMAS)
        # A table-valued pragma asks for this when it is first used; a statement that does it is refused by SQLite itself.
        or (action == sqlite3.SQLITE_UPDATE and first == "sqlite_master")
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _no_other_files(action: int, first: str | None, second: str | None, *_: object) -> int:
    outside = action in _OTHER_FILES or (action == sqlite3.SQLITE_FUNCTION and second == "load_extension")
    return sqlite3.SQLITE_DENY if outside else sqlite3.SQLITE_OK


# --- PostgreSQL ---------------------------------------------------------------------------------------------------


class _Postgres:
    """A PostgreSQL database. Every statement has a connection, and a transaction, of its own."""

    TABLES = (
        "SELECT table_schema AS schema, table_name AS name, lower(table_type) AS type FROM information_schema.tables "
        "WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2"
    )
    COLUMNS = (
        'SELECT column_name AS name, data_type AS type, is_nullable AS nullable, column_default AS "default" '
        "FROM information_schema.columns WHERE %s::text IN (table_name, table_schema || '.' || table_name) "
        "ORDER BY table_schema, ordinal_position"
    )

    def __init__(self, dsn: str, read_only: bool, limit: timedelta) -> None:
        self._dsn = dsn
        self._read_only = read_only
        self._limit = limit

    async def run(self, sql: str, parameters: Sequence[Parameter], most: int) -> _Rows:
        """See `_Database.run`. Cancelling it ends the statement."""
        try:
            import psycopg
        except ImportError as error:
            raise ConfigurationError(
                f"PostgreSQL needs package {error.name!r}: pip install 'oris-temporal[postgres]'."
            ) from error
        try:
            connection = await psycopg.AsyncConnection.connect(self._dsn, connect_timeout=10)
        except psycopg.ProgrammingError:  # it quotes the address, which may have a password
            raise ToolError(
                "The address of the database cannot be read. Mend it where the worker runs.",
                kind="configuration",
                retryable=False,
            ) from None
        except psycopg.Error as error:
            reason = error_text(error).strip()
            raise ToolError(f"The database cannot be reached: {reason}", kind="network", retryable=True) from None
        try:
            await connection.set_read_only(self._read_only)
            # Streamed, or prepared, it is one statement for the server: none after a semicolon gets out of the transaction.
            cursor = connection.cursor()
            await cursor.execute(f"SET LOCAL statement_timeout = {int(self._limit.total_seconds() * 1000)}")
            if self._read_only:
                rows = await _first(
                    cast("AsyncGenerator[Any, None]", cursor.stream(sql, list(parameters) or None)), most + 1
                )
            else:
                await cursor.execute(sql, list(parameters) or None, prepare=True)
                fetched = await cursor.fetchmany(most + 1) if cursor.description else []
                rows = [[_cell(value) for value in row] for row in fetched]
                await connection.commit()
            return _Rows([column.name for column in cursor.description or ()], rows, cursor.rowcount)
        except psycopg.errors.QueryCanceled:
            raise ToolError(f"The statement did not end within {self._limit}.", kind="timeout") from None
        except (psycopg.Error, ValueError) as error:
            raise _refusal(error) from None
        finally:
            with suppress(psycopg.Error):
                await connection.close()


async def _first(rows: AsyncGenerator[Any, None], most: int) -> list[Any]:
    """The first rows of a query; the others are not fetched."""
    found: list[Any] = []
    async with aclosing(rows):
        async for row in rows:
            found.append([_cell(value) for value in row])
            if len(found) == most:
                break
    return found
