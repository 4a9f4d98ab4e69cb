"""The scheduler: which tasks run in which superstep, and how their updates become the next state.

Rules (graph-model 2.3-2.5): tasks of a superstep are ordered and see the state as of its start; their updates are merged once,
in task order, when all have finished; then each finished task's edges are resolved once against the merged state, and the
union of the targets, in order and without duplicates, is the next superstep. The run ends when there is no next task.

An `Engine` steps one graph. A subgraph gets an engine of its own inside its parent's task, under a namespace. Everything with
an effect is asked of the `Run` it belongs to, so the same engine works in a Temporal workflow and in plain asyncio.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Sequence
from typing import TYPE_CHECKING, Any, cast

from .control import END, START, Send
from .edges import ConditionalEdge, Edge
from .errors import (
    ConditionError,
    GraphError,
    GraphRecursionError,
    InvalidUpdateError,
    NodeNotFoundError,
    error_line,
)
from .ids import PLACE_BYTES, bounded
from .interrupts import Order
from .node import Node, destination_wire
from .records import BreakpointKind, CheckpointSource, EngineState, GraphCall, Outcome, Position, Task, order_of
from .running_tasks import RunningTasks
from .state import StateValues, Values, Write
from .tasks import must_pass

if TYPE_CHECKING:
    from .compiled import CompiledGraph
    from .run import Run
    from .subgraph import Subgraph


class Engine:
    """Steps one graph until no task is left.

    Args:
        graph: The graph.
        run: The run it belongs to.
        state: Where to start; from `begin`, or saved earlier.
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
        self._prefetched: list[tuple[str, Outcome]] = []
        self._running: RunningTasks | None = None

    @property
    def running_tasks(self) -> list[Task]:
        """Tasks that have begun and not finished."""
        return [task for task in self.state.tasks if task.outcome is None] if self._running else []

    # --- stepping ------------------------------------------------------------------------------------------------

    async def begin(self, input_wire: dict[str, Any]) -> None:
        """Merge the input, find the first tasks and record the first checkpoint."""
        self._merge([Write(f"input of {self.graph.name}", input_wire)])
        destinations = await self._resolve_edges(START)
        self._schedule(destinations)
        self._checkpoint("input", [("__input__", input_wire)])

    def restart(self) -> None:
        """Record the first checkpoint of a run that starts from another one's checkpoint. Its supersteps are counted anew."""
        _count_anew(self.state)
        self._checkpoint("fork", [])

    async def step_until_done(self) -> None:
        """Run supersteps until none is left.

        Raises:
            GraphRecursionError: More supersteps than the run's `recursion_limit`.
            NodeError: A node failed for good.
            GraphError: A router, reducer or destination is wrong.
        """
        while True:
            if not self._prefetched:
                await self.run.at_boundary(self)
            if self.state.pause is not None:
                await self._wait_at_breakpoint(*self.state.pause)
                continue
            if not self.state.tasks:
                return
            self._check_limit()
            self.run.check_limits()
            if self._stop_before():
                continue
            await self._superstep()

    async def _superstep(self) -> None:
        """Run the tasks of one superstep and move on, unless an edit of the state put other tasks in their place."""
        done = self.state.tasks
        if not await self._run_tasks():
            return
        writes = _writes_of(done)
        values, joins = self.values.data, self._copied_joins()
        try:
            self._merge([Write(f"{self.graph.name}.{node}", update) for node, update in writes])
            self._schedule(await self._next(done) if self.state.then is None else self.state.then)
        except GraphError as error:
            self._undo(done, values, joins, error)
            raise
        self.state.then = None
        for node, update in writes:
            self.run.record("updates", self, node=node, data=update)
        self._remember(writes)
        self.state.supersteps += 1
        self._checkpoint("loop", writes)
        self._stop_after(done)

    def _undo(self, done: Sequence[Task], values: Values, joins: dict[str, list[str]], error: GraphError) -> None:
        """Leave the state as it was before a superstep whose end fails, so that a retry starts from something whole.

        Finished tasks keep their outcomes when only a router failed; they lose them when what they returned is the trouble.
        """
        self.values.data = self.state.values = values
        self.state.joins = joins
        if not isinstance(error, ConditionError):
            for task in done:
                task.outcome = None

    async def _run_tasks(self) -> bool:
        """Run all tasks of the present superstep at once. False if `_redirect` put others in their place."""
        tasks = [task for task in self.state.tasks if task.outcome is None]
        if not tasks:
            return True
        self._running = RunningTasks(self, tasks, self._run_task)
        try:
            return await self._running.wait()
        finally:
            self._running = None

    async def _run_task(self, task: Task) -> None:
        node = self.graph.nodes[task.node]
        if task.id not in self.run.resumed_tasks:
            self.run.record("task_started", self, task=task)
        if isinstance(node, Node):
            chain = self._chain(task, node)
            if len(chain) > 1:
                task.outcome, *later = await self.run.call_chain(self, task, chain)
                self._prefetched = [
                    (follower.name, outcome) for follower, outcome in zip(chain[1:], later, strict=False)
                ]
            elif node.side == "workflow":
                task.outcome = await self.run.call_inline(self, task, node)
            else:
                task.outcome = await self.run.call(self, task, node)
        else:
            task.outcome = await self._run_subgraph(task, node)
        self.run.record("task_completed", self, task=task)

    async def _run_subgraph(self, task: Task, node: Subgraph) -> Outcome:
        if node.run_as == "child_workflow":
            return await self.run.call_child(self, task, node)
        namespace = self.child_namespace(task)
        fresh = task.child is None
        child = Engine(
            node.graph,
            self.run,
            task.child or EngineState(values=node.graph.schema.initial()),
            namespace=namespace,
            order=(*self.order, task.index),
        )
        task.child = child.state
        self.run.engines[namespace] = child
        try:
            if fresh:
                await child.begin(node.input_from_payload(task.payload) if task.sent else node.input_wire(self.values))
            elif not self.run.goes_on(child):
                child.restart()
            await child.step_until_done()
            return node.outcome(child.values, child.state.writes)
        finally:
            del self.run.engines[namespace]

    async def call_graph(
        self, task: Task, number: Position, graph: CompiledGraph, input_wire: dict[str, Any]
    ) -> dict[str, Any]:
        """Run a graph for a node, under a namespace of its own; returns its final state as JSON data.

        Args:
            task: The node's task.
            number: Position of the call within the task.
            graph: The graph.
            input_wire: Its input.
        """
        namespace = f"{self.child_namespace(task)}@{number}"
        fresh = number not in task.calls
        call = task.calls.setdefault(number, GraphCall(graph.name, EngineState(values=graph.schema.initial())))
        child = Engine(
            graph, self.run, call.state, namespace=namespace, order=(*self.order, task.index, *order_of(number))
        )
        self.run.engines[namespace] = child
        try:
            async with self.run.handing_over(task):
                if fresh:
                    await child.begin(input_wire)
                elif not self.run.goes_on(child):
                    child.restart()
                await child.step_until_done()
        finally:
            del self.run.engines[namespace]
        del task.calls[number]
        return child.values.wire()

    def child_namespace(self, task: Task) -> str:
        """Namespace of the subgraph that a task runs."""
        place = f"{task.node}:{'/'.join(task.id.rsplit('/', 3)[-3:])}"  # without what the namespace says already
        return f"{self.namespace}|{place}" if self.namespace else place

    def _chain(self, task: Task, node: Node) -> list[Node]:
        """The nodes that one activity can run from here on: a fused chain, when this is the only task of its step."""
        followers = self.graph.chains.get(node.name, ())
        if not followers or len(self.state.tasks) > 1 or task.sent or self.run.has_breakpoints:
            return [node]
        if task.journal or self.run.carried_ask(task, len(task.journal)) is not None:  # it has asked: only it goes on
            return [node]
        return [node, *(cast("Node", self.graph.nodes[name]) for name in followers)]

    # --- edges ---------------------------------------------------------------------------------------------------

    async def _next(self, done: Sequence[Task], as_node: str | None = None) -> list[str | dict[str, Any]]:
        """Destinations of finished tasks, in task order, and of a node that counts as finished."""
        destinations: list[str | dict[str, Any]] = []
        for task in done:
            destinations += await self._resolve_edges(task.node)
            goto = cast("Outcome", task.outcome).goto
            self._check_known(goto, f"{self.graph.name}.{task.node}: its Command")
            destinations += goto
        if as_node is not None:
            destinations += await self._resolve_edges(as_node)
        self._reset_joins()
        return destinations

    async def _resolve_edges(self, source: str) -> list[str | dict[str, Any]]:
        destinations: list[str | dict[str, Any]] = []
        for edge in self.graph.edges_from.get(source, ()):
            if isinstance(edge, ConditionalEdge):
                destinations += await self._ask_router(edge)
            elif not edge.is_join or self._completes(edge, source):
                destinations.append(edge.target)
        return destinations

    def _check_known(self, destinations: Sequence[str | dict[str, Any]], where: str) -> None:
        """Refuse destinations that are no nodes."""
        for destination in destinations:
            name = destination["node"] if isinstance(destination, dict) else destination
            if name != END and name not in self.graph.nodes:
                raise NodeNotFoundError(
                    f"{where} goes to {name!r}, which is no node of {self.graph.name} (it has {', '.join(self.graph.nodes)}).",
                    node=name,
                )

    def _completes(self, join: Edge, source: str) -> bool:
        """Whether a join now has all its sources. Later arrivals of the same superstep belong to the same round."""
        seen = self.state.joins.setdefault(join.key, [])
        if source in seen:
            return False
        seen.append(source)
        return len(seen) == len(join.sources)

    def _copied_joins(self) -> dict[str, list[str]]:
        return {key: list(seen) for key, seen in self.state.joins.items()}

    def _reset_joins(self) -> None:
        """Let complete joins start their next round."""
        if not self.state.joins:
            return
        for edge in self.graph.edges:
            if isinstance(edge, Edge) and len(self.state.joins.get(edge.key, ())) == len(edge.sources):
                del self.state.joins[edge.key]

    async def _ask_router(self, edge: ConditionalEdge) -> list[str | dict[str, Any]]:
        where = f"{self.graph.name}.{edge.source}: router {edge.name}()"
        try:
            chosen = await self.run.guarded(
                f"{self.graph.name}.{edge.source} (router {edge.name})",
                edge.router,
                self.graph.schema.view(self.values.data),
            )
        except GraphError:
            raise
        except BaseException as error:
            if must_pass(error):
                raise
            raise ConditionError(f"{where} raised {error_line(error)}", node=edge.source) from error
        return [self._destination(item, edge, where) for item in _as_list(chosen)]

    def _destination(self, item: Any, edge: ConditionalEdge, where: str) -> str | dict[str, Any]:
        if edge.mapping is not None and not isinstance(item, Send):
            if not _is_hashable(item) or item not in edge.mapping:
                raise ConditionError(
                    f"{where} returned {item!r}, which its mapping does not have ({', '.join(map(repr, edge.mapping))}).",
                    node=edge.source,
                    key=repr(item),
                )
            item = edge.mapping[item]
        if not isinstance(item, str | Send):
            raise ConditionError(
                f"{where} returned {item!r}; a router returns a node name, END, a Send, a mapping key, or a list of these.",
                node=edge.source,
                key=repr(item),
            )
        name = item.node if isinstance(item, Send) else item
        if name != END and name not in self.graph.nodes:
            raise ConditionError(
                f"{where} returned {name!r}, which is no node of {self.graph.name} (it has {', '.join(self.graph.nodes)}).",
                node=edge.source,
                key=repr(item),
            )
        return destination_wire(item, where)

    # --- state ---------------------------------------------------------------------------------------------------

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
        self._check_known(destinations, f"Graph {self.graph.name}: what comes next")
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
        writes = _writes_of(finished)
        destinations = [destination_wire(item, "goto") for item in goto]
        values, joins = self.values.data, self._copied_joins()
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
        destinations = await self._next([task for task in finished if task.node != as_node], as_node)
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

    # --- limits and breakpoints ----------------------------------------------------------------------------------

    def _check_limit(self) -> None:
        limit = self.run.recursion_limit or self.graph.recursion_limit
        if self.state.supersteps >= limit:
            raise GraphRecursionError(
                f"Graph {self.graph.name} took {limit} supersteps without ending; next would run "
                f"{', '.join(task.node for task in self.state.tasks)}. Give it a way to END, or raise recursion_limit.",
                limit=limit,
            )

    def _stop_before(self) -> bool:
        """Note the breakpoint before the present superstep, if there is one that was not passed yet."""
        stops = self.run.breakpoints(self.graph, "before")
        if not stops or self.state.halted or any(task.outcome or task.journal for task in self.state.tasks):
            return False
        return self._stop("before", stops, self.state.tasks)

    def _stop_after(self, done: Sequence[Task]) -> None:
        if stops := self.run.breakpoints(self.graph, "after"):
            self._stop("after", stops, done)

    def _stop(self, kind: BreakpointKind, stops: Collection[str], tasks: Sequence[Task]) -> bool:
        hit = next((task.node for task in tasks if task.node in stops), None)
        self.state.pause = None if hit is None else (kind, hit)
        return hit is not None

    async def _wait_at_breakpoint(self, kind: BreakpointKind, node: str) -> None:
        tasks = self.state.tasks
        await self.run.ask_breakpoint(self, kind, node)
        if self.state.tasks is tasks:
            self.state.halted = True
            self.state.pause = None


def _count_anew(state: EngineState) -> None:
    state.supersteps = 0
    for task in state.tasks:
        for inner in (task.child, *(call.state for call in task.calls.values())):
            if inner is not None:
                _count_anew(inner)


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


def _writes_of(finished: Sequence[Task]) -> list[tuple[str, dict[str, Any]]]:
    """Updates of finished tasks with the nodes that wrote them, in task order."""
    return [(task.node, update) for task in finished for update in cast("Outcome", task.outcome).updates]


def _as_list(chosen: Any) -> list[Any]:
    if isinstance(chosen, list | tuple):
        return list(chosen)
    if isinstance(chosen, set | frozenset):
        return sorted(chosen, key=str)
    return [chosen]


def _is_hashable(item: Any) -> bool:
    try:
        hash(item)
    except TypeError:
        return False
    return True


async def maybe_await(value: Any | Awaitable[Any]) -> Any:
    """Await what needs awaiting."""
    return await value if isinstance(value, Awaitable) else value
