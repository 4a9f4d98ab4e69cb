"""Queries on a database: what it has is shown, and it refuses to be changed."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

import pytest
from tool_support import Calls

from oris_temporal.graph.errors import ConfigurationError, ToolError
from oris_temporal.tools.builtin import sql_tools


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "books.db"
    with sqlite3.connect(file) as connection:
        connection.executescript(
            """
            CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT NOT NULL, price REAL DEFAULT 1.5);
            CREATE VIEW cheap AS SELECT * FROM book WHERE price < 2;
            INSERT INTO book VALUES (1, 'Émile', 1.0), (2, 'Walden', 3.25), (3, 'Zadig', NULL);
            CREATE TABLE data (bytes BLOB, long TEXT);
            INSERT INTO data VALUES (x'00ff', printf('%.*c', 5000, 'x'));
            """
        )
    connection.close()
    return file


@pytest.fixture
def sql(file: Path) -> Calls:
    return Calls(sql_tools(file))


def count(file: Path) -> int:
    connection = sqlite3.connect(file)
    [[found]] = connection.execute("SELECT count(*) FROM book")
    connection.close()
    return int(found)


async def test_tables_and_their_columns_are_told(sql: Calls) -> None:
    assert await sql.sql_list_tables() == '["name", "type"]\n["book", "table"]\n["cheap", "view"]\n["data", "table"]'
    assert await sql.sql_describe_table(table="book") == (
        '["name", "type", "not_null", "default", "primary_key"]\n'
        '["id", "INTEGER", 0, null, 1]\n["title", "TEXT", 1, null, 0]\n["price", "REAL", 0, "1.5", 0]'
    )
    with pytest.raises(ToolError, match=r"There is no table 'boook'\. See sql_list_tables"):
        await sql.sql_describe_table(table="boook")


async def test_a_query_returns_rows(sql: Calls) -> None:
    told = await sql.sql_query(sql="SELECT title, price FROM book WHERE id <> ? ORDER BY id", parameters=[2])
    assert told == '["title", "price"]\n["Émile", 1.0]\n["Zadig", null]'
    assert await sql.sql_query(sql="SELECT id FROM book WHERE id > 9") == '["id"]\n(no rows)'


async def test_values_that_are_no_text_or_long(sql: Calls) -> None:
    told = await sql.sql_query(sql="SELECT * FROM data")
    assert '"base64:AP8="' in told
    assert "... (cut, of 5,000 characters)" in told


async def test_many_rows_are_cut(file: Path) -> None:
    sql = Calls(sql_tools(file, max_rows=2))
    told = await sql.sql_query(sql="SELECT id FROM book ORDER BY id")
    assert told == '["id"]\n[1]\n[2]\n(cut after 2 rows: there are more; select less, or use LIMIT and OFFSET)'


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO book VALUES (4, 'x', 1)",
        "UPDATE book SET price = 0",
        "DELETE FROM book",
        "DROP TABLE book",
        "CREATE TABLE t (x)",
        "CREATE TEMP TABLE t (x)",
        "PRAGMA query_only = OFF",
        "PRAGMA writable_schema = ON",
        "PRAGMA journal_mode = DELETE",
        "ATTACH DATABASE '{other}' AS other",
        "VACUUM INTO '{other}'",
        "SELECT load_extension('{other}')",
        "SELECT 1; DELETE FROM book",
        "WITH x AS (SELECT 1) DELETE FROM book",
        "BEGIN",
        "EXPLAIN DELETE FROM book",
        "UPDATE sqlite_master SET sql = ''",
    ],
)
async def test_whatever_writes_is_refused(sql: Calls, file: Path, tmp_path: Path, statement: str) -> None:
    other = tmp_path / "other.db"
    with pytest.raises(ToolError, match="The database refused: ") as raised:
        await sql.sql_query(sql=statement.format(other=other))
    assert raised.value.kind == "invalid_input"
    assert count(file) == 3
    assert not other.exists()


@pytest.mark.parametrize("value", ["hex(zeroblob(300000000))", "zeroblob(20000000)"])
async def test_a_value_that_would_take_the_workers_memory_is_refused(sql: Calls, value: str) -> None:
    with pytest.raises(ToolError, match="too big"):
        await sql.sql_query(sql=f"SELECT {value} FROM book")


async def test_writing_may_be_allowed_but_no_other_file(file: Path, tmp_path: Path) -> None:
    sql = Calls(sql_tools(file, read_only=False))
    assert await sql.sql_query(sql="DELETE FROM book WHERE id = 1") == "Done; 1 row changed."
    assert count(file) == 2
    with pytest.raises(ToolError, match="not authorized"):
        await sql.sql_query(sql=f"ATTACH DATABASE '{tmp_path}/other.db' AS other")


async def test_mistakes_are_told_to_the_model(sql: Calls) -> None:
    with pytest.raises(ToolError, match="The database refused: no such column: titel"):
        await sql.sql_query(sql="SELECT titel FROM book")


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


async def test_a_statement_has_a_longest_time(file: Path) -> None:
    sql = Calls(sql_tools(file, timeout="300ms"))
    with pytest.raises(ToolError, match=r"did not end within 0:00:00.3") as raised:
        await sql.sql_query(sql=ENDLESS)
    assert raised.value.kind == "timeout"


async def test_cancelling_ends_the_statement(sql: Calls) -> None:
    calling = asyncio.create_task(sql.sql_query(sql=ENDLESS))
    await asyncio.sleep(0)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    begun = time.monotonic()
    await asyncio.get_running_loop().shutdown_default_executor()  # waits for the thread
    assert time.monotonic() - begun < 10


async def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="The database cannot be opened"):
        await Calls(sql_tools(tmp_path / "none.db")).sql_query(sql="SELECT 1")
    assert not (tmp_path / "none.db").exists()


async def test_the_database_may_be_named_by_a_variable(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKS", f"sqlite:///{file}")
    assert "Walden" in await Calls(sql_tools("env:BOOKS")).sql_query(sql="SELECT title FROM book")


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("postgresql+psycopg://me:hunter2@localhost/books", "begins with neither"),
        ("mysql://me:hunter2@localhost/books", "begins with neither"),
        ("postgresql://me:hun%zzter2@localhost/books", "cannot be read"),
        ("postgresql://me:hunter2@[bad/books", "cannot be read"),
    ],
)
async def test_an_address_that_cannot_be_used_is_told_once(
    address: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOKS", address)
    with pytest.raises(ToolError, match=told) as raised:
        await Calls(sql_tools("env:BOOKS")).sql_query(sql="SELECT 1")
    assert (raised.value.kind, raised.value.retryable) == ("configuration", False)
    assert "ter2" not in str(raised.value)


def test_a_password_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="env:NAME") as raised:
        sql_tools("postgresql://me:hunter2@localhost/books")
    assert "hunter2" not in str(raised.value)
