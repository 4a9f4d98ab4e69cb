"""One run of a graph: what both hosts share. A host subclasses `Run`."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from oris_temporal.models.distinct import told_apart
from oris_temporal.models.usage import Usage
from oris_temporal.store.base import Store
from oris_temporal.store.remote import RemoteStore
from oris_temporal.tools.runtime import Runtime

from .asking import AskingRun, CarriedAsk
from .config import RunnableConfig
from .control import MISSING, Command
from .engine import Engine
from .errors import GraphError, NodeError, NotInterruptedError, StoreError, error_line
from .execution import located
from .interrupts import Ask, Interrupt, asking_through
from .limits import Limits
from .node import Node
from .node_context import NodeContext
from .records import EngineState, EventKind, Outcome, Position, RunStatus, Task
from .snapshot import engine_state_from_wire, engine_state_to_wire
from .state import Values, isolate
from .tasks import must_pass
from .wire import to_wire

if TYPE_CHECKING:
    from oris_temporal.models import ModelRequest
    from oris_temporal.tools import Tool, ToolOutput

    from .compiled import CompiledGraph


@dataclass(frozen=True, slots=True)
class Edit:
    """A change to the state a run starts from.

    Attributes:
        update: JSON update, merged by the reducers.
        as_node: Recompute what runs next as if this node had written it.
        goto: Destinations that replace what runs next.
        hold: Stop before going on, until somebody resumes.
    """

    update: dict[str, Any]
    as_node: str | None = None
    goto: Sequence[Any] = ()
    hold: bool = False


class Run(AskingRun):
    """One execution of a graph on a thread.

    Args:
        graph: The graph.
        thread_id: The thread.
        ordinal: Number of this run within the thread, from 1.
        config: The run's configuration.
        interrupts_before: Interrupts the thread asked in earlier runs.
        interrupt_before: Static breakpoints in place of the graph's own; ``None`` keeps those.
        interrupt_after: Likewise.
        keep: Checkpoints and events kept for queries; older ones are dropped.
    """

    def __init__(
        self,
        graph: CompiledGraph,
        *,
        thread_id: str,
        ordinal: int = 1,
        config: RunnableConfig | None = None,
        interrupts_before: int = 0,
        interrupt_before: Collection[str] | None = None,
        interrupt_after: Collection[str] | None = None,
        keep: int = 10_000,
    ) -> None:
        super().__init__(
            graph,
            thread_id=thread_id,
            ordinal=ordinal,
            config=config,
            interrupts_before=interrupts_before,
            interrupt_before=interrupt_before,
            interrupt_after=interrupt_after,
            keep=keep,
        )
        self.status: RunStatus = "running"
        self.error: GraphError | None = None
        self.keeps_writes = False
        self.resumed_tasks: set[str] = set()
        self.usage: dict[str, Usage] = {}
        graph.context_of(self.config)  # for its errors
        given = self.config.get("limits")
        limits = graph.limits if given is None else Limits.read(given, "Run configuration")
        self.limits = None if limits == Limits() else limits
        self._edits: list[Callable[[], Awaitable[None]]] = []

    # --- running -------------------------------------------------------------------------------------------------

    @property
    def root(self) -> Engine:
        """Engine of the graph itself."""
        return self.engines[""]

    @property
    def restoring(self) -> bool:
        """Whether questions of before the run was carried over are still to be asked again."""
        return bool(self._carried) and not self.settled

    @property
    def settled(self) -> bool:
        """Whether nothing more happens until somebody acts: the run ended, or all of it waits for people."""
        return self.status not in ("running", "interrupted") or (self.busy == 0 and bool(self.desk.pending))

    @property
    def recursion_limit(self) -> int | None:
        """Limit given for this run."""
        return self.config.get("recursion_limit")

    def check_limits(self) -> None:
        """Refuse to go on where the run has used up its budget.

        Raises:
            BudgetExceededError: It has.
        """
        if self.limits is not None and self.began is not None:
            used = sum(self.usage.values(), Usage())
            self.limits.check(self.graph.name, used, self.began, self.now())

    async def execute(
        self, input_wire: dict[str, Any] | None, seed: EngineState | None = None, edit: Edit | None = None
    ) -> None:
        """Run to the end and set `status`; failures are raised.

        Args:
            input_wire: The input; ``None`` continues from `seed`.
            seed: State to start from.
            edit: Change to make to `seed` first.
        """
        engine = Engine(self.graph, self, seed or EngineState(values=self.graph.schema.initial()))
        self.engines[""] = engine
        self.goes_on(engine)
        self.began = self.began or self.now()
        try:
            if not self.log.sequence:  # else it is carried over
                self.record("run_started", engine, data=input_wire)
            if input_wire is not None:
                await engine.begin(input_wire)
            elif self.parent_checkpoint is not None:
                engine.restart()
            if edit is not None:
                await engine.edit(edit.update, as_node=edit.as_node, goto=edit.goto, hold=edit.hold)
            await engine.step_until_done()
            self.finish("completed")
        except GraphError as error:
            self.fail(error)
            raise

    def finish(self, status: RunStatus) -> None:
        """Set the final status."""
        self.status = status
        kind: EventKind = "run_completed" if status == "completed" else "run_cancelled"
        self.record(kind, self.engines.get(""))
        self.changed()

    def fail(self, error: GraphError) -> None:
        """End the run in failure."""
        self.status = "failed"
        self.error = error
        self.record(
            "run_failed",
            self.engines.get(""),
            data={"code": error.code, "message": error.message, "details": error.details},
        )
        self.changed()

    async def call_inline(self, engine: Engine, task: Task, node: Node) -> Outcome:
        """Run a workflow-side node."""
        context = NodeContext(self, engine, task, node.name)
        state = node.payload_for(task.payload) if task.sent else node.state_for(engine.values.data)
        extras: dict[str, Any] = {"config": self.config, "writer": context.write, "ctx": context}
        if node.wants_store:
            extras["store"] = context.store
        args, kwargs = node.arguments(state, extras)
        try:
            with asking_through(context):
                returned = await self.guarded(node.full_name, node.fn, *args, **kwargs)
        except GeneratorExit:
            raise
        except BaseException as error:
            context.forget(error)
            await context.close()
            if isinstance(error, StoreError):
                raise located(error, node.full_name) from error
            if isinstance(error, GraphError) or must_pass(error):
                raise
            raise node_error(node.full_name, error) from error
        await context.close()
        return node.outcome(returned)

    def answered(self, engine: Engine, task: Task, request: ModelRequest, answer: dict[str, Any]) -> dict[str, Any]:
        """Account for a model's answer, and show it unless it is held; returns it with ids of its own."""
        message, model = told_apart(answer, request.messages), request.model.name
        self.add_usage({model: Usage.from_wire(message.get("extra", {}).get("usage"))})
        if not request.held:
            self.record("message", engine, task=task, data=message)
        return message

    def add_usage(self, used: Mapping[str, Usage]) -> None:
        """Account for what models used, by model."""
        for model, more in used.items():
            self.usage[model] = self.usage.get(model, Usage()) + more

    async def call_tool_inline(
        self,
        engine: Engine,
        task: Task,
        number: Position,
        tool: Tool,
        args: dict[str, Any],
        call_id: str,
        values: Values,
    ) -> dict[str, Any]:
        """Call a tool that runs in the workflow; returns its output as JSON data."""
        runtime = self.tool_runtime(engine, task, number, tool, call_id, values)
        try:
            output: ToolOutput = await self.guarded(tool.activity_type, tool.call, args, runtime)
        except GraphError:
            raise
        except BaseException as error:
            if must_pass(error):
                raise
            raise node_error(tool.activity_type, error) from error
        return output.to_wire()

    def tool_runtime(
        self, engine: Engine, task: Task, number: Position, tool: Tool, call_id: str, values: Values
    ) -> Runtime:
        """What a tool that is called in this process may know."""

        def write(data: Any) -> None:
            self.record("custom", engine, task=task, data=to_wire(data, f"custom stream data of tool {tool.name}"))

        read = {name: isolate(values[name]) for name in tool.reads or () if name in values}
        return Runtime(
            state=engine.graph.schema.view(values) if tool.reads is None else read,
            config=self.config,
            tool_call_id=call_id,
            thread_id=self.thread_id,
            write=write,
            store=self.tool_store(engine, task, number),
            context=engine.graph.context_of(self.config),
        )

    def tool_store(self, engine: Engine, task: Task, number: Position) -> Store | None:
        """The store for a tool that is called in this process, if there is one."""
        if not self.has_store(engine):
            return None
        places = (f"{number}/{operation}" for operation in itertools.count())

        async def ask(request: dict[str, Any], summary: str) -> Any:
            async with self.operating(task):
                return await self.call_store(engine, task, next(places), request, summary)

        return RemoteStore(ask)

    def store_graph(self, engine: Engine) -> CompiledGraph | None:
        """The graph whose store a (sub)graph of this run uses: itself, or the nearest around it that has one."""
        namespace = engine.namespace
        while True:
            graph = self.engines[namespace].graph
            if graph.store is not None:
                return graph
            if not namespace:
                return None
            namespace = namespace.rpartition("|")[0]

    # --- edits from outside --------------------------------------------------------------------------------------

    @property
    def takes_edits(self) -> bool:
        """Whether the state may be edited at once, for no superstep is at work."""
        return self.settled

    async def edit_at_boundary(self, edit: Callable[[], Awaitable[Any]]) -> Any:
        """Apply a change of the state now, if the run waits, else at the next superstep boundary.

        Raises:
            NotInterruptedError: The run ended before.
        """
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        async def apply() -> None:
            try:
                done.set_result(await edit())
            except GraphError as error:
                done.set_exception(error)

        self._edits.append(apply)
        await self.wait_until(lambda: done.done() or self.takes_edits, None, "an edit waits")
        if not done.done():
            self._edits.remove(apply)
            if self.status not in ("running", "interrupted"):
                raise NotInterruptedError(
                    f"The run of thread {self.thread_id!r} ended before its state could be edited. Use fork(..., update=...)."
                )
            await apply()
        return done.result()

    async def apply_edits(self) -> None:
        """Apply the edits that wait for a boundary."""
        while self._edits:
            await self._edits.pop(0)()

    def next_nodes(self) -> list[str]:
        """Nodes that run next, or are running."""
        engine = self.engines.get("")
        return [task.node for task in engine.state.tasks if task.outcome is None] if engine else []

    def check_command(self) -> None:
        """Raise if the run is not waiting, so that no `Command` can be applied."""
        if not self.settled or self.status not in ("running", "interrupted"):
            raise NotInterruptedError(
                f"Thread {self.thread_id!r} is not waiting, so Command(update=..., goto=...) cannot be applied."
            )

    async def apply_command(self, command: Command) -> None:
        """Apply the ``update`` and ``goto`` of a command given from outside, while the run waits.

        Where the command answers as well, its destinations come after what waits; else they take its place.

        Raises:
            NotInterruptedError: The run is not waiting.
        """
        self.check_command()
        update = self.graph.schema.update_wire(command.update, "Command(update=...)")
        await self.root.edit(update, goto=command.destinations, answers=command.resume is not MISSING)

    # --- carrying a run over -------------------------------------------------------------------------------------

    def carry(self) -> dict[str, Any]:
        """Everything, as JSON data, that a continuation of this run needs."""
        return {
            "ordinal": self.ordinal,
            "interrupts": self.desk.count,
            "sequence": self.log.sequence,
            "root": engine_state_to_wire(self.graph, self.root.state),
            "pending": {
                item.key: {"interrupt": item.to_wire(), "ask": self._asks[item.id].to_wire()}
                for item in self.desk.pending
            },
            "asked": self.desk.carry_settled(),
            "checkpoints": self.carry_checkpoints(),
            "signals": self.signals,
            "began": None if self.began is None else self.began.isoformat(),
            "usage": {model: used.to_wire() for model, used in self.usage.items()},
            "started": [task.id for engine in self.engines.values() for task in engine.running_tasks],
        }

    def restore(self, carried: Mapping[str, Any]) -> EngineState:
        """Take over what `carry` wrote; returns the state to `execute` from."""
        self.ordinal = carried["ordinal"]
        self.desk.count = carried["interrupts"]
        self.log.sequence = carried["sequence"]
        for name, values in carried["signals"].items():
            self.signals[name] = [*values, *self.signals.get(name, [])]  # some may have come already
        self.began = datetime.fromisoformat(carried["began"]) if carried["began"] else None
        self.usage = {model: Usage.from_wire(wire) for model, wire in carried["usage"].items()}
        self._carried = {
            key: CarriedAsk(replace(Interrupt.from_wire(wire["interrupt"]), key=key), Ask.from_wire(wire["ask"]))
            for key, wire in carried["pending"].items()
        }
        self.desk.restore(carried["asked"], (item.interrupt for item in self._carried.values()))
        self.resumed_tasks = {*carried.get("started", ()), *(key.partition("#")[0] for key in self._carried)}
        self.restore_checkpoints(carried["checkpoints"])
        return engine_state_from_wire(self.graph, carried["root"])


def node_error(full_name: str, error: BaseException) -> NodeError:
    """The error a run ends with when a node raised `error`."""
    return NodeError(f"Node {full_name} failed: {error_line(error)}", node=full_name, cause_type=type(error).__name__)
