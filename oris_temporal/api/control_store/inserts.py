"""Inserts that mind what is there already; each database has its own words for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_if_new(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert a row unless there is one with its key; also against others that do so at this moment.

    Returns:
        Whether it was inserted.
    """
    insert = _insert(connection, table, values).on_conflict_do_nothing().returning(*table.primary_key)
    return connection.execute(insert).first() is not None


def insert_or_change(
    connection: Connection, table: Table, values: Mapping[str, Any], *, key: str, changed: tuple[str, ...]
) -> None:
    """Insert a row, or give the one with its key the new values of some columns."""
    insert = _insert(connection, table, values)
    new = {name: insert.excluded[name] for name in changed}
    connection.execute(insert.on_conflict_do_update(index_elements=[key], set_=new))


def _insert(connection: Connection, table: Table, values: Mapping[str, Any]) -> sqlite.Insert | postgresql.Insert:
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    return make(table).values(dict(values))
