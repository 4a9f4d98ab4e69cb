"""Idempotency keys: which request each was given with first, and what that one was answered."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, select, update

from .database import Database
from .inserts import insert_if_new
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
        return await self._database.read(lambda connection: self._find(connection, key))

    async def reserve(self, key: str, thread_id: str, payload_hash: str) -> KeyUse:
        """Take a key for a request, unless another one has it. Of several that try at once, one gets it."""
        now = now_millis()
        use = KeyUse(thread_id, payload_hash, now, None, is_new=True)
        row = {"operation": self._operation, "thread_id": thread_id, "payload_hash": payload_hash, "reserved_at": now}

        def work(connection: Connection) -> KeyUse:
            is_new = insert_if_new(connection, idempotency_keys, {"key_hash": self._hash(key), **row})
            return use if is_new else self._find(connection, key) or replace(use, is_new=False)

        return await self._database.write(work)

    async def complete(self, key: str, use: KeyUse, response: dict[str, Any]) -> dict[str, Any]:
        """Keep the answer of a request; returns the one that is kept, which may be an earlier one."""
        answer = (
            update(idempotency_keys)
            .where(*self._unanswered(key, use))
            .values(response=response, completed_at=now_millis())
        )

        def work(connection: Connection) -> dict[str, Any]:
            if connection.execute(answer).rowcount:
                return response
            kept = self._find(connection, key)
            return response if kept is None or kept.response is None else kept.response

        return await self._database.write(work)

    async def release(self, key: str, use: KeyUse) -> None:
        """Give a key free whose request failed."""
        removal = delete(idempotency_keys).where(*self._unanswered(key, use))
        await self._database.write(lambda connection: connection.execute(removal))

    def _find(self, connection: Connection, key: str) -> KeyUse | None:
        query = select(idempotency_keys).where(idempotency_keys.c.key_hash == self._hash(key))
        row = connection.execute(query).first()
        return None if row is None else _use(row)

    def _unanswered(self, key: str, use: KeyUse) -> list[ColumnElement[bool]]:
        keys = idempotency_keys.c
        return [keys.key_hash == self._hash(key), keys.reserved_at == use.reserved_at, keys.response.is_(None)]

    def _hash(self, key: str) -> str:
        return hashlib.sha256(f"{self._operation}|{key}".encode()).hexdigest()


def _use(row: Row[Any]) -> KeyUse:
    return KeyUse(row.thread_id, row.payload_hash, row.reserved_at, row.response)
