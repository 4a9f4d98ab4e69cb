"""Hosts: where a graph of the conformance kit runs, behind one small interface.

A `Host` starts a graph on a thread and answers what it asks; each call returns a `Record` of how far the thread got, the same
plain data for every host. `InProcessHost` is ours without a server, `LangGraphHost` the oracle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import langgraph.errors
import langgraph.types
from langgraph.checkpoint.memory import InMemorySaver
from libraries import LangGraph, Library, Oris
from pydantic_core import to_jsonable_python

from oris_temporal import Command, CompiledGraph, Interrupt, StateSnapshot
from oris_temporal.graph.errors import GraphError
from oris_temporal.graph.options import RunAs
from oris_temporal.models import Usage

Updates = list[tuple[str, dict[str, Any]]]
"""Updates in the order in which they were merged: node and update."""


@dataclass(frozen=True)
class Asked:
    """A pending interrupt; of one that a tool asks, its name and the id of the call."""

    id: str
    node: str
    value: Any
    tool: str | None = None
    tool_call_id: str | None = None


@dataclass(frozen=True)
class Record:
    """How far a thread got.

    Attributes:
        status: ``completed``, ``interrupted`` or ``failed``.
        values: The state, as JSON.
        asks: Pending interrupts, in order; static breakpoints are not among them.
        next: Nodes that run next, or that wait.
        steps: The updates of every finished superstep.
        boundaries: The state, as JSON, after every finished superstep.
        error: Code of the error that ended a failed run, such as ``node``.
        message: Its text.
        usage: What its model calls used, by model.
    """

    status: str
    values: dict[str, Any]
    asks: tuple[Asked, ...] = ()
    next: tuple[str, ...] = ()
    steps: tuple[Updates, ...] = ()
    boundaries: tuple[dict[str, Any], ...] = ()
    error: str | None = None
    message: str = ""
    usage: Mapping[str, Usage] = field(default_factory=dict, compare=False)

    @property
    def updates(self) -> Updates:
        """All updates, in order."""
        return [update for step in self.steps for update in step]

    @property
    def nodes(self) -> list[str]:
        """The nodes that wrote something, in order, one line per superstep: ``["a", "b c", "d"]``."""
        return [" ".join(dict.fromkeys(node for node, _ in step)) for step in self.steps]

    @property
    def questions(self) -> list[tuple[str, Any]]:
        """Pending interrupts as ``(node, value)``."""
        return [(ask.node, ask.value) for ask in self.asks]

    def ids(self, answers: Mapping[str, Any]) -> dict[str, Any]:
        """Turn answers by node into answers by interrupt id."""
        return {ask.id: answers[ask.node] for ask in self.asks if ask.node in answers}


@dataclass(frozen=True)
class Options:
    """What a run is started with besides its input.

    Attributes:
        configurable: Keys of the run's configuration.
        recursion_limit: Most supersteps, or ``None`` for the graph's own limit.
        interrupt_before: Static breakpoints, or ``None`` for the graph's own.
        interrupt_after: Likewise.
        context: Its context.
    """

    configurable: dict[str, Any] = field(default_factory=dict)
    recursion_limit: int | None = None
    interrupt_before: Sequence[str] | None = None
    interrupt_after: Sequence[str] | None = None
    context: Any = None


DEFAULTS = Options()


class Host(Protocol):
    """Where graphs run."""

    library: Library

    async def start(self, graph: Any, input: Any, thread_id: str, options: Options = DEFAULTS) -> Record:
        """Start a run and wait until it ends or waits for somebody."""

    async def resume(self, graph: Any, thread_id: str, value: Any) -> Record:
        """Answer the only pending interrupt."""

    async def answer(self, graph: Any, thread_id: str, answers: Mapping[str, Any]) -> Record:
        """Answer pending interrupts by id."""

    async def proceed(self, graph: Any, thread_id: str) -> Record:
        """Go on from a static breakpoint, or from what an edit left."""


class OrisHost(Host, Protocol):
    """A host of ours, with what the oracle is not asked for."""

    name: str

    async def command(self, graph: CompiledGraph, thread_id: str, command: Command) -> Record:
        """Apply a command to a waiting run."""

    async def resume_at(self, graph: CompiledGraph, thread_id: str, checkpoint_id: str, value: Any) -> Record:
        """Start a new run from a checkpoint and answer what it asks there."""

    async def retry(self, graph: CompiledGraph, thread_id: str, options: Options = DEFAULTS) -> Record:
        """Try the superstep again that a run failed in; of the options, those of its configuration."""

    async def replay(self, graph: CompiledGraph, thread_id: str, checkpoint_id: str) -> Record:
        """Start a new run of the thread from a checkpoint."""

    async def fork(self, graph: CompiledGraph, thread_id: str, checkpoint_id: str, update: Any) -> tuple[str, Record]:
        """Start a run from an edited checkpoint and let it go on; returns its thread and how far it got."""

    async def update_state(
        self, graph: CompiledGraph, thread_id: str, values: Any, *, as_node: str | None = None
    ) -> str:
        """Edit a thread's state; returns the id of the new checkpoint."""

    async def state(self, graph: CompiledGraph, thread_id: str, checkpoint_id: str | None = None) -> StateSnapshot:
        """A checkpoint, or the latest one."""

    async def history(self, graph: CompiledGraph, thread_id: str) -> list[StateSnapshot]:
        """Checkpoints of a thread, newest first."""

    async def stream(
        self,
        graph: CompiledGraph,
        input: Any,
        thread_id: str,
        mode: str | Sequence[str],
        options: Options = DEFAULTS,
        *,
        live: bool = False,
    ) -> list[Any]:
        """Start a run, or with a `Command` answer one that was streamed, and return the data it streams until it ends or waits.

        With `live` it is watched while it runs; else, where that makes a difference, afterwards.
        """


