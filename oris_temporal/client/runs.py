"""Starting runs, and waiting until they settle."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable
from contextlib import suppress
from datetime import timedelta
from typing import Any, cast

from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    WithStartWorkflowOperation,
    WorkflowFailureError,
    WorkflowUpdateFailedError,
    WorkflowUpdateHandle,
    WorkflowUpdateStage,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.errors import (
    InvalidUpdateError,
    OrisError,
    RunConflictError,
    ThreadNotFoundError,
)
from oris_temporal.graph.interrupts import Interrupt
from oris_temporal.workflows import protocol
from oris_temporal.workflows.protocol import RunReport

from .failures import typed_errors
from .history import follow_history
from .launch import Launch
from .lookup import Found
from .records import RunHandle, RunResult
from .snapshots import read_usage
from .threads import Threads
from .waiting import wait_watching

Wire = dict[str, Any]


_SHORT = timedelta(milliseconds=500)
"""Within this the server has what is sent, and says so."""

_REPLACED = "replaced by a new run of the thread"
"""Why a run was terminated that another one takes the place of."""

_HAND_OVER_LOOKS, _HAND_OVER_PAUSE = 100, 0.02
"""How often to look for the run for which another one was ended, and seconds between."""

_CLOSED_MEANWHILE = "AcceptedUpdateCompletedWorkflow"
"""How the server says that a run was ended from outside (a time limit, a termination) before its update could answer."""


class Runs:
    """Starts the runs of threads, and waits for them.

    Args:
        threads: The threads.
    """

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._temporal = threads.temporal

    # --- starting ------------------------------------------------------------------------------------------------

    async def run(self, launch: Launch, wait: timedelta | None) -> RunResult:
        """Start a run and wait until it settles: update-with-start, one round trip where the thread is new."""
        if is_short(wait):
            started = await self.start(launch)
            return await self.joined(
                launch.thread_id, await self._threads.describe_run(launch.thread_id, started.run_id), wait, launch.graph
            )
        while True:
            if (found := await self._make_room(launch)) is not None:
                return await self.joined(launch.thread_id, found, wait, launch.graph)
            operation = launch.operation()
            final = None if launch.follows else asyncio.create_task(self._state_of_new(launch.thread_id))
            update = self._temporal.start_update_with_start_workflow(
                protocol.WAIT,
                start_workflow_operation=operation,
                wait_for_stage=WorkflowUpdateStage.COMPLETED,
                id=update_id(),
                result_type=dict,
            )
            try:
                async with typed_errors(f"run thread {launch.thread_id!r}", launch.thread_id):
                    report, run_id = await self.settle(update, launch.thread_id, wait, final)
            except OrisError:
                _take_note(operation)
                raise
            except WorkflowAlreadyStartedError as error:
                _take_note(operation)
                if (found := await self._existing(launch, error)) is not None:
                    return await self.joined(launch.thread_id, found, wait, launch.graph)
            else:
                if report is None:
                    _take_note(operation)
                return await self.result_of(launch.thread_id, report, launch.graph, run_id)
            finally:
                if final is not None:
                    final.cancel()

    async def start(self, launch: Launch) -> RunHandle:
        """Start a run and return at once."""
        while True:
            if (found := await self._make_room(launch)) is not None:
                return RunHandle(launch.thread_id, found.run_id)
            arguments = launch.start_arguments()
            try:
                async with typed_errors(f"start thread {launch.thread_id!r}"):
                    handle = await self._temporal.start_workflow(launch.name, request_eager_start=True, **arguments)
            except WorkflowAlreadyStartedError as error:
                if (found := await self._existing(launch, error)) is not None:
                    return RunHandle(launch.thread_id, found.run_id)
            else:
                return RunHandle(launch.thread_id, handle.result_run_id or "")

    async def _existing(self, launch: Launch, error: Exception) -> Found | None:
        """The run that an earlier call with the launch's key started. If there is none, the launch becomes the thread's next run.

        Raises:
            RunConflictError: The thread must be new, or is actively running and may not be replaced.
        """
        latest = await self._latest(launch.thread_id)
        if (found := await self.started_by(launch, latest)) is not None:
            return found
        if launch.must_be_new:
            raise RunConflictError(
                f"Thread {launch.thread_id!r} exists already.", thread_id=launch.thread_id
            ) from error
        await self.follow(launch, latest)
        return None

    async def started_by(self, launch: Launch, latest: Found) -> Found | None:
        """The run that an earlier call with the launch's key started."""
        if launch.repeats(latest):
            for found in await self._threads.runs(launch.thread_id):
                if found.memo.get("key") == launch.idempotency_key:
                    return found
        return None

    async def follow(self, launch: Launch, latest: Found) -> None:
        """Make a launch the run after the thread's latest one, from its last state if the launch or the graph says so.

        Raises:
            RunConflictError: That one is actively running and may not be replaced.
            NoWorkerError: None can tell the last state.
            InvalidUpdateError: The input does not fit; a run that waits is left as it is.
        """
        launch.after(latest)
        if latest.is_open and launch.graph is None and latest.graph == launch.name:
            await self._threads.check_input(launch.thread_id, latest, launch.input)
        continues = latest.memo.get("continues", False) if launch.continues is None else launch.continues
        if continues:
            launch.options.values = await self._threads.last_values(launch.thread_id, latest)

    async def joined(
        self, thread_id: str, found: Found, wait: timedelta | None, graph: CompiledGraph | None
    ) -> RunResult:
        """Result of a run that an earlier call started, or answered."""
        latest = await self._threads.describe(thread_id)
        if found.ordinal == latest.ordinal:
            return await self.settled(thread_id, wait=wait, graph=graph)
        return self._read(thread_id, found.run_id, await self._threads.report(thread_id, found), graph)

    async def _make_room(self, launch: Launch) -> Found | None:
        """End the run that a launch replaces. If others did so and an earlier call with its key is among them, the run of that.

        Raises:
            PayloadTooLargeError: The launch could not be started then. Nothing is ended.
            RunConflictError: The run is another by now, which may not be replaced.
        """
        while (run_id := launch.replaces) is not None:
            launch.start_arguments()
            try:
                async with typed_errors(f"replace the run of thread {launch.thread_id!r}", launch.thread_id):
                    await self._threads.handle(launch.thread_id, run_id).terminate(reason=_REPLACED)
            except ThreadNotFoundError as error:  # it has ended by itself, or somebody else ended it
                if (found := await self._existing(launch, error)) is not None:
                    return found
            else:
                launch.go_on_from(await self._threads.describe_run(launch.thread_id, run_id))
                launch.replaces = None
        return None

    async def _latest(self, thread_id: str) -> Found:
        """A thread's latest run. Where somebody ended one to start another, that other one.

        So only who ended a run starts the next, and no two take the same number.
        """
        found = await self._threads.describe(thread_id)
        if found.is_open or found.status != "cancelled" or await self._threads.why_cancelled(found) != _REPLACED:
            return found
        for _ in range(_HAND_OVER_LOOKS):
            await asyncio.sleep(_HAND_OVER_PAUSE)
            if (await self._threads.describe(thread_id)).run_id != found.run_id:
                return await self._latest(thread_id)
        return found  # the other was not started after all

    # --- waiting -------------------------------------------------------------------------------------------------

    async def settled(self, thread_id: str, *, wait: timedelta | None, graph: CompiledGraph | None) -> RunResult:
        """Wait until a thread's latest run settles."""
        report = await self.watch(self._settlement(thread_id), thread_id, wait)
        return await self.result_of(thread_id, report, graph)

    async def _settlement(self, thread_id: str) -> RunReport | None:
        """Report of a thread's latest run once it waits for people; ``None`` once it is closed.

        Waits by the history, not by updates: a run takes ten of them at a time, and a limited number in all.
        """
        while True:
            found = await self._threads.describe(thread_id)
            if not found.is_open and not found.continued:
                return None
            if (report := await self._waiting(thread_id, found)) is not None:
                return report
            async for events in follow_history(self._temporal, found):
                # A run that begins to wait for people writes so into its memo.
                if all(item.event_type != EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED for item in events):
                    continue
                latest = await self._threads.describe(thread_id)
                if latest.run_id == found.run_id and (report := await self._waiting(thread_id, latest)) is not None:
                    return report

    async def _waiting(self, thread_id: str, found: Found) -> RunReport | None:
        """Report of a run, if it waits for people; where it cannot be asked just now, what its memo says counts."""
        if found.status != "interrupted":
            return None
        report = await self._threads.report(thread_id, found)
        return report if report.status == "interrupted" else None

    async def closed(self, thread_id: str, wait: timedelta | None) -> RunResult:
        """Wait until a thread's latest run is closed."""

        async def end() -> None:
            with suppress(WorkflowFailureError):
                await self._threads.handle(thread_id).result()

        await self.watch(end(), thread_id, wait)
        return await self.result_of(thread_id, None, None)

    async def settle(
        self,
        update: Awaitable[WorkflowUpdateHandle[Any]],
        thread_id: str,
        wait: timedelta | None,
        final: Awaitable[Wire | None] | None = None,
    ) -> tuple[RunReport | None, str]:
        """Report of an update that returns when the run settles (``None`` if the wait ended first), and the run's id.

        Args:
            update: The update.
            thread_id: The thread.
            wait: Longest wait.
            final: The run's final state, if it was asked for already.
        """
        run_id = ""

        async def settled() -> RunReport | None:
            nonlocal run_id
            handle = await update
            try:
                report = RunReport.from_wire(await handle.result())
            except WorkflowUpdateFailedError as error:
                if getattr(error.cause, "type", None) != _CLOSED_MEANWHILE:
                    raise
                return await self._settlement(thread_id)
            if report.continued:
                return await self._settlement(thread_id)
            run_id = handle.workflow_run_id or ""
            if report.status == "completed" and report.values is None:
                early = await final if final is not None else None
                report.values = early if early is not None else await self._final_state(thread_id, run_id)
            return report

        return await self.watch(settled(), thread_id, wait), run_id

    async def watch(self, waiting: Any, thread_id: str, wait: timedelta | None) -> Any:
        """Result of `waiting`, or ``None`` if the wait ended first. See `wait_watching` for the errors."""
        seconds = None if wait is None else wait.total_seconds()
        workflow_id = self._threads.workflow_id(thread_id)
        return await wait_watching(self._temporal, asyncio.ensure_future(waiting), workflow_id, thread_id, seconds)

    async def _final_state(self, thread_id: str, run_id: str) -> Wire | None:
        """The result of a run that says it has completed."""
        try:
            return cast("Wire", await self._threads.handle(thread_id, run_id).result())
        except WorkflowFailureError:
            return None  # it failed, or was cancelled, at the last moment

    async def _state_of_new(self, thread_id: str) -> Wire | None:
        """The final state of a thread that is just being started: asked for now, it is there with the report of its end."""
        pause = 0.005
        while True:
            await asyncio.sleep(pause)
            try:
                return await self._final_state(thread_id, "")
            except RPCError as error:
                if error.status != RPCStatusCode.NOT_FOUND:
                    return None
            pause = min(2 * pause, 1.0)

    async def result_of(
        self, thread_id: str, report: RunReport | None, graph: CompiledGraph | None, run_id: str = ""
    ) -> RunResult:
        """The result of a run, from its report as far as that goes, else by looking."""
        if report is None or not run_id or (report.values is None and report.status != "running"):
            found = await self._threads.describe(thread_id)
            run_id = found.run_id
            if report is None or report.values is None:
                report = await self._threads.report(thread_id, found)
        return self._read(thread_id, run_id, report, graph)

    @staticmethod
    def _read(thread_id: str, run_id: str, report: RunReport, graph: CompiledGraph | None) -> RunResult:
        values = report.values or {}
        return RunResult(
            thread_id=thread_id,
            run_id=run_id,
            status=cast("Any", report.status),
            values=values,
            state=_view(graph, values, report),
            interrupts=[Interrupt.from_wire(item) for item in report.interrupts or ()],
            next=report.next or [],
            checkpoint_id=report.checkpoint_id,
            error=report.error,
            usage=read_usage(report.usage),
        )


def is_short(wait: timedelta | None) -> bool:
    """Whether a wait may end before the server even has what is sent, which is not to be lost."""
    return wait is not None and wait < _SHORT


def update_id() -> str:
    """An id for an update. It need be unique in its run only, and history repeats it four times, so it is short."""
    return secrets.token_urlsafe(6)


def _view(graph: CompiledGraph | None, values: Wire, report: RunReport) -> Any:
    if graph is None:
        return values
    try:
        return graph.schema.view(graph.schema.decode(values, f"state of {graph.name}"))
    except InvalidUpdateError:
        if report.status in ("completed", "interrupted"):
            raise
        return None  # it has not begun, or failed at its input: fields that must have a value have none


def _take_note(operation: WithStartWorkflowOperation[Any, Any]) -> None:
    """Look at the error the operation keeps for its handle, else asyncio complains that nobody did."""

    async def look() -> None:
        with suppress(Exception):
            await operation.workflow_handle()

    looking = asyncio.get_running_loop().create_task(look())
    _looking.add(looking)
    looking.add_done_callback(_looking.discard)


_looking: set[asyncio.Task[None]] = set()
