"""The built-in SQL tools on a real PostgreSQL server, which itself refuses to be changed."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from oris_temporal.graph.errors import ToolError
from oris_temporal.tools import Runtime
from oris_temporal.tools.builtin import sql_tools

RUNTIME = Runtime(state=None, config={"configurable": {}}, tool_call_id="c-1", thread_id="t", write=print)


@pytest.fixture
def books(dsn: str) -> str:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE book (id int PRIMARY KEY, title text NOT NULL, tags jsonb DEFAULT '{}')")
        connection.execute("""INSERT INTO book VALUES (1, 'Émile', '{"a": 1}'), (2, 'Walden', NULL)""")
    return dsn


async def call(dsn: str, name: str, args: dict[str, Any], **options: Any) -> str:
    found = next(tool for tool in sql_tools(dsn, **options) if tool.name == f"sql_{name}")
    return (await found.call(found.check(args), RUNTIME)).content


def count(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        [found] = connection.execute("SELECT count(*) FROM book").fetchone() or (0,)
    return int(found)


async def test_tables_columns_and_rows_are_told(books: str) -> None:
    assert '"book", "base table"]' in await call(books, "list_tables", {})
    assert await call(books, "describe_table", {"table": "book"}) == (
        '["name", "type", "nullable", "default"]\n'
        '["id", "integer", "NO", null]\n["title", "text", "NO", null]\n["tags", "jsonb", "YES", "\'{}\'::jsonb"]'
    )
    told = await call(books, "query", {"sql": "SELECT * FROM book WHERE id = %s", "parameters": [1]})
    assert told == '["id", "title", "tags"]\n[1, "Émile", "{\\"a\\": 1}"]'
    assert "Walden" in await call(books, "query", {"sql": "SELECT title FROM book WHERE title LIKE 'W%'"})


async def test_rows_beyond_the_limit_are_not_fetched(books: str) -> None:
    told = await call(books, "query", {"sql": "SELECT generate_series(1, 1000000000)"}, max_rows=2)
    assert told.startswith('["generate_series"]\n[1]\n[2]\n(cut after 2 rows')


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO book VALUES (3, 'x')",
        "SELECT 1; DELETE FROM book",
        "COMMIT; DELETE FROM book",
        "EXPLAIN ANALYZE DELETE FROM book",
        "CREATE TEMP TABLE t (x int)",
        "DO $$ BEGIN SET TRANSACTION READ WRITE; DELETE FROM book; END $$",
        "DO $$ BEGIN COMMIT; DELETE FROM book; END $$",
        "WITH x AS (SELECT set_config('transaction_read_only', 'off', false)) INSERT INTO book SELECT 3, 'x' FROM x",
    ],
)
async def test_whatever_writes_is_refused(books: str, statement: str) -> None:
    with pytest.raises(ToolError, match="The database refused: ") as raised:
        await call(books, "query", {"sql": statement})
    assert raised.value.kind == "invalid_input"
    assert count(books) == 2


async def test_writing_may_be_allowed(books: str) -> None:
    told = await call(books, "query", {"sql": "DELETE FROM book WHERE id = %s", "parameters": [1]}, read_only=False)
    assert told == "Done; 1 row changed."
    assert count(books) == 1


async def test_a_statement_has_a_longest_time(books: str) -> None:
    with pytest.raises(ToolError, match="did not end within") as raised:
        await call(books, "query", {"sql": "SELECT pg_sleep(100)"}, timeout="200ms")
    assert raised.value.kind == "timeout"


async def test_cancelling_ends_the_statement(books: str) -> None:
    def running() -> int:
        with psycopg.connect(books) as connection:
            query = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(77)' AND state = 'active'"
            [found] = connection.execute(query).fetchone() or (0,)
        return int(found)

    calling = asyncio.create_task(call(books, "query", {"sql": "SELECT pg_sleep(77)"}, timeout="2m"))
    async with asyncio.timeout(20):
        while not running():
            await asyncio.sleep(0.02)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        while running():
            await asyncio.sleep(0.02)


async def test_a_server_that_is_not_there() -> None:
    with pytest.raises(ToolError, match="The database cannot be reached") as raised:
        await call("postgresql://nobody@127.0.0.1:1/x", "query", {"sql": "SELECT 1"})
    assert (raised.value.kind, raised.value.is_retryable) == ("network", True)