def breakpoints_aside(interrupts: Sequence[Interrupt]) -> tuple[Asked, ...]:
    """Interrupts that nodes asked, without static breakpoints."""
    return tuple(
        Asked(item.id, item.node, item.value, item.tool, item.tool_call_id)
        for item in interrupts
        if item.kind == "interrupt"
    )


def finished_steps(history: Sequence[StateSnapshot]) -> tuple[tuple[Updates, ...], tuple[dict[str, Any], ...]]:
    """Updates and states of the supersteps in a history, given newest first."""
    loops = [snapshot for snapshot in reversed(history) if snapshot.metadata["source"] == "loop"]
    steps = tuple([(node, update) for node, update in snapshot.metadata["writes"]] for snapshot in loops)
    return steps, tuple(snapshot.values for snapshot in loops)


def _at(checkpoint_id: str) -> Options:
    return Options(configurable={"checkpoint_id": checkpoint_id})


# --- in this process -----------------------------------------------------------------------------------------------


class InProcessHost:
    """``graph.invoke`` in this process.

    Args:
        run_as: Where nodes run that do not say so themselves.
    """

    name = "in-process"

    def __init__(self, run_as: RunAs = "activity") -> None:
        self.library: Library = Oris(run_as)

    async def start(self, graph: CompiledGraph, input: Any, thread_id: str, options: Options = DEFAULTS) -> Record:
        return await self._call(graph, input, thread_id, options)

    async def resume(self, graph: CompiledGraph, thread_id: str, value: Any) -> Record:
        return await self._call(graph, Command(resume=value), thread_id)

    async def answer(self, graph: CompiledGraph, thread_id: str, answers: Mapping[str, Any]) -> Record:
        return await self._call(graph, Command(resume=dict(answers)), thread_id)

    async def proceed(self, graph: CompiledGraph, thread_id: str) -> Record:
        return await self._call(graph, None, thread_id)

    async def command(self, graph: CompiledGraph, thread_id: str, command: Command) -> Record:
        return await self._call(graph, command, thread_id)

    async def resume_at(self, graph: CompiledGraph, thread_id: str, checkpoint_id: str, value: Any) -> Record:
        return await self._call(graph, Command(resume=value), thread_id, _at(checkpoint_id))

    async def retry(self, graph: CompiledGraph, thread_id: str, options: Options = DEFAULTS) -> Record:
        return await self._call(graph, None, thread_id, options)

    async def replay(self, graph: CompiledGraph, thread_id: str, checkpoint_id: str) -> Record:
        return await self._call(graph, None, thread_id, _at(checkpoint_id))

    async def fork(self, graph: CompiledGraph, thread_id: str, checkpoint_id: str, update: Any) -> tuple[str, Record]:
        await graph.update_state({"configurable": {"thread_id": thread_id, "checkpoint_id": checkpoint_id}}, update)
        return thread_id, await self._call(graph, None, thread_id)

    async def update_state(
        self, graph: CompiledGraph, thread_id: str, values: Any, *, as_node: str | None = None
    ) -> str:
        config = await graph.update_state({"configurable": {"thread_id": thread_id}}, values, as_node=as_node)
        return str(config["configurable"]["checkpoint_id"])

    async def state(self, graph: CompiledGraph, thread_id: str, checkpoint_id: str | None = None) -> StateSnapshot:
        named = {} if checkpoint_id is None else {"checkpoint_id": checkpoint_id}
        return await graph.get_state({"configurable": {"thread_id": thread_id, **named}})

    async def history(self, graph: CompiledGraph, thread_id: str) -> list[StateSnapshot]:
        return await graph.get_state_history({"configurable": {"thread_id": thread_id}})

    async def stream(
        self,
        graph: CompiledGraph,
        input: Any,
        thread_id: str,
        mode: str | Sequence[str],
        options: Options = DEFAULTS,
        *,
        live: bool = False,
    ) -> list[Any]:
        config = {"configurable": {**options.configurable, "thread_id": thread_id}}
        return [chunk.data async for chunk in graph.stream(input, config, context=options.context, mode=mode)]

    async def _call(self, graph: CompiledGraph, given: Any, thread_id: str, options: Options = DEFAULTS) -> Record:
        config: dict[str, Any] = {"configurable": {**options.configurable, "thread_id": thread_id}}
        if options.recursion_limit is not None:
            config["recursion_limit"] = options.recursion_limit
        try:
            result = await graph.invoke(
                given,
                config,
                context=options.context,
                interrupt_before=options.interrupt_before,
                interrupt_after=options.interrupt_after,
            )
        except GraphError as raised:
            return await self._failed(graph, thread_id, raised)
        steps, boundaries = finished_steps(await self.history(graph, thread_id))
        return Record(
            status=result.status,
            values=result.values,
            asks=breakpoints_aside(result.interrupts),
            next=tuple(result.next),
            steps=steps,
            boundaries=boundaries,
            usage=result.usage,
        )

    async def _failed(self, graph: CompiledGraph, thread_id: str, error: GraphError) -> Record:
        snapshot = await self.state(graph, thread_id)
        steps, boundaries = finished_steps(await self.history(graph, thread_id))
        return Record(
            status="failed",
            values=snapshot.values,
            next=tuple(snapshot.next),
            steps=steps,
            boundaries=boundaries,
            error=error.code,
            message=error.message,
        )


