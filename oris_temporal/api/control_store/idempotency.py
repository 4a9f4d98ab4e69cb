"""Idempotency keys: which request each was given with first, and what that one was answered."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from .database import Database
from .tables import idempotency_keys
from .times import now_millis


@dataclass(frozen=True, slots=True)
class KeyUse:
    """The first request that was made with a key.

    Attributes:
        thread_id: Its thread.
        payload_hash: Hash of what it asked for.
        reserved_at: When it came (Unix milliseconds).
        response: What it was answered; ``None`` while it is not, or when its server died before it was.
        is_new: Whether it is the present one.
    """

    thread_id: str
    payload_hash: str
    reserved_at: int
    response: dict[str, Any] | None
    is_new: bool = False


class IdempotencyKeys:
    """The keys of one operation, shared by all callers and threads. They never expire.

    Every method raises `StoreUnavailableError` when the database cannot be reached.

    Args:
        database: Where they are kept.
        operation: The operation.
    """

    def __init__(self, database: Database, operation: str) -> None:
        self._database = database
        self._operation = operation

    async def find(self, key: str) -> KeyUse | None:
        """The first request with a key."""
        async with self._database.reading() as connection:
            return await self._find(connection, key)

    async def reserve(self, key: str, thread_id: str, payload_hash: str) -> KeyUse:
        """Take a key for a request, unless another one has it. Of several that try at once, one gets it."""
        now = now_millis()
        row = {"operation": self._operation, "thread_id": thread_id, "payload_hash": payload_hash, "reserved_at": now}
        async with self._database.writing() as connection:
            if await self._database.insert_new(connection, idempotency_keys, key_hash=self._hash(key), **row):
                return KeyUse(thread_id, payload_hash, now, None, is_new=True)
            return await self._find(connection, key) or KeyUse(thread_id, payload_hash, now, None)

    async def complete(self, key: str, use: KeyUse, response: dict[str, Any]) -> dict[str, Any]:
        """Keep the answer of a request; returns the one that is kept, which may be an earlier one."""
        async with self._database.writing() as connection:
            done = await connection.execute(
                update(idempotency_keys)
                .where(*self._is(key, use), idempotency_keys.c.response.is_(None))
                .values(response=response, completed_at=now_millis())
            )
            if done.rowcount:
                return response
            kept = await self._find(connection, key)
        return response if kept is None or kept.response is None else kept.response

    async def release(self, key: str, use: KeyUse) -> None:
        """Give a key free whose request failed."""
        async with self._database.writing() as connection:
            await connection.execute(
                delete(idempotency_keys).where(*self._is(key, use), idempotency_keys.c.response.is_(None))
            )

    async def _find(self, connection: AsyncConnection, key: str) -> KeyUse | None:
        query = select(idempotency_keys).where(idempotency_keys.c.key_hash == self._hash(key))
        row = (await connection.execute(query)).first()
        return None if row is None else _use(row)

    def _is(self, key: str, use: KeyUse) -> list[Any]:
        return [idempotency_keys.c.key_hash == self._hash(key), idempotency_keys.c.reserved_at == use.reserved_at]

    def _hash(self, key: str) -> str:
        return hashlib.sha256(f"{self._operation}|{key}".encode()).hexdigest()


def _use(row: Row[Any]) -> KeyUse:
    return KeyUse(row.thread_id, row.payload_hash, row.reserved_at, row.response)
