"""Threads in this process's memory: `CompiledGraph.invoke` and its relatives, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from .config import RunnableConfig, merged, read_config
from .control import MISSING, Command
from .editing import check_edit
from .errors import EmptyInputError, InvalidUpdateError, NotInterruptedError, RunConflictError, ThreadNotFoundError
from .local import LocalRun
from .records import Checkpoint, EngineState
from .requests import check_thread_id, check_update, checkpoint_place
from .results import InvokeResult, StateSnapshot, StreamChunk
from .run import Edit
from .signals import check_signal
from .snapshot import engine_state_from_wire
from .state import isolate
from .streaming import is_visible, project, read_modes, trace_of

if TYPE_CHECKING:
    from .compiled import CompiledGraph

Breakpoints = Mapping[str, Collection[str] | None]


class ThreadStore:
    """The threads of one compiled graph, each a list of runs.

    Args:
        graph: The graph.
    """

    def __init__(self, graph: CompiledGraph) -> None:
        self.graph = graph
        self._threads: dict[str, list[LocalRun]] = {}

    # --- running -------------------------------------------------------------------------------------------------

    async def invoke(self, given: Any, config: Mapping[str, Any] | None, breakpoints: Breakpoints) -> InvokeResult:
        """See `CompiledGraph.invoke`."""
        run, seen = await self._begin(given, read_config(config), breakpoints)
        await run.until_settled()
        return InvokeResult(
            status=run.status,
            state=self.graph.schema.view(run.root.values.data),
            values=isolate(run.root.values.wire()),
            interrupts=run.desk.pending,
            next=run.next_nodes(),
            trace=trace_of([event for event in run.log.events if event.seq > seen]),
            thread_id=run.thread_id,
            checkpoint_id=run.root.state.checkpoint_id or "",
            usage=dict(run.usage),
        )

    async def stream(
        self,
        given: Any,
        config: Mapping[str, Any] | None,
        *,
        mode: str | Sequence[str],
        subgraphs: bool,
        breakpoints: Breakpoints,
    ) -> AsyncIterator[StreamChunk]:
        """See `CompiledGraph.stream`."""
        modes = read_modes(mode)
        run, seen = await self._begin(given, read_config(config), breakpoints)
        settled = asyncio.create_task(run.until_settled())
        settled.add_done_callback(lambda _: run.changed())
        over = False
        while not over:
            over, change = settled.done(), run.change
            for event in [
                event for event in run.log.events if event.seq > seen and is_visible(event, subgraphs=subgraphs)
            ]:
                for chunk in project(event, modes, ordinal=run.ordinal, values=run.log.values_at(event)):
                    yield chunk
            seen = run.log.sequence
            if not over:
                await change.wait()
        await settled

    async def signal(self, config: Mapping[str, Any], name: str, value: Any) -> None:
        """See `CompiledGraph.signal`."""
        check_signal(name)
        self._runs(read_config(config)["configurable"])[-1].receive_signal(name, value)

    # --- state ---------------------------------------------------------------------------------------------------

    def get_state(self, config: Mapping[str, Any]) -> StateSnapshot:
        """See `CompiledGraph.get_state`."""
        run, checkpoint = self._find(read_config(config)["configurable"])
        return self._snapshot(run, checkpoint)

    def get_state_history(
        self, config: Mapping[str, Any], *, limit: int | None, before: str | None, order: str
    ) -> list[StateSnapshot]:
        """See `CompiledGraph.get_state_history`."""
        configurable = read_config(config)["configurable"]
        namespace = configurable.get("checkpoint_ns", "")
        if order not in ("newest", "oldest"):
            raise InvalidUpdateError(f"get_state_history(order={order!r}): it is 'newest' or 'oldest' first.")
        end = None if before is None else checkpoint_place(before, "before")
        found = [
            self._snapshot(run, checkpoint)
            for run in self._runs(configurable)
            for checkpoint in run.log.checkpoints
            if checkpoint.namespace == namespace and (end is None or checkpoint_place(checkpoint.id, "id") < end)
        ]
        if order == "newest":
            found.reverse()
        return found[:limit]

    async def update_state(self, config: Mapping[str, Any], values: Any, *, as_node: str | None) -> dict[str, Any]:
        """See `CompiledGraph.update_state`."""
        configurable = read_config(config)["configurable"]
        if namespace := configurable.get("checkpoint_ns"):
            raise InvalidUpdateError(
                f"update_state of {self.graph.name}: the state of a subgraph ({namespace!r}) cannot be edited; "
                "edit that of its parent, without checkpoint_ns."
            )
        run, checkpoint = self._find(configurable)
        check_update(values, f"update of the state of {self.graph.name}")
        update = self.graph.schema.update_wire(values, f"update_state of {self.graph.name}")
        if self._is_live(run) and "checkpoint_id" not in configurable:
            waited = run.settled
            checkpoint_id = await run.edit_at_boundary(lambda: run.root.edit(update, as_node=as_node))
            if waited:
                await run.until_settled()
        else:
            edit = Edit(update, as_node=as_node, hold=True)
            run = self._branch(run, checkpoint, {}, {}, edit)
            await run.until_settled()
            checkpoint_id = run.root.state.checkpoint_id
        return {"configurable": {"thread_id": run.thread_id, "checkpoint_id": checkpoint_id, "checkpoint_ns": ""}}

    # --- threads and runs ----------------------------------------------------------------------------------------

    async def _begin(self, given: Any, config: RunnableConfig, breakpoints: Breakpoints) -> tuple[LocalRun, int]:
        """The run a call is about, started or resumed, and the number of the last event before the call."""
        if isinstance(given, Command):
            return await self._command(given, config, breakpoints)
        if given is None:
            return self._continue(config, breakpoints)
        if "checkpoint_id" in config["configurable"]:
            raise InvalidUpdateError(
                f"Graph {self.graph.name}: give either an input, for a fresh run, or a checkpoint_id, to go on from there."
            )
        given_id = config["configurable"].get("thread_id")
        thread_id = uuid4().hex if given_id is None else check_thread_id(str(given_id))
        wire = self.graph.input_wire(given)
        self.graph.context_of(config)
        before = self._threads.get(thread_id, [])
        if before and self._is_live(before[-1]) and not before[-1].settled:
            raise RunConflictError(
                f"Thread {thread_id!r} is running; wait for it, or use another thread.", thread_id=thread_id
            )
        seed = None
        if before and self.graph.continues and "" in before[-1].engines:
            seed = EngineState(values=before[-1].root.values.data)
        run = self._new_run(thread_id, config, breakpoints)
        run.start(wire, seed)
        return run, 0

    def _continue(self, config: RunnableConfig, breakpoints: Breakpoints) -> tuple[LocalRun, int]:
        configurable = config["configurable"]
        if not configurable.get("thread_id"):
            raise EmptyInputError(
                f"Graph {self.graph.name}: without an input, name a thread to continue: config={{'configurable': {{'thread_id': ...}}}}."
            )
        run, checkpoint = self._find(configurable)
        if "checkpoint_id" in configurable or not self._is_live(run):
            return self._branch(run, checkpoint, config, breakpoints), 0
        seen = run.log.sequence
        if run.desk.pending:
            run.go_on()
        return run, seen

    async def _command(
        self, command: Command, config: RunnableConfig, breakpoints: Breakpoints
    ) -> tuple[LocalRun, int]:
        run, checkpoint = self._find(config["configurable"])
        edits = command.update is not None or bool(command.destinations)
        check_update(command.update, f"update of the state of {self.graph.name}")
        if "checkpoint_id" in config["configurable"]:
            edit = None
            if command.resume is not MISSING:
                run.check_answer_at(checkpoint, command.resume, by_id=self._answers_by_id(run, command.resume))
            if edits:
                update = self.graph.schema.update_wire(command.update, "Command(update=...)")
                edit = Edit(update, goto=command.destinations if command.resume is MISSING else ())
            run = self._branch(run, checkpoint, config, breakpoints, edit)
            if command.resume is MISSING:
                return run, 0
            await run.until_settled()
            command, edits = replace(command, update=None), bool(command.destinations)
        elif run.ended and self._answers_by_id(run, command.resume):
            run.resume(command.resume, by_id=True)  # fine if it only repeats what was answered
            return run, run.log.sequence
        elif run.ended:
            raise NotInterruptedError(f"Thread {run.thread_id!r} is {run.status}; it is not waiting for an answer.")
        elif not self._is_live(run):
            run = self._branch(run, checkpoint, config, breakpoints)
            await run.until_settled()
        seen = run.log.sequence
        if command.resume is not MISSING:
            run.desk.plan(command.resume, by_id=self._answers_by_id(run, command.resume))
        if edits:
            await run.apply_command(command)
        if command.resume is not MISSING:
            run.resume(command.resume, by_id=self._answers_by_id(run, command.resume))
        return run, seen

    @staticmethod
    def _answers_by_id(run: LocalRun, resume: Any) -> bool:
        """Whether an answer is an object of interrupt id to answer."""
        prefix = f"int-{run.thread_id}-"
        return isinstance(resume, dict) and bool(resume) and all(str(key).startswith(prefix) for key in resume)

    def _is_live(self, run: LocalRun) -> bool:
        """Whether a run still executes, in this event loop."""
        return not run.ended and run.loop is asyncio.get_running_loop()

    def _new_run(self, thread_id: str, config: RunnableConfig, breakpoints: Breakpoints) -> LocalRun:
        runs = self._threads.setdefault(thread_id, [])
        if runs:
            runs[-1].stop()
        run = LocalRun(
            self.graph,
            thread_id=thread_id,
            ordinal=len(runs) + 1,
            config=config,
            interrupts_before=runs[-1].desk.count if runs else 0,
            **breakpoints,
        )
        runs.append(run)
        return run

    def _branch(
        self,
        run: LocalRun,
        checkpoint: Checkpoint,
        config: RunnableConfig,
        breakpoints: Breakpoints,
        edit: Edit | None = None,
    ) -> LocalRun:
        """A new run of the thread that starts from a checkpoint."""
        seed = engine_state_from_wire(self.graph, cast("dict[str, Any]", run.seed_of(checkpoint)))
        config = merged(run.config, config)
        self.graph.context_of(config)
        if edit is not None:
            check_edit(self.graph, seed.values, edit.update, as_node=edit.as_node, goto=edit.goto)
        given = {option: nodes for option, nodes in breakpoints.items() if nodes is not None}
        branch = self._new_run(run.thread_id, config, {**run.own_breakpoints, **given})
        branch.parent_checkpoint = checkpoint.id
        branch.start(None, seed, edit)
        return branch

    def _runs(self, configurable: Mapping[str, Any]) -> list[LocalRun]:
        thread_id = configurable.get("thread_id")
        runs = self._threads.get("" if thread_id is None else check_thread_id(str(thread_id)), [])
        if not runs:
            raise ThreadNotFoundError(
                f"Graph {self.graph.name} has no thread {thread_id!r} in this process.", thread_id=thread_id
            )
        return runs

    def _find(self, configurable: Mapping[str, Any]) -> tuple[LocalRun, Checkpoint]:
        runs = self._runs(configurable)
        wanted, namespace = configurable.get("checkpoint_id"), configurable.get("checkpoint_ns", "")
        for run in reversed(runs):
            if (found := run.log.find(wanted, namespace)) is not None:
                return run, found
        return runs[-1], runs[-1].log.checkpoint(wanted, namespace)

    def _snapshot(self, run: LocalRun, checkpoint: Checkpoint) -> StateSnapshot:
        latest = run is self._threads[run.thread_id][-1]
        return run.snapshot(checkpoint, pending=latest and run.is_at(checkpoint))
