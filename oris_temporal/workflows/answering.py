"""What can be said to a run's workflow: signals and updates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

from temporalio import workflow
from temporalio.common import RawValue

from oris_temporal.graph.errors import NotInterruptedError, OrisError, SerializationError, bounded_text, error_line
from oris_temporal.graph.wire import to_wire

from . import protocol
from .failures import failure
from .payloads import ordered
from .protocol import ChildWaits, ResumeOptions, RunReport
from .showing import ShownWorkflow
from .temporal_run import TemporalRun


class AnsweredWorkflow(ShownWorkflow):
    """A workflow that runs `graph` and takes answers, edits and signals."""

    def __init__(self) -> None:
        super().__init__()
        self._early_signals: list[tuple[str, Any]] = []

    @workflow.signal(name=protocol.RESUME, description="Answer what the run waits for: the answer, then options.")
    async def _resume_by_signal(self, value: Any = None, options: Any = None, *_: Any) -> None:
        run = await self._ready()
        try:
            read = ResumeOptions.read(options)
            self._check_answer(run, value, read)
            await self._resume(run, to_wire(value, "answer"), read)
        except OrisError as error:  # a signal cannot be refused, so say what became of it
            self._ignore(protocol.RESUME, error)

    @workflow.update(
        name=protocol.RESUME, description="Answer what the run waits for, and wait until it settles again."
    )
    async def _resume_by_update(self, value: Any = None, options: Any = None) -> Any:
        run = await self._ready()
        run.updates += 1
        try:
            read = ResumeOptions.read(options)
            earlier = self._taken_by(read)
            if earlier is None:
                self._check_answer(run, value, read)
                await self._resume(run, value, read)
                if read.keyed and not read.names_question:  # an answer to a question by its id is known by that
                    self._keys.append(_update_id())
        except OrisError as error:
            raise failure(error) from None
        if earlier not in (None, run.ordinal):
            return RunReport("running", repeats=earlier).to_wire()
        await workflow.wait_condition(lambda: run.settled or run.continuing)
        return ordered(self._report())

    @_resume_by_update.validator
    def _check_resume(self, value: Any = None, options: Any = None) -> None:
        try:
            read = ResumeOptions.read(options)
            if not self._is_starting and self._taken_by(read) is None:  # else the handler checks, once it can be told
                self._check_answer(self._waiting(), value, read)
        except OrisError as error:
            raise failure(error) from None

    @staticmethod
    def _taken_by(options: ResumeOptions) -> int | None:
        """Ordinal of the run that took the update already: this one, before it continued as new, or an earlier one of the thread."""
        return protocol.taken_by(workflow.memo_value(protocol.MEMO, {}), _update_id()) if options.keyed else None

    @staticmethod
    def _check_answer(run: TemporalRun, value: Any, options: ResumeOptions) -> None:
        """Raise what `_resume` would raise, changing nothing."""
        if options.edits:
            run.check_command()
            run.root.check_edit(options.update or {}, goto=options.command(value).destinations)
        if not options.no_value:
            run.desk.plan(value, by_id=options.by_id, interrupt_id=options.interrupt_id)
        elif not options.edits:
            run.desk.breakpoints(options.interrupt_id)

    @staticmethod
    async def _resume(run: TemporalRun, value: Any, options: ResumeOptions) -> None:
        if options.edits:
            await run.apply_command(options.command(value))
        if not options.no_value:
            run.resume(value, by_id=options.by_id, interrupt_id=options.interrupt_id, author=options.author)
        elif not options.edits:
            run.go_on(options.interrupt_id, author=options.author)

    def _ignore(self, signal: str, error: OrisError) -> None:
        """Note a signal that could not be taken."""
        if self._run is not None:
            self._run.record("ignored", None, data={"signal": signal, "code": error.code, "message": error.message})
        workflow.logger.warning("ignored signal %s: %s", signal, error.message)

    @workflow.update(name=protocol.REJECT, description="Refuse to answer an interrupt; the run is cancelled.")
    async def _reject(self, interrupt_id: str | None = None, reason: str = "", author: str | None = None) -> str:
        run = await self._ready()
        try:
            id = self._waiting().reject(interrupt_id, reason=reason, author=author)
        except OrisError as error:
            raise failure(error) from None
        run.rejected = True
        why = f"interrupt {id} rejected" + (f" by {author}" if author else "") + (f": {reason}" if reason else "")
        await workflow.execute_local_activity(
            protocol.CANCEL_RUN,
            bounded_text(why),
            start_to_close_timeout=timedelta(seconds=10),
            summary="cancel the run",
        )
        return id

    @_reject.validator
    def _check_reject(self, interrupt_id: str | None = None, reason: str = "", author: str | None = None) -> None:
        if self._is_starting:
            return
        try:
            self._waiting().desk.check_reject(interrupt_id)
        except OrisError as error:
            raise failure(error) from None

    @workflow.update(
        name=protocol.UPDATE_STATE,
        description="Merge values into the state, now if the run waits, else at the next step.",
    )
    async def _update_state(self, update: dict[str, Any], as_node: str | None = None) -> str | None:
        run = await self._ready()
        run.updates += 1
        try:
            checkpoint: str | None = await run.edit_at_boundary(lambda: run.root.edit(update, as_node=as_node))
        except OrisError as error:
            raise failure(error) from None
        return checkpoint

    @_update_state.validator
    def _check_update_state(self, update: dict[str, Any], as_node: str | None = None) -> None:
        if self._is_starting:
            return
        try:
            if self._run is None or "" not in self._run.engines or self._run.status not in ("running", "interrupted"):
                raise NotInterruptedError("The run is not waiting or running, so its state cannot be edited.")
            self._run.root.check_edit(update, as_node=as_node)
        except OrisError as error:
            raise failure(error) from None

    @workflow.update(name=protocol.WAIT, description="Wait until the run ends or waits for people.")
    async def _wait(self) -> Any:
        await workflow.wait_condition(lambda: self._broken is not None or not self._is_starting)
        if (run := self._run) is not None:
            run.updates += 1
            await workflow.wait_condition(lambda: run.settled or run.continuing)
        return ordered(self._report())

    @workflow.signal(name=protocol.CHILD_WAITS, description="What a child workflow waits for.")
    def _child_waits(self, task_id: Any = None, waits: Any = None, *_: Any) -> None:
        try:
            if self._run is not None:
                self._run.child_waits(str(task_id), ChildWaits.read(waits))
        except OrisError as error:
            self._ignore(protocol.CHILD_WAITS, error)

    @workflow.signal(dynamic=True, description="Any other signal: what ctx.wait_signal(name) receives.")
    def _any_signal(self, name: str, args: Sequence[RawValue]) -> None:
        try:
            value = to_wire(workflow.payload_converter().from_payload(args[0].payload) if args else None, "value")
        except Exception as error:  # whatever a converter raises
            self._ignore(name, SerializationError(f"Its value is no JSON: {error_line(error)}"))
            return
        if self._run is None:
            self._early_signals.append((name, value))
        else:
            self._run.receive_signal(name, value)

    async def _ready(self) -> TemporalRun:
        """The run, once it has begun: handlers may be called before it."""
        await workflow.wait_condition(lambda: self._broken is not None or not self._is_starting)
        if self._broken is not None:
            raise failure(self._broken)
        return cast("TemporalRun", self._run)

    @property
    def _is_starting(self) -> bool:
        run = self._run
        return run is None or ("" not in run.engines and run.status == "running") or run.restoring

    def _waiting(self) -> TemporalRun:
        run = self._run
        if run is None or run.status not in ("running", "interrupted"):
            raise NotInterruptedError("The run is not waiting for an answer.")
        return run


def _update_id() -> str:
    """Id of the update that is being handled."""
    info = workflow.current_update_info()
    return "" if info is None else info.id
