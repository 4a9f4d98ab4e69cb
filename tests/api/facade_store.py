"""The control store behind a facade, as another process would use it: to prepare a test, and to look at what it left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import Connection, Table, select, update

from oris_temporal.api.control_store import ControlStore, StoreSettings
from oris_temporal.api.control_store.attempts import NewAttempt
from oris_temporal.api.control_store.tables import leases
from oris_temporal.api.control_store.times import now_millis


def on_store(store: StoreSettings, work: Callable[[ControlStore], Awaitable[Any]]) -> Any:
    """Do something to a control store."""

    async def opened() -> Any:
        async with ControlStore.opened(store) as control:
            return await work(control)

    return asyncio.run(opened())


def enqueue(store: StoreSettings, *ids: str, run_id: str = "run-1", **options: Any) -> None:
    """Add attempts to the queue."""

    async def work(control: ControlStore) -> None:
        for id in ids:
            await control.attempts.enqueue(NewAttempt(id, run_id, **options), now_millis())

    on_store(store, work)


async def rows_of(control: ControlStore, table: Table) -> list[dict[str, Any]]:
    """All rows of a table."""
    query = select(table).order_by(*table.primary_key)
    found = await control.database.read(lambda connection: connection.execute(query).all())
    return [dict(row._mapping) for row in found]


def rows(store: StoreSettings, table: Table) -> list[dict[str, Any]]:
    """All rows of a table."""
    found: list[dict[str, Any]] = on_store(store, lambda control: rows_of(control, table))
    return found


async def age_of(control: ControlStore, *, expiry: int | None = None, timeout: int | None = None) -> None:
    """Move the expiry of all leases, or the timeouts of those that have one, so many milliseconds into the past."""

    def work(connection: Connection) -> None:
        if expiry is not None:
            connection.execute(update(leases).values(expires_at=now_millis() - expiry))
        if timeout is not None:
            limited = update(leases).where(leases.c.times_out_at.is_not(None))
            connection.execute(limited.values(times_out_at=now_millis() - timeout))

    await control.database.write(work)


def age(store: StoreSettings, **what: int) -> None:
    """As `age_of`."""
    on_store(store, lambda control: age_of(control, **what))
