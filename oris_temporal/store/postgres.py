"""`PostgresStore`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oris_temporal.graph.errors import ConfigurationError, StoreError

from .base import Clock, utc_now
from .sql import SqlStore

CONNECT_SECONDS = 10
"""Longest wait for a connection, where the DSN does not say (``connect_timeout``)."""

_LOCK = 0x6F726973  # "oris"; held while a process makes the table, for IF NOT EXISTS alone does not keep two from it

# "C" is the order of code points, which is that of the other stores, and the one in which prefixes are ranges.
_TABLE = """
    CREATE TABLE IF NOT EXISTS oris_store (
        namespace text COLLATE "C" NOT NULL,
        key text COLLATE "C" NOT NULL,
        value json NOT NULL,
        created_at bigint NOT NULL,
        updated_at bigint NOT NULL,
        expires_at bigint,
        PRIMARY KEY (namespace, key)
    )
"""
_INDEX = "CREATE INDEX IF NOT EXISTS oris_store_expiry ON oris_store (expires_at) WHERE expires_at IS NOT NULL"


class PostgresStore(SqlStore):
    """A store in a PostgreSQL database: for any number of workers. Needs ``pip install 'oris-temporal[postgres]'``.

    The table ``oris_store`` is made at first use, in the first schema of the connection's search path, unless it is there. Its times are
    microseconds since 1970.

    Args:
        dsn: The database, as libpq takes it: ``postgresql://user@host/database``. Better than a password in it is ``PGPASSWORD`` in the
            worker's environment, or a password file.
        connections: Most connections at the same time.
        clock: Tells the time (UTC), for tests. Default: the real time.

    Raises:
        ConfigurationError: The package ``psycopg`` is missing, or the DSN cannot be read.
    """

    VALUE = "value::text"

    def __init__(self, dsn: str, *, connections: int = 10, clock: Clock = utc_now) -> None:
        self._psycopg = _import_psycopg()
        try:
            self._options = self._psycopg.conninfo.conninfo_to_dict(dsn)
        except self._psycopg.ProgrammingError:
            # Its message quotes the DSN, which may have a password.
            raise ConfigurationError(
                "PostgresStore: the DSN cannot be read. Write it as postgresql://user@host:5432/database."
            ) from None
        self._options.setdefault("connect_timeout", CONNECT_SECONDS)
        place = f"{self._options.get('host', 'localhost')}/{self._options.get('dbname', '')}"
        super().__init__(f"PostgreSQL at {place}", connections, clock=clock)

    def _connect(self) -> Any:
        # Without prepared statements it works behind a pooler such as PgBouncer as well.
        return self._psycopg.connect(**self._options, prepare_threshold=None, client_encoding="utf8")

    def _prepare(self, connection: Any) -> None:
        if (
            connection.execute("SELECT to_regclass('oris_store')").fetchone()[0] is None
        ):  # else it may not be allowed to
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            connection.execute(_TABLE)
            connection.execute(_INDEX)
        connection.commit()

    def _execute(self, connection: Any, statement: str, parameters: Sequence[Any]) -> Any:
        cursor = connection.cursor()
        cursor.execute(statement.replace("?", "%s"), parameters)
        return cursor

    def _scan(self, connection: Any, statement: str, parameters: Sequence[Any]) -> Any:
        cursor = connection.cursor(name="oris_store")  # the result stays on the server
        cursor.execute(statement.replace("?", "%s"), parameters)
        return cursor

    def _error(self, error: Exception) -> StoreError | None:
        if not isinstance(error, self._psycopg.Error):
            return None
        kind = "unavailable" if isinstance(error, self._psycopg.OperationalError) else "database"
        return StoreError(f"The store {self._name} failed: {str(error).rstrip('.')}.", kind=kind)

    def _is_lost(self, connection: Any) -> bool:
        return bool(connection.closed)


def _import_psycopg() -> Any:
    try:
        import psycopg
        import psycopg.conninfo
    except ImportError as error:
        raise ConfigurationError(
            f"PostgresStore needs psycopg ({error}): pip install 'oris-temporal[postgres]'."
        ) from None
    return psycopg
