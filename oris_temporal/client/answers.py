"""Answering runs: what people say to what a thread waits for, and what is told when that cannot be."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any, cast

from temporalio.client import WorkflowUpdateHandle, WorkflowUpdateStage
from temporalio.service import RPCError, RPCStatusCode

from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.errors import (
    InterruptConflictError,
    InterruptNotFoundError,
    NotInterruptedError,
    OrisError,
    ThreadNotFoundError,
)
from oris_temporal.graph.ids import bounded
from oris_temporal.graph.interrupts import Interrupt, same_json
from oris_temporal.workflows import protocol
from oris_temporal.workflows.payloads import ordered
from oris_temporal.workflows.protocol import ResumeOptions

from .failures import typed_errors
from .lookup import Found
from .records import RunResult
from .runs import Runs, is_short, update_id
from .threads import Threads

_TAKES_NONE = "Workflow Task in failed state"
"""How the server says that a run takes no updates until its workflow task succeeds again."""

_AGAIN_SECONDS = 0.5


class Answers:
    """Answers and rejects what threads ask, and edits their state.

    Args:
        threads: The threads.
        runs: Their runs.
    """

    def __init__(self, threads: Threads, runs: Runs) -> None:
        self._threads = threads
        self._runs = runs

    async def resume(
        self,
        thread_id: str,
        answer: Any,
        options: ResumeOptions,
        *,
        idempotency_key: str | None,
        wait: timedelta | None,
        graph: CompiledGraph | None,
    ) -> RunResult:
        """Answer what a thread waits for and wait until its run settles again."""
        options.keyed = idempotency_key is not None
        wire = options.to_wire()
        id = update_id() if idempotency_key is None else bounded(idempotency_key)
        send = partial(
            self._threads.handle(thread_id).start_update,
            protocol.RESUME,
            args=[ordered(answer), ordered(wire)] if wire else [ordered(answer)],
            id=id,
            wait_for_stage=WorkflowUpdateStage.ACCEPTED if is_short(wait) else WorkflowUpdateStage.COMPLETED,
            result_type=dict,
        )
        update = _once_it_can_be_taken(send)
        try:
            async with typed_errors(f"resume thread {thread_id!r}", thread_id):
                if is_short(wait):
                    update = _at_once(await self._runs.watch(update, thread_id, None))
                report, run_id = await self._runs.settle(update, thread_id, wait)
        except OrisError as error:
            if isinstance(error, NotInterruptedError) or _is_closed(error):
                return await self._resume_closed(thread_id, answer, options, id, wait, graph)
            if isinstance(error, InterruptNotFoundError):  # in this history; an earlier one may have asked it
                found, new = await self._taken(thread_id, _by_id(answer, options))
                if found is not None:
                    return await self._runs.joined(thread_id, found, wait, graph)
                await self._refuse_known(thread_id, new)
            raise
        if report is not None and report.repeats is not None:
            return await self._runs.joined(thread_id, await self._run_of(thread_id, report.repeats), wait, graph)
        return await self._runs.result_of(thread_id, report, graph, run_id)

    async def update(self, thread_id: str, name: str, *args: Any) -> str:
        """Result of an update of a thread's run."""
        handle = self._threads.handle(thread_id)
        send = partial(handle.execute_update, name, args=list(args), id=update_id(), result_type=str)
        return cast("str", await self._runs.watch(_once_it_can_be_taken(send), thread_id, None))

    async def _resume_closed(
        self,
        thread_id: str,
        answer: Any,
        options: ResumeOptions,
        id: str,
        wait: timedelta | None,
        graph: CompiledGraph | None,
    ) -> RunResult:
        """Answering a run that no longer waits: a repeated answer gets the result, anything else is refused."""
        latest = await self._threads.describe(thread_id)
        if options.keyed and (ordinal := protocol.taken_by(latest.memo, id)) is not None:
            return await self._runs.joined(thread_id, await self._run_of(thread_id, ordinal), wait, graph)
        found, new = await self._taken(thread_id, _by_id(answer, options))
        if found is not None:
            return await self._runs.joined(thread_id, found, wait, graph)
        raise await self._refusal(thread_id, latest, new)

    async def _run_of(self, thread_id: str, ordinal: int) -> Found:
        """A run of a thread by its number.

        Raises:
            ThreadNotFoundError: Its retention period is over.
        """
        for found in await self._threads.runs(thread_id):
            if found.ordinal == ordinal:
                return found
        raise ThreadNotFoundError(
            f"Run {ordinal} of thread {thread_id!r} took this answer already; its retention period is over.",
            thread_id=thread_id,
        )

    async def _taken(self, thread_id: str, answers: dict[str, Any]) -> tuple[Found | None, str | None]:
        """The run of a thread that got these answers already, in whatever history of it, or the id of the first that none did."""
        known: dict[str, tuple[Interrupt, Found]] = {}
        for found in await self._threads.runs(thread_id):  # newest first: a run knows best what it took over
            if known.keys() >= answers.keys():
                break
            for item in await self._threads.asked(thread_id, found):
                known.setdefault(item.id, (item, found))
        took = None
        for id, value in answers.items():
            if id not in known:
                return None, id
            item, took = known[id]
            if item.status != "resumed" or not same_json(item.answer, value):
                return None, id
        return took, None

    async def reject(self, thread_id: str, interrupt_id: str | None, reason: str, author: str | None) -> None:
        """Refuse to answer an interrupt; the run then ends by itself."""
        try:
            async with typed_errors(f"reject thread {thread_id!r}", thread_id):
                await self.update(thread_id, protocol.REJECT, interrupt_id, reason, author)
        except OrisError as error:
            if _is_closed(error):
                found = await self._threads.describe(thread_id)
                raise await self._refusal(thread_id, found, interrupt_id) from None
            if isinstance(error, InterruptNotFoundError):  # in this run; an earlier one may have asked it
                await self._refuse_known(thread_id, interrupt_id)
            raise

    async def _refusal(self, thread_id: str, found: Found, interrupt_id: str | None) -> OrisError:
        """Why a run that is closed, or does not wait, cannot be answered."""
        if interrupt_id is not None:
            await self._refuse_known(thread_id, interrupt_id)
            return InterruptNotFoundError(
                f"Thread {thread_id!r} has no interrupt {interrupt_id!r}.", interrupt_id=interrupt_id
            )
        if found.status == "interrupted":  # by now
            asked = ", ".join(item.id for item in found.pending)
            return NotInterruptedError(
                f"Thread {thread_id!r} was not waiting when the answer came; somebody else was quicker. It waits for {asked} now."
            )
        return NotInterruptedError(
            f"The run of thread {thread_id!r} is {found.status}; it is not waiting for an answer."
        )

    async def _refuse_known(self, thread_id: str, interrupt_id: str | None) -> None:
        """Refuse an interrupt that any of the thread's runs has asked and that is settled."""
        for item in await self._threads.asked_ever(thread_id):
            if item.id == interrupt_id and item.status != "pending":
                raise InterruptConflictError(
                    f"Interrupt {item.id!r} is already {item.status}.", interrupt_id=item.id, status=item.status
                )


async def _once_it_can_be_taken(send: Callable[[], Awaitable[Any]]) -> Any:
    """Send an update, again and again while the server takes none because the run's workflow task fails. Who watches says so."""
    while True:
        try:
            return await send()
        except RPCError as error:
            if _TAKES_NONE not in error.message:
                raise
        await asyncio.sleep(_AGAIN_SECONDS)


async def _at_once(handle: WorkflowUpdateHandle[Any]) -> WorkflowUpdateHandle[Any]:
    return handle


def _by_id(answer: Any, options: ResumeOptions) -> dict[str, Any]:
    """What an answer answers, as far as it says: interrupt id to answer."""
    return answer if options.by_id else {options.interrupt_id: answer} if options.interrupt_id else {}


def _is_closed(error: OrisError) -> bool:
    """Whether the cause is that the workflow is closed already."""
    return isinstance(error.__cause__, RPCError) and error.__cause__.status == RPCStatusCode.NOT_FOUND
