"""Bringing the control store's tables up to date, forward only."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateSchema

from oris_temporal.graph.errors import ConfigurationError

from .database import Database, reason

VERSION_TABLE = "oris_schema_version"


async def upgrade(database: Database) -> tuple[str | None, str]:
    """Bring the tables up to date, and make a PostgreSQL schema that is missing and need not be there.

    Returns:
        The version before, ``None`` for an empty database, and after.

    Raises:
        ConfigurationError: The schema is missing, or the database is newer than this program.
        StoreUnavailableError: The database cannot be reached.
    """
    return await database.write(lambda connection: _upgrade(connection, database))


async def check(database: Database) -> None:
    """Check that a database has the tables that this program needs.

    Raises:
        ConfigurationError: It is behind or newer, or its schema is missing; the message says what to do.
        StoreUnavailableError: The database cannot be reached.
    """
    await database.read(lambda connection: _check(connection, database))


def head() -> str:
    """The version of the tables that this program needs."""
    version = ScriptDirectory.from_config(_config()).get_current_head()
    assert version is not None
    return version


def _upgrade(connection: Connection, database: Database) -> tuple[str | None, str]:
    schema = database.settings.schema
    if _lacks_schema(connection, database):
        _refuse_missing_schema(database)
        connection.execute(CreateSchema(schema))
    if connection.dialect.name == "postgresql":  # two that start at once take turns
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('oris_schema_version'))"))
    before = _version(connection, database)
    _refuse_newer(before, database)
    config = _config()
    config.attributes["connection"], config.attributes["schema"] = connection, _schema(database)
    command.upgrade(config, "head")
    return before, head()


def _check(connection: Connection, database: Database) -> None:
    if _lacks_schema(connection, database):
        _refuse_missing_schema(database)
        version = None
    else:
        version = _version(connection, database)
    _refuse_newer(version, database)
    if version != head():
        state = f"at version {version}, and this program needs {head()}" if version else "empty"
        raise ConfigurationError(
            f"The control store ({database.place}) is {state}. Bring it up to date with: oris-temporal db upgrade"
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", f"{__package__}:migrations")
    return config


def _schema(database: Database) -> str | None:
    return database.settings.schema if database.settings.backend == "postgres" else None


def _version(connection: Connection, database: Database) -> str | None:
    options = {"version_table": VERSION_TABLE, "version_table_schema": _schema(database)}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def _lacks_schema(connection: Connection, database: Database) -> bool:
    if (schema := _schema(database)) is None:
        return False
    try:
        return schema not in inspect(connection).get_schema_names()
    except SQLAlchemyError as error:
        raise ConfigurationError(f"failed to query postgres schema '{schema}': {reason(error)}") from None


def _refuse_missing_schema(database: Database) -> None:
    if database.settings.require_schema:
        raise ConfigurationError(
            f"postgres schema '{database.settings.schema}' does not exist (ORIS_POSTGRES_REQUIRE_SCHEMA=true). "
            "create schema first or set ORIS_POSTGRES_REQUIRE_SCHEMA=false"
        )


def _refuse_newer(version: str | None, database: Database) -> None:
    if version is not None and version > head():
        raise ConfigurationError(
            f"{database.settings.backend} runtime schema version {version} is newer than supported {head()}"
        )
