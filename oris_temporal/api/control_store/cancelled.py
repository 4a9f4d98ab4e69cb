"""Threads that were cancelled: nothing runs on them any more, also where Temporal knows nothing of them."""

from __future__ import annotations

from sqlalchemy import exists, select

from .database import Database
from .inserts import insert_if_new
from .tables import cancelled_threads
from .times import now_millis


class CancelledThreads:
    """The cancelled threads of one control store. There is no way back.

    Every method raises `StoreUnavailableError` when the database cannot be reached.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, thread_id: str) -> None:
        """Note that a thread was cancelled."""
        row = {"thread_id": thread_id, "cancelled_at": now_millis()}
        await self._database.write(lambda connection: insert_if_new(connection, cancelled_threads, row))

    async def has(self, thread_id: str) -> bool:
        """Whether a thread was cancelled."""
        query = select(exists().where(cancelled_threads.c.thread_id == thread_id))
        return bool(await self._database.read(lambda connection: connection.scalar(query)))
