"""The state of a graph between supersteps: what was merged, what runs next, and how both are changed from outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from .control import END
from .edges import Edge
from .errors import GraphError, InvalidUpdateError, NodeNotFoundError
from .ids import PLACE_BYTES, bounded
from .interrupts import Order
from .node import destination_wire
from .records import CheckpointSource, EngineState, Outcome, Task
from .routing import Routes
from .running_tasks import RunningTasks
from .state import StateValues, Values, Write

if TYPE_CHECKING:
    from .compiled import CompiledGraph
    from .run import Run


class EditableEngine:
    """Keeps the state of one graph. An `Engine` is one.

    Args:
        graph: The graph.
        run: The run it belongs to.
        state: Where to start.
        namespace: Namespace of this (sub)graph; empty at the top.
        order: Position of the parent's task, for ordering interrupts.
    """

    def __init__(
        self, graph: CompiledGraph, run: Run, state: EngineState, *, namespace: str = "", order: Order = ()
    ) -> None:
        self.graph = graph
        self.run = run
        self.state = state
        self.values = StateValues(graph.schema, state.values)
        self.namespace = namespace
        self.order = order
        self._routes = Routes(self)
        self._prefetched: list[tuple[str, Outcome]] = []
        self._running: RunningTasks | None = None

    def _merge(self, writes: Sequence[Write]) -> None:
        before = self.values.data
        self.values.apply(writes)
        try:
            if writes:
                self._check_whole(writes)
                self.run.check_state(writes)
        except GraphError:
            self.values.data = before
            raise
        self.state.values = self.values.data

    def _check_whole(self, writes: Sequence[Write]) -> None:
        """Let a dataclass or model that checks its fields together object while it is known who wrote them."""
        if self.graph.schema.kind == "typeddict":
            return
        try:
            self.graph.schema.view(self.values.data)
        except InvalidUpdateError as error:
            writers = ", ".join(dict.fromkeys(write.owner for write in writes))
            raise InvalidUpdateError(f"{writers}: {error.message}") from None

    def _remember(self, writes: list[tuple[str, dict[str, Any]]]) -> None:
        """Keep a subgraph's writes, wherever it runs: they are what its parent merges."""
        if self.namespace or self.run.keeps_writes:
            self.state.writes += writes

    def _schedule(self, destinations: Sequence[str | dict[str, Any]]) -> None:
        """Make the next superstep's tasks: every `Send`, and each named node once."""
        self._routes.check_known(destinations, f"Graph {self.graph.name}: what comes next")
        step = self.state.step + 1
        prefix = f"{bounded(self.namespace, PLACE_BYTES)}/" if self.namespace else ""
        tasks: list[Task] = []
        named: set[str] = set()
        for destination in destinations:
            sent = not isinstance(destination, str)
            name = destination["node"] if isinstance(destination, dict) else destination
            if name == END or (not sent and name in named):
                continue
            if not sent:
                named.add(name)
            index = len(tasks)
            payload = destination["payload"] if isinstance(destination, dict) else None
            tasks.append(Task(f"{prefix}{step}/{name}/{index}", name, index, sent=sent, payload=payload))
        if self._prefetched and [task.node for task in tasks] == [self._prefetched[0][0]]:
            tasks[0].outcome = self._prefetched.pop(0)[1]
            self.run.record("task_started", self, task=tasks[0])
            self.run.record("task_completed", self, task=tasks[0])
        else:
            self._prefetched = []
        self.state.tasks = tasks
        self.state.halted = False

    def _checkpoint(self, source: CheckpointSource, writes: list[tuple[str, dict[str, Any]]]) -> None:
        self.state.step += 1
        self.run.checkpoint(self, source, writes)

    async def edit(
        self,
        update: dict[str, Any],
        *,
        as_node: str | None = None,
        goto: Sequence[Any] = (),
        answers: bool = False,
        hold: bool = False,
    ) -> str:
        """Merge an update from outside and record it as a checkpoint.

        Args:
            update: JSON update.
            as_node: Recompute what runs next as if this node had just written the update, and stop before running it. Tasks of the
                superstep that have finished count; what others were asking is withdrawn.
            goto: Destinations that replace what runs next, at once.
            answers: Whether what waits is about to be answered; then the destinations replace what comes after it.
            hold: Stop before what runs next.

        Returns:
            Id of the new checkpoint.

        Raises:
            NodeNotFoundError: `as_node` or a destination is no node.
            InvalidUpdateError: The update does not fit the state, or after `as_node` only a join comes that waits for others.
        """
        self.check_edit(update, as_node=as_node, goto=goto)
        moves = (bool(goto) and not answers) or as_node is not None
        finished = [task for task in self.state.tasks if moves and task.outcome is not None]
        writes = writes_of(finished)
        destinations = [destination_wire(item, "goto") for item in goto]
        values, joins = self.values.data, self._routes.copied_joins()
        try:
            self._merge([Write(f"{self.graph.name}.{node}", written) for node, written in writes])
            self._merge([Write(f"update_state of {self.graph.name}", update)])
            if as_node is not None and not goto:
                destinations = await self._next_after(as_node, finished)
        except GraphError:
            self.values.data = self.state.values = values
            self.state.joins = joins
            raise
        if moves:
            self._redirect(destinations)
        elif goto:
            self.state.then = destinations
        if (hold or as_node is not None) and not goto and self.state.tasks:
            self.state.pause = ("before", self.state.tasks[0].node)
        for node, written in writes:
            self.run.record("updates", self, node=node, data=written)
        self._remember([*writes, ("__edit__", update)])
        self.run.record("state_edited", self, node=as_node, data=update)
        self._checkpoint("update", [*writes, (as_node or "__edit__", update)])
        return cast("str", self.state.checkpoint_id)

    async def _next_after(self, as_node: str, finished: Sequence[Task]) -> list[str | dict[str, Any]]:
        """Destinations if a node had just finished, beside the tasks that have."""
        destinations = await self._routes.after([task for task in finished if task.node != as_node], as_node)
        if not destinations:
            for edge in self.graph.edges_from.get(as_node, ()):
                if isinstance(edge, Edge) and edge.is_join:
                    missing = [
                        source for source in edge.sources if source not in self.state.joins.get(edge.key, edge.sources)
                    ]
                    if missing:
                        raise InvalidUpdateError(
                            f"as_node={as_node!r}: nothing would run in graph {self.graph.name}, for {edge.target} waits for "
                            f"{', '.join(missing)} as well. Edit the state as_node={missing[-1]!r}, or go to {edge.target!r}."
                        )
        return destinations

    def check_edit(self, update: dict[str, Any], *, as_node: str | None = None, goto: Sequence[Any] = ()) -> None:
        """Raise what `edit` would raise, changing nothing."""
        check_edit(self.graph, self.values.data, update, as_node=as_node, goto=goto)

    def _redirect(self, destinations: list[str | dict[str, Any]]) -> None:
        """Put other tasks in the place of those waiting to run, or of those that wait for a person."""
        self._schedule(destinations)
        self.state.then = None
        self.state.pause = None
        self.run.withdraw(self)
        if self._running is not None:
            self._running.give_way()


def check_edit(
    graph: CompiledGraph, values: Values, update: dict[str, Any], *, as_node: str | None, goto: Sequence[Any]
) -> None:
    """Check a change of the state from outside.

    Raises:
        NodeNotFoundError: `as_node` or a destination is no node.
        InvalidUpdateError: The update does not fit the state.
    """
    names = [
        destination if isinstance(destination, str) else getattr(destination, "node", None) for destination in goto
    ]
    for what, name in [("as_node", as_node), *(("goto", name) for name in names)]:
        if name not in (None, END) and name not in graph.nodes:
            raise NodeNotFoundError(
                f"{what}={name!r}: graph {graph.name} has no such node (it has {', '.join(graph.nodes)}).", node=name
            )
    graph.schema.view(graph.schema.apply(values, [Write(f"update_state of {graph.name}", update)]))


def writes_of(finished: Sequence[Task]) -> list[tuple[str, dict[str, Any]]]:
    """Updates of finished tasks with the nodes that wrote them, in task order."""
    return [(task.node, update) for task in finished for update in cast("Outcome", task.outcome).updates]
