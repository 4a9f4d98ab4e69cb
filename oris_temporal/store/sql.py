"""Stores in an SQL database."""

from __future__ import annotations

import asyncio
import threading
from abc import abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import islice
from typing import Any, TypeVar

from oris_temporal.graph.errors import StoreError

from .backend import Row, StoreBackend
from .base import Clock, StoreItem, utc_now
from .matching import Test

_T = TypeVar("_T")

_COLUMNS = "namespace, key, {value}, created_at, updated_at, expires_at"
_LIVES = "(expires_at IS NULL OR expires_at > ?)"

_WRITE = """
    INSERT INTO oris_store (namespace, key, value, created_at, updated_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (namespace, key) DO UPDATE SET
        value = excluded.value,
        created_at = CASE WHEN oris_store.expires_at <= excluded.updated_at
            THEN excluded.created_at ELSE oris_store.created_at END,
        updated_at = excluded.updated_at,
        expires_at = excluded.expires_at
"""
_REMOVE = "DELETE FROM oris_store WHERE namespace = ? AND key = ?"
_SWEEP = "DELETE FROM oris_store WHERE expires_at <= ?"

_FETCHED = 200


class SqlStore(StoreBackend):
    """A store in a table ``oris_store``, which is made at first use.

    It works in threads, each with a connection of its own, so one store serves any number of event loops.

    Args:
        name: What errors call the database. It has no secrets.
        connections: Most connections at the same time.
        clock: Tells the time (UTC), for tests.
    """

    VALUE = "value"
    """How a value is selected as text."""

    def __init__(self, name: str, connections: int, *, clock: Clock = utc_now) -> None:
        super().__init__(clock=clock)
        self._name = name
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="oris-store")
        self._own = threading.local()
        self._connections: set[Any] = set()
        self._is_ready = False
        self._closed = False

    async def close(self) -> None:
        """See `Store.close`. Waits for what is being done."""
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    # --- what a database provides --------------------------------------------------------------------------------

    @abstractmethod
    def _connect(self) -> Any:
        """A new connection (DB-API)."""

    @abstractmethod
    def _prepare(self, connection: Any) -> None:
        """Make the table if it is not there, whoever else may be about to."""

    @abstractmethod
    def _execute(self, connection: Any, statement: str, parameters: Sequence[Any]) -> Any:
        """A cursor over the result of a statement, whose placeholders are question marks. It is committed by the caller."""

    @abstractmethod
    def _error(self, error: Exception) -> StoreError | None:
        """What an error of the database means, if it is one."""

    def _scan(self, connection: Any, statement: str, parameters: Sequence[Any]) -> Any:
        """Like `_execute`, for a result that may be too large to be held and need not be read to its end."""
        return self._execute(connection, statement, parameters)

    def _is_lost(self, connection: Any) -> bool:
        """Whether a connection is of no more use."""
        return False

    # --- operations on rows --------------------------------------------------------------------------------------

    async def _write(self, row: Row) -> None:
        values = (row.namespace, row.key, row.value, row.created_at, row.updated_at, row.expires_at)
        await self._change(_WRITE, values)

    async def _remove(self, namespace: str, key: str) -> None:
        await self._change(_REMOVE, (namespace, key))

    async def _sweep(self, now: int) -> None:
        await self._change(_SWEEP, (now,))

    async def _change(self, statement: str, parameters: Sequence[Any]) -> None:
        await self._run(lambda connection: self._execute(connection, statement, parameters))

    async def _read(self, namespace: str, key: str, now: int) -> Row | None:
        statement = f"{self._select} WHERE namespace = ? AND key = ? AND {_LIVES}"

        def read(connection: Any) -> Row | None:
            found = self._execute(connection, statement, (namespace, key, now)).fetchone()
            return None if found is None else Row(*found)

        return await self._run(read)

    async def _find(self, prefix: str, now: int, wanted: Test | None, limit: int, offset: int) -> list[StoreItem]:
        within, parameters = _within(prefix)
        statement = f"{self._select} WHERE {within} AND {_LIVES} ORDER BY updated_at DESC, namespace, key"
        parameters += (now,)
        if wanted is None:
            statement += " LIMIT ? OFFSET ?"
            parameters += (limit, offset)

        def find(connection: Any) -> list[StoreItem]:
            if wanted is None:
                return [Row(*found).item() for found in self._execute(connection, statement, parameters).fetchall()]
            with closing(self._scan(connection, statement, parameters)) as cursor:
                pages = iter(lambda: cursor.fetchmany(_FETCHED), [])
                items = (Row(*found).item() for page in pages for found in page)
                return list(islice((item for item in items if wanted(item.value)), offset, offset + limit))

        return await self._run(find)

    async def _namespaces(self, prefix: str, now: int) -> list[str]:
        within, parameters = _within(prefix)
        statement = f"SELECT DISTINCT namespace FROM oris_store WHERE {within} AND {_LIVES}"

        def find(connection: Any) -> list[str]:
            return [row[0] for row in self._execute(connection, statement, (*parameters, now)).fetchall()]

        return await self._run(find)

    @property
    def _select(self) -> str:
        return f"SELECT {_COLUMNS.format(value=self.VALUE)} FROM oris_store"

    # --- threads and connections ---------------------------------------------------------------------------------

    async def _run(self, work: Callable[[Any], _T]) -> _T:
        """Do something in a transaction, on a connection of a thread."""
        if self._closed:
            raise StoreError(f"The store {self._name} was closed.", kind="closed")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._in_thread, work)

    def _in_thread(self, work: Callable[[Any], _T]) -> _T:
        try:
            return self._attempt(work, last=getattr(self._own, "connection", None) is None)
        except Exception as error:
            if (known := self._error(error)) is None:
                raise
            raise known from error

    def _attempt(self, work: Callable[[Any], _T], *, last: bool) -> _T:
        """Try it; and once more if the connection, of an earlier use, turns out to be lost. All work may be repeated."""
        connection = self._connection()
        try:
            result = work(connection)
            connection.commit()
            return result
        except Exception:
            with suppress(Exception):
                connection.rollback()
            if not self._is_lost(connection):
                raise
            self._drop(connection)
            if last:
                raise
        return self._attempt(work, last=True)

    def _connection(self) -> Any:
        connection = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._connect()
            self._connections.add(connection)
            self._own.connection = connection
        if not self._is_ready:
            try:
                self._prepare(connection)
            except Exception:
                self._drop(connection)
                raise
            self._is_ready = True
        return connection

    def _drop(self, connection: Any) -> None:
        self._own.connection = None
        self._connections.discard(connection)
        with suppress(Exception):
            connection.close()


def _within(prefix: str) -> tuple[str, tuple[Any, ...]]:
    """Condition that a namespace begins with a text, which ends with a slash. An index serves it."""
    if not prefix:
        return "TRUE", ()
    return "namespace >= ? AND namespace < ?", (prefix, f"{prefix[:-1]}0")  # "0" is what comes after "/"
