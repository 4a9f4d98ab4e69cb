"""The database of the control store: connections and transactions, the same for SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DataError, SQLAlchemyError

from oris_temporal.graph.errors import ConfigurationError, InvalidOptionError, UnavailableError

from .settings import StoreSettings
from .shared_transactions import SharedTransactions, Work

_BUSY_SECONDS = 10
_CONNECTIONS = 10

T = TypeVar("T")


class StoreUnavailableError(UnavailableError):
    """The control store cannot be reached."""


class UnstorableValueError(InvalidOptionError):
    """The control store has no place for a value, such as text with a NUL character."""


class Database:
    """Connections to one database. A transaction is a plain function, done in one go on a thread.

    Args:
        settings: Where it is.

    Raises:
        ConfigurationError: The DSN cannot be read.
    """

    def __init__(self, settings: StoreSettings) -> None:
        self.settings = settings
        self._engine = _postgres(settings) if settings.backend == "postgres" else _sqlite(settings)
        self._threads = ThreadPoolExecutor(_CONNECTIONS, thread_name_prefix="control-store")
        # SQLite has one writer at a time: those of this process take turns here rather than in the file's lock.
        self._writes = (
            SharedTransactions(partial(self._transact, "BEGIN IMMEDIATE")) if settings.backend == "sqlite" else None
        )

    @property
    def place(self) -> str:
        """What people call it; it has no secrets."""
        if self.settings.backend == "postgres":
            return f"{self.dsn}, schema {self.settings.schema}"
        return self.settings.sqlite_path

    @property
    def dsn(self) -> str:
        """Where PostgreSQL is, without the password."""
        return self._engine.url.set(drivername="postgresql").render_as_string(hide_password=True)

    async def read(self, work: Work[T]) -> T:
        """Do `work` in a transaction that only reads, and return what it returns.

        Raises:
            StoreUnavailableError: The database cannot be reached.
            UnstorableValueError: It has no place for a value.
        """
        with _Explained(self.place):
            return await self._on_thread(work)

    async def write(self, work: Work[T]) -> T:
        """Do `work` in a transaction that is committed when it returns, and rolled back when it raises; return what it returns.

        `work` may be done twice, and beside other work: it changes nothing but the database.

        Raises:
            StoreUnavailableError: The database cannot be reached.
            UnstorableValueError: It has no place for a value.
        """
        with _Explained(self.place):
            return await (self._on_thread(work) if self._writes is None else self._writes.do(work))

    async def close(self) -> None:
        """Close all connections."""
        if self._writes is not None:
            await self._writes.close()
        await asyncio.to_thread(self._threads.shutdown)
        self._engine.dispose()

    async def _on_thread(self, work: Work[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._transact, "BEGIN", work)

    def _transact(self, begin: str, work: Work[T]) -> T:
        with self._engine.begin() as connection:
            if self.settings.backend == "sqlite":  # its driver would begin too late, and not for reads
                connection.exec_driver_sql(begin)
            return work(connection)


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


def _sqlite(settings: StoreSettings) -> Engine:
    engine = create_engine(
        f"sqlite:///{settings.sqlite_path}",
        pool_size=_CONNECTIONS + 1,
        connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver begins no transactions of its own
        cursor = connection.cursor()
        for setting in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {setting}")
        cursor.close()

    return engine


def _postgres(settings: StoreSettings) -> Engine:
    try:
        url = make_url(settings.dsn or "").set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            "ORIS_POSTGRES_DSN cannot be read: it must have the form postgresql://user:password@host:port/database."
        ) from None
    return create_engine(
        url,
        pool_size=_CONNECTIONS,
        pool_pre_ping=True,
        connect_args={"connect_timeout": _BUSY_SECONDS},
        execution_options={"schema_translate_map": {None: settings.schema}},
    )
