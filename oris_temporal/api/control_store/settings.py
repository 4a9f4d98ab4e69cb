"""Where the control store is: the variables of the Oris execution server, with its words for what is wrong."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias, cast, get_args

from oris_temporal.graph.errors import ConfigurationError

Backend: TypeAlias = Literal["sqlite", "postgres"]

VARIABLES = (
    *("ORIS_RUNTIME_BACKEND", "ORIS_SQLITE_DB", "ORIS_POSTGRES_DSN", "ORIS_RUNTIME_DSN"),
    *("ORIS_POSTGRES_SCHEMA", "ORIS_POSTGRES_REQUIRE_SCHEMA", "ORIS_RETENTION_DAYS"),
)
"""The environment variables that are read here."""

_YES = {"1", "true", "yes", "on"}


@dataclass(frozen=True)
class StoreSettings:
    """Where the control store is.

    Attributes:
        backend: ``ORIS_RUNTIME_BACKEND``: ``sqlite`` or ``postgres``; by default ``postgres`` where a DSN is given, else ``sqlite``.
        sqlite_path: ``ORIS_SQLITE_DB``: file of the SQLite database; made if it is not there.
        dsn: ``ORIS_POSTGRES_DSN``, else ``ORIS_RUNTIME_DSN``: ``postgresql://user:password@host:port/database``.
        schema: ``ORIS_POSTGRES_SCHEMA``: schema of the tables.
        require_schema: ``ORIS_POSTGRES_REQUIRE_SCHEMA``: whether the schema must be there; otherwise ``db upgrade`` makes it.
        retention_days: ``ORIS_RETENTION_DAYS``: age at which records of work that has ended are deleted; ``None`` is never.
    """

    backend: Backend = "sqlite"
    sqlite_path: str = "oris_execution_server.db"
    dsn: str | None = None
    schema: str = "public"
    require_schema: bool = True
    retention_days: int | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the settings from environment variables; blank means not set.

        Args:
            environ: The variables; those of this process by default.

        Raises:
            ConfigurationError: The backend is not known, PostgreSQL has no DSN, or the retention is no number of days.
        """
        environ = os.environ if environ is None else environ
        dsn = environ.get("ORIS_POSTGRES_DSN", environ.get("ORIS_RUNTIME_DSN", "")).strip() or None
        word = environ.get("ORIS_RUNTIME_BACKEND", "").strip()
        backend = word.lower() or ("postgres" if dsn else "sqlite")
        if backend not in get_args(Backend):
            raise ConfigurationError(
                f"invalid ORIS_RUNTIME_BACKEND='{word}'. expected one of: {', '.join(get_args(Backend))}"
            )
        if backend == "postgres" and dsn is None:
            raise ConfigurationError("ORIS_RUNTIME_BACKEND=postgres requires ORIS_POSTGRES_DSN (or ORIS_RUNTIME_DSN)")
        days = environ.get("ORIS_RETENTION_DAYS", "").strip()
        if days and (not days.isdecimal() or int(days) == 0):
            raise ConfigurationError(
                f"invalid ORIS_RETENTION_DAYS='{days}'. expected a whole number of days, at least 1"
            )
        return cls(
            backend=cast("Backend", backend),
            sqlite_path=environ.get("ORIS_SQLITE_DB", "").strip() or cls.sqlite_path,
            dsn=dsn if backend == "postgres" else None,
            schema=environ.get("ORIS_POSTGRES_SCHEMA", "").strip() or cls.schema,
            require_schema=environ.get("ORIS_POSTGRES_REQUIRE_SCHEMA", "true").strip().lower() in _YES,
            retention_days=int(days) if days else None,
        )
