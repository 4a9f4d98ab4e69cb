"""The database of the control store: connections and transactions, the same for SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from sqlalchemy import Connection, Table, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from oris_temporal.graph.errors import ConfigurationError, UnavailableError

from .settings import StoreSettings

_BUSY_SECONDS = 10
_CONNECTIONS = 10


class StoreUnavailableError(UnavailableError):
    """The control store cannot be reached."""


class Database:
    """Connections to one database.

    Args:
        settings: Where it is.

    Raises:
        ConfigurationError: The DSN cannot be read.
    """

    def __init__(self, settings: StoreSettings) -> None:
        self.settings = settings
        self.engine = _postgres(settings) if settings.backend == "postgres" else _sqlite(settings)
        self._turn = asyncio.Lock() if settings.backend == "sqlite" else None

    @property
    def place(self) -> str:
        """What people call it; it has no secrets."""
        if self.settings.backend == "postgres":
            return f"{self.dsn}, schema {self.settings.schema}"
        return self.settings.sqlite_path

    @property
    def dsn(self) -> str:
        """Where PostgreSQL is, without the password."""
        return self.engine.url.set(drivername="postgresql").render_as_string(hide_password=True)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads.

        Raises:
            StoreUnavailableError: The database cannot be reached.
        """
        with _Explained(self.place):
            async with self.engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that is committed at the end of the block, and rolled back when that raises.

        On SQLite, which has one writer at a time, this process's writers take turns here rather than in the file's lock.

        Raises:
            StoreUnavailableError: The database cannot be reached.
        """
        async with AsyncExitStack() as stack:
            stack.enter_context(_Explained(self.place))
            if self._turn is not None:
                await stack.enter_async_context(self._turn)
            engine = self.engine.execution_options(writes=True)
            yield await stack.enter_async_context(engine.begin())

    async def insert_new(self, connection: AsyncConnection, table: Table, **values: Any) -> bool:
        """Insert a row, unless its primary key is taken; returns whether it was inserted."""
        insert = postgresql.insert if self.settings.backend == "postgres" else sqlite.insert
        statement = insert(table).values(**values).on_conflict_do_nothing().returning(*table.primary_key.columns)
        return (await connection.execute(statement)).first() is not None

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


class _Explained:
    """Turns errors of the database into ours. Its own have the statement and its values in them, which no answer may show."""

    def __init__(self, place: str) -> None:
        self._place = place

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, SQLAlchemyError):
            what = reason(error)
            raise StoreUnavailableError(
                f"The control store ({self._place}) does not work: {what}.", reason=what
            ) from error


def reason(error: SQLAlchemyError) -> str:
    """What a database says is wrong, in one line and without the statement."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _sqlite(settings: StoreSettings) -> AsyncEngine:
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{settings.sqlite_path}", pool_size=_CONNECTIONS, connect_args={"timeout": _BUSY_SECONDS}
    )

    @event.listens_for(engine.sync_engine, "connect")
    def set_up(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver would begin transactions of its own, too late and not for reads
        cursor = connection.cursor()
        for setting in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {setting}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres(settings: StoreSettings) -> AsyncEngine:
    try:
        url = make_url(settings.dsn or "").set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            "ORIS_POSTGRES_DSN cannot be read: it must have the form postgresql://user:password@host:port/database."
        ) from None
    return create_async_engine(
        url,
        pool_size=_CONNECTIONS,
        max_overflow=_CONNECTIONS,
        pool_pre_ping=True,
        connect_args={"connect_timeout": _BUSY_SECONDS},
        execution_options={"schema_translate_map": {None: settings.schema}},
    )
