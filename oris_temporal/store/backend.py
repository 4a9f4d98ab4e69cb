"""What all stores do alike, above where they keep their items."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from oris_temporal.graph.duration import Duration

from .base import (
    Clock,
    Namespace,
    Store,
    StoreItem,
    check_depth,
    check_key,
    check_namespace,
    check_page,
    check_query,
    check_ttl,
    decode_namespace,
    encode_namespace,
    utc_now,
    value_json,
)
from .matching import Test, check_filter, matcher

SWEEP_SECONDS = 60
"""Time between sweeps. Items whose time is over are never returned; a sweep gives their room back."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Row:
    """An item as it is kept: its namespace and value as text, times in microseconds since 1970."""

    namespace: str
    key: str
    value: str
    created_at: int
    updated_at: int
    expires_at: int | None

    def item(self) -> StoreItem:
        """The item."""
        return StoreItem(
            namespace=decode_namespace(self.namespace),
            key=self.key,
            value=json.loads(self.value),
            created_at=_datetime(self.created_at),
            updated_at=_datetime(self.updated_at),
            expires_at=None if self.expires_at is None else _datetime(self.expires_at),
        )


class StoreBackend(Store):
    """A store over six operations on rows.

    Args:
        clock: Tells the time (UTC), for tests. Default: the real time.
    """

    def __init__(self, *, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._next_sweep = 0

    async def put(self, namespace: Sequence[str], key: str, value: Any, *, ttl: Duration | None = None) -> None:
        """See `Store.put`."""
        place, name, lives = check_namespace(namespace), check_key(key), check_ttl(ttl)
        text = value_json(value, place, name)
        now = self._now()
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP_SECONDS * 1_000_000
            await self._sweep(now)
        expires = None if lives is None else now + lives // _MICROSECOND
        await self._write(Row(encode_namespace(place), name, text, now, now, expires))

    async def get(self, namespace: Sequence[str], key: str) -> StoreItem | None:
        """See `Store.get`."""
        place, name = check_namespace(namespace), check_key(key)
        row = await self._read(encode_namespace(place), name, self._now())
        return None if row is None else row.item()

    async def delete(self, namespace: Sequence[str], key: str) -> None:
        """See `Store.delete`."""
        place, name = check_namespace(namespace), check_key(key)
        await self._remove(encode_namespace(place), name)

    async def search(
        self,
        prefix: Sequence[str] = (),
        *,
        query: str | None = None,
        filter: Mapping[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
    ) -> list[StoreItem]:
        """See `Store.search`."""
        place = encode_namespace(check_namespace(prefix, may_be_empty=True))
        wanted = matcher(check_query(query), check_filter(filter))
        check_page(limit, offset)
        return await self._find(place, self._now(), wanted, limit, offset)

    async def list_namespaces(
        self, prefix: Sequence[str] = (), *, max_depth: int | None = None, limit: int = 100, offset: int = 0
    ) -> list[Namespace]:
        """See `Store.list_namespaces`."""
        place = encode_namespace(check_namespace(prefix, may_be_empty=True))
        check_depth(max_depth)
        check_page(limit, offset)
        found = {decode_namespace(text)[:max_depth] for text in await self._namespaces(place, self._now())}
        return sorted(found)[offset : offset + limit]

    def _now(self) -> int:
        return (self._clock() - _EPOCH) // _MICROSECOND

    # --- operations on rows --------------------------------------------------------------------------------------

    @abstractmethod
    async def _write(self, row: Row) -> None:
        """Keep a row. One of its key that still lives leaves it its `created_at`."""

    @abstractmethod
    async def _read(self, namespace: str, key: str, now: int) -> Row | None:
        """A row that lives."""

    @abstractmethod
    async def _remove(self, namespace: str, key: str) -> None:
        """Drop a row."""

    @abstractmethod
    async def _find(self, prefix: str, now: int, wanted: Test | None, limit: int, offset: int) -> list[StoreItem]:
        """Items that live in namespaces that begin with a text: latest update first, then by namespace and key."""

    @abstractmethod
    async def _namespaces(self, prefix: str, now: int) -> list[str]:
        """Namespaces, beginning with a text, of rows that live, each once."""

    @abstractmethod
    async def _sweep(self, now: int) -> None:
        """Drop the rows that do not live any more."""


def _datetime(microseconds: int) -> datetime:
    return _EPOCH + microseconds * _MICROSECOND
