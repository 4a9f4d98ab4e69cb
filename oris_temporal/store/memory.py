"""`InMemoryStore`."""

from __future__ import annotations

from dataclasses import replace

from .backend import Row, StoreBackend
from .base import Clock, StoreItem, utc_now
from .matching import Test


class InMemoryStore(StoreBackend):
    """A store in this process's memory, for tests and notebooks: it ends with the process, and every worker has one of its own.

    Args:
        clock: Tells the time (UTC), for tests. Default: the real time.
    """

    def __init__(self, *, clock: Clock = utc_now) -> None:
        super().__init__(clock=clock)
        self._rows: dict[tuple[str, str], Row] = {}

    async def _write(self, row: Row) -> None:
        before = self._rows.get((row.namespace, row.key))
        if before is not None and _lives(before, row.updated_at):
            row = replace(row, created_at=before.created_at)
        self._rows[row.namespace, row.key] = row

    async def _read(self, namespace: str, key: str, now: int) -> Row | None:
        row = self._rows.get((namespace, key))
        return row if row is not None and _lives(row, now) else None

    async def _remove(self, namespace: str, key: str) -> None:
        self._rows.pop((namespace, key), None)

    async def _find(self, prefix: str, now: int, wanted: Test | None, limit: int, offset: int) -> list[StoreItem]:
        rows = [row for row in list(self._rows.values()) if row.namespace.startswith(prefix) and _lives(row, now)]
        rows.sort(key=lambda row: (-row.updated_at, row.namespace, row.key))
        if wanted is None:
            return [row.item() for row in rows[offset : offset + limit]]
        items = [item for row in rows if wanted((item := row.item()).value)]
        return items[offset : offset + limit]

    async def _namespaces(self, prefix: str, now: int) -> list[str]:
        living = {row.namespace for row in list(self._rows.values()) if _lives(row, now)}
        return [namespace for namespace in living if namespace.startswith(prefix)]

    async def _sweep(self, now: int) -> None:
        self._rows = {place: row for place, row in list(self._rows.items()) if _lives(row, now)}


def _lives(row: Row, now: int) -> bool:
    return row.expires_at is None or row.expires_at > now
