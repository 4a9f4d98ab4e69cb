"""Interrupts across threads: list, answer, refuse."""

from __future__ import annotations

import asyncio
from datetime import datetime

from oris_temporal.client import OrisClient, RunSummary
from oris_temporal.graph.errors import (
    InterruptConflictError,
    NotInterruptedError,
    OrisError,
    ThreadNotFoundError,
)
from oris_temporal.graph.interrupts import Interrupt, number_of, same_json, thread_of

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
from ..transport.preferences import Preferences
from .answers import answer_key, first_answer
from .outcomes import MAX_PAGE, run_job
from .run_attempts import RunAttempts
from .threads import ThreadGuard
from .waiting import check_wait

_STATUSES = ("pending", "resumed", "rejected")
_AT_ONCE = 8

_MOST_THREADS = 1_000
"""Threads that one answer looks at: each has to be asked."""


class InterruptService:
    """Lists interrupts and answers them.

    Args:
        client: The client.
        guard: Keeps cancelled threads from running.
        attempts: The attempts of runs.
    """

    def __init__(self, client: OrisClient, guard: ThreadGuard, attempts: RunAttempts) -> None:
        self._client = client
        self._guard = guard
        self._attempts = attempts

    async def page(self, status: str | None, thread_id: str | None, limit: int, tenant: str | None) -> InterruptList:
        """A page of the interrupts, newest first."""
        limit = min(limit, MAX_PAGE)
        if limit == 0 or (status is not None and status not in _STATUSES):
            return InterruptList(interrupts=[])
        if thread_id is not None:
            found = await self._of_thread(thread_id) if await self._guard.is_own(thread_id, tenant) else []
        elif status == "pending":  # one visibility call finds them all
            found = await self._client.interrupts(tenant=tenant)
        else:
            found = await self._of_all_threads(status, limit, tenant)
        wanted = [interrupt for interrupt in found if status in (None, interrupt.status)]
        wanted.sort(key=by_age, reverse=True)
        return InterruptList(interrupts=[interrupt_item(interrupt) for interrupt in wanted[:limit]])

    async def get(self, interrupt_id: str) -> InterruptDetail:
        """One interrupt."""
        return interrupt_detail(await self._find(interrupt_id))

    async def resume(
        self, interrupt_id: str, request: ResumeInterruptRequest, preferences: Preferences, author: str | None
    ) -> RunJob:
        """Answer an interrupt and wait until its run settles again."""
        wait = check_wait(request.wait_ms, preferences)
        interrupt = await self._find(interrupt_id)
        if interrupt.status == "resumed":
            if same_json(interrupt.answer, request.value):
                stored = await first_answer(self._client, interrupt, request.value, wait)
                if stored is not None:
                    return stored
            raise _resumed_differently()
        if interrupt.status == "rejected" and interrupt.answered_at is not None:
            raise _already(interrupt.status)
        await self._guard.refuse_cancelled(interrupt.thread_id)
        if interrupt.status == "rejected":  # with its run, which has ended
            raise _already(interrupt.status)
        with failing("resume failed"):
            try:
                result = await self._client.resume(
                    interrupt.thread_id,
                    request.value,
                    interrupt_id=interrupt_id,
                    idempotency_key=answer_key(interrupt_id, request.value),
                    author=author,
                    wait=wait,
                )
            except (InterruptConflictError, NotInterruptedError):  # somebody else was quicker
                status = (await self._find(interrupt_id)).status
                raise _resumed_differently() if status == "resumed" else _already(status) from None
            await self._attempts.follow(result)
        return run_job(result, failing="resume failed")

    async def reject(self, interrupt_id: str, request: RejectInterruptRequest, author: str | None) -> Cancelled:
        """Refuse to answer, which cancels the thread."""
        interrupt = await self._find(interrupt_id)
        if interrupt.status != "pending":
            raise _already(interrupt.status)
        thread_id = interrupt.thread_id
        try:
            await self._client.reject(thread_id, interrupt_id, reason=request.reason or "", author=author)
        except (InterruptConflictError, NotInterruptedError):  # somebody else was quicker
            raise _already((await self._find(interrupt_id)).status) from None
        await self._guard.cancel(thread_id)
        await self._attempts.ended(thread_id, "cancelled")
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
        if not thread_id.strip():
            return []
        try:
            return await self._client.interrupts(thread_id, all=True)
        except ThreadNotFoundError:
            return []

    async def _of_all_threads(self, status: str | None, limit: int, tenant: str | None) -> list[Interrupt]:
        """The newest interrupts, answered ones included: these only the runs themselves know.

        A thread asks nothing after it last changed, so threads are read from the latest change on until a page is full of
        interrupts that are newer.
        """
        found: list[Interrupt] = []
        for offset in range(0, _MOST_THREADS, MAX_PAGE):
            page = await self._client.list(tenant=tenant, limit=MAX_PAGE, offset=offset)
            asking = [run for run in page if run.asked]
            for start in range(0, len(asking), _AT_ONCE):
                if len(found) >= limit and found[limit - 1].created_at > asking[start].updated_at:
                    return found
                read = await asyncio.gather(*map(self._of_run, asking[start : start + _AT_ONCE]))
                found += [item for items in read for item in items if status in (None, item.status)]
                found.sort(key=by_age, reverse=True)
            if len(page) < MAX_PAGE:
                break
        return found

    async def _of_run(self, run: RunSummary) -> list[Interrupt]:
        try:
            return await self._of_thread(run.thread_id)
        except OrisError:  # no worker can tell; what is pending is known without
            return run.interrupts


def interrupt_item(interrupt: Interrupt) -> InterruptItem:
    """An interrupt among others."""
    return InterruptItem(**_fields(interrupt))


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
        "tool": interrupt.tool,
        "tool_call_id": interrupt.tool_call_id,
    }


def by_age(interrupt: Interrupt) -> tuple[datetime, int]:
    """Sort key, oldest first; the number decides between those asked at the same moment."""
    return interrupt.created_at, number_of(interrupt.id)


def _already(status: str) -> ApiError:
    return conflict(f"interrupt already {status}")


def _resumed_differently() -> ApiError:
    return conflict("interrupt already resumed with different payload")
