"""The database of the control store: connections and transactions, the same for SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DataError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from oris_temporal.graph.errors import ConfigurationError, InvalidOptionError, UnavailableError

from .inserts import insert_if_new
from .settings import StoreSettings

_BUSY_SECONDS = 10
_CONNECTIONS = 10

T = TypeVar("T")


class StoreUnavailableError(UnavailableError):
    """The control store cannot be reached."""


class UnstorableValueError(InvalidOptionError):
    """The control store has no place for a value, such as text with a NUL character."""


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
        self._writer = _SqliteThread(settings, writes=True) if settings.backend == "sqlite" else None
        self._reader = _SqliteThread(settings, writes=False) if settings.backend == "sqlite" else None

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
        """As `insert_if_new`, in a transaction of `writing`."""
        return await connection.run_sync(insert_if_new, table, values)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Do short `work` in one transaction that only reads.

        As `reading`, for what has to be quick: on SQLite it is done in one go on a thread, where `reading` changes threads
        several times for each statement.

        Raises:
            StoreUnavailableError: The database cannot be reached.
        """
        if self._reader is None:
            async with self.reading() as connection:
                return await connection.run_sync(work)
        with _Explained(self.place):
            return await self._reader.do(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Do short `work` in one writing transaction; to `writing` as `read` is to `reading`.

        Raises:
            StoreUnavailableError: The database cannot be reached.
        """
        if self._writer is None or self._turn is None:
            async with self.writing() as connection:
                return await connection.run_sync(work)
        with _Explained(self.place):
            async with self._turn:
                return await self._writer.do(work)

    async def close(self) -> None:
        """Close all connections."""
        for thread in (self._reader, self._writer):
            if thread is not None:
                await thread.close()
        await self.engine.dispose()


class _SqliteThread:
    """One connection on a thread of its own."""

    def __init__(self, settings: StoreSettings, *, writes: bool) -> None:
        arguments = {"timeout": _BUSY_SECONDS, "check_same_thread": False}
        engine = create_engine(f"sqlite:///{settings.sqlite_path}", pool_size=1, connect_args=arguments)
        _prepare_sqlite(engine)
        self._engine = engine.execution_options(writes=writes)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="control-store")

    async def do(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work)

    def _transact(self, work: Callable[[Connection], T]) -> T:
        with self._engine.begin() as connection:
            return work(connection)

    async def close(self) -> None:
        await asyncio.to_thread(self._thread.shutdown)
        self._engine.dispose()


class _Explained:
    """Turns errors of the database into ours. Its own have the statement and its values in them, which no answer may show."""

    def __init__(self, place: str) -> None:
        self._place = place

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, DataError):
            raise UnstorableValueError(f"A value of this request cannot be stored: {reason(error)}.") from error
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
    _prepare_sqlite(engine.sync_engine)
    return engine


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver would begin transactions of its own, too late and not for reads
        cursor = connection.cursor()
        for setting in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {setting}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


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
