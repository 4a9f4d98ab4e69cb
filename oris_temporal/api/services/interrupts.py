"""Interrupts across threads: list, answer, refuse."""

from __future__ import annotations

import asyncio
from datetime import datetime

from oris_temporal.client import OrisClient
from oris_temporal.graph.errors import (
    InterruptConflictError,
    NotInterruptedError,
    OrisError,
    ThreadNotFoundError,
)
from oris_temporal.graph.interrupts import Interrupt, same_json

from ..error_mapping import failing
from ..errors import ApiError, conflict, not_found
from ..models.interrupts import (
    InterruptDetail,
    InterruptItem,
    InterruptList,
    RejectInterruptRequest,
    ResumeInterruptRequest,
)
from ..models.jobs import Cancelled, RunJob
from .answers import answer_key, first_answer
from .outcomes import MAX_PAGE, WAIT_BUDGET, run_job
from .threads import first_open_number, latest_run, refuse_cancelled

_STATUSES = ("pending", "resumed", "rejected")
_RECENT_THREADS = 50
_AT_ONCE = 8


class InterruptService:
    """Lists interrupts and answers them.

    Args:
        client: The client.
    """

    def __init__(self, client: OrisClient) -> None:
        self._client = client

    async def page(self, status: str | None, thread_id: str | None, limit: int) -> InterruptList:
        """A page of the interrupts, newest first.

        Pending ones are found among all threads by one visibility call, answered ones only among the threads that
        changed last: their runs have to be asked one by one.
        """
        limit = min(limit, MAX_PAGE)
        if limit == 0 or (status is not None and status not in _STATUSES):
            return InterruptList(interrupts=[])
        if thread_id is not None:
            found = await self._of_thread(thread_id)
        elif status == "pending":
            found = await self._client.interrupts()
        else:
            found = await self._of_recent_threads()
        wanted = [interrupt for interrupt in found if status in (None, interrupt.status)]
        wanted.sort(key=by_age, reverse=True)
        return InterruptList(interrupts=[InterruptItem(**_fields(interrupt)) for interrupt in wanted[:limit]])

    async def get(self, interrupt_id: str) -> InterruptDetail:
        """One interrupt."""
        return interrupt_detail(await self._find(interrupt_id))

    async def resume(self, interrupt_id: str, request: ResumeInterruptRequest) -> RunJob:
        """Answer an interrupt and wait until its run settles again."""
        interrupt = await self._find(interrupt_id)
        if interrupt.status == "resumed":
            if same_json(interrupt.answer, request.value):
                stored = await first_answer(self._client, interrupt, request.value)
                if stored is not None:
                    return stored
            raise _resumed_differently()
        if interrupt.status == "rejected":
            raise conflict("interrupt already rejected")
        await refuse_cancelled(self._client, interrupt.thread_id)
        with failing("resume failed"):
            try:
                result = await self._client.resume(
                    interrupt.thread_id,
                    request.value,
                    interrupt_id=interrupt_id,
                    idempotency_key=answer_key(interrupt_id, request.value),
                    wait=WAIT_BUDGET,
                )
            except InterruptConflictError:  # somebody else was quicker
                raise _resumed_differently() from None
        return run_job(result, failing="resume failed")

    async def reject(self, interrupt_id: str, request: RejectInterruptRequest) -> Cancelled:
        """Refuse to answer, which cancels the thread."""
        interrupt = await self._find(interrupt_id)
        if interrupt.status != "pending":
            raise conflict(f"interrupt already {interrupt.status}")
        thread_id = interrupt.thread_id
        try:
            await self._client.reject(thread_id, interrupt_id, reason=request.reason or "")
        except InterruptConflictError as error:  # somebody else was quicker
            raise conflict(f"interrupt already {error.details.get('status', 'resumed')}") from None
        except NotInterruptedError:
            latest = await latest_run(self._client, thread_id)
            if latest is None or latest.status != "cancelled":
                raise
        return Cancelled(thread_id=thread_id, reason="interrupt rejected")

    async def _find(self, interrupt_id: str) -> Interrupt:
        thread_id = thread_of(interrupt_id)
        if thread_id is not None:
            for interrupt in await self._of_thread(thread_id):
                if interrupt.id == interrupt_id:
                    return interrupt
        raise not_found("interrupt not found")

    async def _of_thread(self, thread_id: str) -> list[Interrupt]:
        """All interrupts of a thread; none if it never ran."""
        try:
            asked = await self._client.interrupts(thread_id, all=True)
        except ThreadNotFoundError:
            return []
        if any(interrupt.status == "pending" for interrupt in asked):
            first = await first_open_number(self._client, thread_id)
            for interrupt in asked:
                if interrupt.status == "pending" and number_of(interrupt) < first:
                    interrupt.status = "rejected"  # its run was replaced, so nobody can answer it any more
        return asked

    async def _of_recent_threads(self) -> list[Interrupt]:
        """All interrupts of the threads that changed last, and the pending ones of all others."""
        room = asyncio.Semaphore(_AT_ONCE)

        async def ask(thread_id: str) -> list[Interrupt]:
            async with room:
                try:
                    return await self._of_thread(thread_id)
                except OrisError:  # no worker can tell; the pending ones are known without
                    return []

        recent = await self._client.list(limit=_RECENT_THREADS)
        of_recent = await asyncio.gather(*(ask(run.thread_id) for run in recent))
        known = {interrupt.id: interrupt for interrupt in await self._client.interrupts()}
        for interrupts in of_recent:
            known |= {interrupt.id: interrupt for interrupt in interrupts}
        return list(known.values())


def thread_of(interrupt_id: str) -> str | None:
    """Thread id within ``int-<thread_id>-<n>``; ``None`` if the id has another form."""
    thread_id, _, number = interrupt_id.removeprefix("int-").rpartition("-")
    well_formed = interrupt_id.startswith("int-") and thread_id and number.isascii() and number.isdigit()
    return thread_id if well_formed else None


def interrupt_detail(interrupt: Interrupt) -> InterruptDetail:
    """An interrupt on its own."""
    return InterruptDetail(**_fields(interrupt), attempt_id=f"attempt-{interrupt.thread_id}-main")


def _fields(interrupt: Interrupt) -> dict[str, object]:
    return {
        "interrupt_id": interrupt.id,
        "thread_id": interrupt.thread_id,
        "run_id": interrupt.thread_id,
        "value": interrupt.value,
        "status": interrupt.status,
        "created_at": interrupt.created_at,
    }


def by_age(interrupt: Interrupt) -> tuple[datetime, int]:
    """Sort key, oldest first; the number decides between those asked at the same moment."""
    return interrupt.created_at, number_of(interrupt)


def number_of(interrupt: Interrupt) -> int:
    """Number within the thread."""
    return int(interrupt.id.rpartition("-")[2])


def _resumed_differently() -> ApiError:
    return conflict("interrupt already resumed with different payload")