# --- the oracle ----------------------------------------------------------------------------------------------------

_CODES = {
    langgraph.errors.GraphRecursionError: "graph_recursion",
    langgraph.errors.InvalidUpdateError: "invalid_update",
}


class LangGraphHost:
    """The oracle, with a memory checkpointer of its own."""

    library: Library = LangGraph()

    def __init__(self) -> None:
        self._saver = InMemorySaver()
        self._options: dict[str, Options] = {}

    async def start(self, graph: Any, input: Any, thread_id: str, options: Options = DEFAULTS) -> Record:
        self._options[thread_id] = options
        return await self._call(graph, input, thread_id)

    async def resume(self, graph: Any, thread_id: str, value: Any) -> Record:
        return await self._call(graph, langgraph.types.Command(resume=value), thread_id)

    async def answer(self, graph: Any, thread_id: str, answers: Mapping[str, Any]) -> Record:
        return await self._call(graph, langgraph.types.Command(resume=dict(answers)), thread_id)

    async def proceed(self, graph: Any, thread_id: str) -> Record:
        return await self._call(graph, None, thread_id)

    async def _call(self, graph: Any, given: Any, thread_id: str) -> Record:
        options = self._options[thread_id]
        graph = graph.copy({"checkpointer": self._saver})
        config = {
            "configurable": {**options.configurable, "thread_id": thread_id},
            "recursion_limit": options.recursion_limit or 1000,
        }
        try:
            await graph.ainvoke(
                given,
                config,
                interrupt_before=options.interrupt_before,
                interrupt_after=options.interrupt_after,
            )
        except tuple(_CODES) as raised:
            return Record("failed", {}, error=_CODES[type(raised)], message=str(raised))
        state = await graph.aget_state(config, subgraphs=True)
        # Steps oldest first; the first two snapshots are before the input and before the first superstep.
        history = [item async for item in graph.aget_state_history(config)][::-1]
        loops = [item for item in history if item.metadata["source"] == "loop"]
        steps = [_step_updates(item.tasks) for item in loops[:-1]]
        return Record(
            status="interrupted" if state.next else "completed",
            values=to_jsonable_python(state.values),
            asks=tuple(_langgraph_asks(state)),
            next=tuple(state.next),
            steps=tuple(steps),
            boundaries=tuple(to_jsonable_python(item.values) for item in loops[1:]),
        )


def _step_updates(tasks: Sequence[Any]) -> Updates:
    """Updates of a superstep in merge order: tasks that edges made, by name, before those that a `Send` made."""
    ordered = sorted(tasks, key=lambda task: [str(part) for part in task.path[:2]])
    return [
        (task.name, update) for task in ordered for update in _expand(to_jsonable_python(task.result or {})) if update
    ]


def _expand(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Updates of one task. LangGraph folds several into one, as ``{field: {"$writes": [...]}}``."""
    folded = {
        name: value["$writes"] for name, value in result.items() if isinstance(value, dict) and "$writes" in value
    }
    if not folded:
        return [result]
    count = max(map(len, folded.values()))
    updates = [{name: writes[i] for name, writes in folded.items() if i < len(writes)} for i in range(count)]
    updates[-1].update({name: value for name, value in result.items() if name not in folded})
    return updates


def _langgraph_asks(state: Any) -> list[Asked]:
    """Pending interrupts, innermost node first named as ours: the node that asks, not the subgraph it is in."""
    found: list[Asked] = []
    for task in state.tasks:
        if task.state is not None and hasattr(task.state, "tasks"):
            found += _langgraph_asks(task.state)
        else:
            found += [Asked(item.id, task.name, to_jsonable_python(item.value)) for item in task.interrupts]
    return found
