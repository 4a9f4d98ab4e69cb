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

from .control import START
from .editing import EditableEngine, writes_of
from .errors import ConditionError, GraphError, GraphRecursionError
from .node import Node
from .records import BreakpointKind, EngineState, GraphCall, Outcome, Position, Task, order_of
from .running_tasks import RunningTasks
from .state import Values, Write

if TYPE_CHECKING:
    from .compiled import CompiledGraph
    from .subgraph import Subgraph


class Engine(EditableEngine):
    """Steps one graph until no task is left. `Routes` tells what comes next; the state in between is `EditableEngine`'s.

    Args:
        graph: The graph.
        run: The run it belongs to.
        state: Where to start; from `begin`, or saved earlier.
        namespace: Namespace of this (sub)graph; empty at the top.
        order: Position of the parent's task, for ordering interrupts.
    """

    @property
    def running_tasks(self) -> list[Task]:
        """Tasks that have begun and not finished."""
        return [task for task in self.state.tasks if task.outcome is None] if self._running else []

    # --- stepping ------------------------------------------------------------------------------------------------

    async def begin(self, input_wire: dict[str, Any]) -> None:
        """Merge the input, find the first tasks and record the first checkpoint."""
        self._merge([Write(f"input of {self.graph.name}", input_wire)])
        destinations = await self._routes.resolve(START)
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
        writes = writes_of(done)
        values, joins = self.values.data, self._routes.copied_joins()
        try:
            self._merge([Write(f"{self.graph.name}.{node}", update) for node, update in writes])
            self._schedule(await self._routes.after(done) if self.state.then is None else self.state.then)
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


async def maybe_await(value: Any | Awaitable[Any]) -> Any:
    """Await what needs awaiting."""
    return await value if isinstance(value, Awaitable) else value
