"""`SQLiteStore`."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from typing import Any

from oris_temporal.graph.errors import StoreError

from .base import Clock, utc_now
from .sql import SqlStore

LOCK_SECONDS = 30
"""Longest wait for another process that writes."""

_TABLE = """
    CREATE TABLE IF NOT EXISTS oris_store (
        namespace TEXT NOT NULL,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        expires_at INTEGER,
        PRIMARY KEY (namespace, key)
    ) WITHOUT ROWID
"""
_INDEX = "CREATE INDEX IF NOT EXISTS oris_store_expiry ON oris_store (expires_at) WHERE expires_at IS NOT NULL"


class SQLiteStore(SqlStore):
    """A store in an SQLite file: for the workers of one machine.

    Several processes may use the file at the same time. What was put survives the end of the process, however it comes.

    Args:
        path: The file; it is made if it is not there, its directory is not.
        clock: Tells the time (UTC), for tests. Default: the real time.
    """

    def __init__(self, path: str | os.PathLike[str], *, clock: Clock = utc_now) -> None:
        self._path = os.fspath(path)
        super().__init__(self._path, 1, clock=clock)

    def _connect(self) -> Any:
        connection = sqlite3.connect(self._path, timeout=LOCK_SECONDS, check_same_thread=False)
        try:
            _let_read_while_written(connection)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: Any) -> None:
        connection.execute(_TABLE)
        connection.execute(_INDEX)

    def _execute(self, connection: Any, statement: str, parameters: Sequence[Any]) -> Any:
        return connection.execute(statement, parameters)

    def _error(self, error: Exception) -> StoreError | None:
        if not isinstance(error, sqlite3.Error):
            return None
        kind = "unavailable" if isinstance(error, sqlite3.OperationalError) else "database"
        return StoreError(f"The store {self._name} failed: {error}.", kind=kind)


def _let_read_while_written(connection: sqlite3.Connection) -> None:
    """Turn the file's write-ahead log on. SQLite does not wait by itself for others that are about to do the same."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.01)
