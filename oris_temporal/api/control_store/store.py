"""All parts of the control store over one database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from oris_temporal.graph.errors import ConfigurationError

from .acks import Acks
from .attempts import Attempts
from .audit import AuditLog
from .cancelled import CancelledThreads
from .database import Database, StoreUnavailableError
from .dead_letters import DeadLetters
from .dispatch import Dispatcher
from .idempotency import IdempotencyKeys
from .keys import ApiKeys
from .leases import Leases
from .migrate import check, upgrade
from .remote_tasks import RemoteTasks
from .replays import ReplayEffects
from .retention import Retention
from .retries import Retries
from .settings import StoreSettings
from .step_reports import StepReports
from .ticks import Ticks


class ControlStore:
    """What the facade keeps beside Temporal.

    Args:
        database: Where it is kept.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.keys = ApiKeys(database)
        self.audit = AuditLog(database)
        self.run_keys = IdempotencyKeys(database, "run")
        self.replays = ReplayEffects(database)
        self.cancelled = CancelledThreads(database)
        self.attempts = Attempts(database)
        self.dispatcher = Dispatcher(database)
        self.leases = Leases(database)
        self.step_reports = StepReports(database)
        self.acks = Acks(database)
        self.retries = Retries(database)
        self.dead_letters = DeadLetters(database)
        self.remote_tasks = RemoteTasks(database)
        self.ticks = Ticks(database)
        self.retention = Retention(database)

    @classmethod
    @asynccontextmanager
    async def opened(cls, settings: StoreSettings) -> AsyncIterator[Self]:
        """The store, checked and ready until the block ends. A SQLite file is made and brought up to date.

        Raises:
            ConfigurationError: The database cannot be used; the message says why and what to do.
        """
        store = cls(Database(settings))
        try:
            await store._make_ready()
            yield store
        finally:
            await store.database.close()

    async def _make_ready(self) -> None:
        settings = self.database.settings
        try:
            if settings.backend == "sqlite":
                await self._make_sqlite_ready(settings.sqlite_path)
            else:
                await self._check_postgres(settings.schema)
        except ConfigurationError as error:
            raise ConfigurationError(f"startup health check failed: {error.message}") from error

    async def _make_sqlite_ready(self, path: str) -> None:
        try:
            await upgrade(self.database)
        except (ConfigurationError, StoreUnavailableError) as error:
            why = error.details.get("reason", error.message)
            raise ConfigurationError(
                f"runtime backend sqlite health check failed for ORIS_SQLITE_DB='{path}': {why}"
            ) from error

    async def _check_postgres(self, schema: str) -> None:
        try:
            await self.database.read(lambda connection: None)
        except StoreUnavailableError as error:
            raise ConfigurationError(
                f"failed to connect postgres dsn '{self.database.dsn}': {error.details['reason']}"
            ) from error
        try:
            await check(self.database)
        except StoreUnavailableError as error:
            raise ConfigurationError(
                f"runtime backend postgres health check failed for schema '{schema}': {error.details['reason']}"
            ) from error
