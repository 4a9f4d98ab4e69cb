"""Writes to a database that has one writer at a time: those that wait for their turn share a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")
Work: TypeAlias = Callable[[Connection], T]
_Outcome: TypeAlias = tuple[Any, Exception | None]


@dataclass(frozen=True, slots=True)
class _Write:
    work: Work[Any]
    done: asyncio.Future[Any]


class SharedTransactions:
    """Does writes in the order in which they come, on one thread, each as if it were alone.

    Beginning, committing and changing threads cost about as much as a write itself; under load they are paid once for all
    that have come in meanwhile. If one of those fails, each is done again in a transaction of its own.

    Args:
        transact: Does work in a transaction, on the calling thread.
    """

    def __init__(self, transact: Callable[[Work[Any]], Any]) -> None:
        self._transact = transact
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="control-store-writer")
        self._waiting: list[_Write] = []
        self._turns: asyncio.Task[None] | None = None

    async def do(self, work: Work[T]) -> T:
        """Return what `work` returns, once it is committed, or raise what it raises; then nothing of it is left.

        `work` may be called twice.
        """
        write = _Write(work, asyncio.get_running_loop().create_future())
        self._waiting.append(write)
        if self._turns is None:
            self._turns = asyncio.create_task(self._take_turns())
        return await write.done  # type: ignore[no-any-return]

    async def close(self) -> None:
        """Wait for the writes that have been asked for."""
        if self._turns is not None:
            await self._turns
        await asyncio.to_thread(self._thread.shutdown)

    async def _take_turns(self) -> None:
        while writes := [write for write in self._waiting if not write.done.done()]:
            self._waiting.clear()
            for write, (result, error) in zip(writes, await self._outcomes(writes), strict=True):
                if write.done.done():
                    continue  # nobody waits for it any more
                if error is None:
                    write.done.set_result(result)
                else:
                    write.done.set_exception(error)
        self._turns = None

    async def _outcomes(self, writes: list[_Write]) -> list[_Outcome]:
        works = [write.work for write in writes]
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._together, works)
        except RuntimeError as error:  # closed
            return [(None, error) for _ in works]

    def _together(self, works: list[Work[Any]]) -> list[_Outcome]:
        begun = False

        def do_all(connection: Connection) -> list[Any]:
            nonlocal begun
            begun = True
            return [work(connection) for work in works]

        try:
            return [(result, None) for result in self._transact(do_all)]
        except Exception as error:
            if not begun or len(works) == 1:
                return [(None, error) for _ in works]
        return [self._alone(work) for work in works]

    def _alone(self, work: Work[Any]) -> _Outcome:
        try:
            return self._transact(work), None
        except Exception as error:
            return None, error
