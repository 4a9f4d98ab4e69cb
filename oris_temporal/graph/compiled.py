"""A graph that was checked and can run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from oris_temporal.store.base import Store

from .config import with_context
from .edges import ConditionalEdge, Edge
from .errors import ConfigurationError, EmptyInputError, InvalidUpdateError
from .field_type import FieldType, readable
from .limits import Limits
from .mermaid import draw
from .messages import Message
from .node import Node
from .requests import check_update
from .results import InvokeResult, StateSnapshot, StreamChunk
from .state import StateSchema, Write, isolate
from .subgraph import Subgraph

if TYPE_CHECKING:
    from oris_temporal.tools import Tool

    from .threads import ThreadStore


@dataclass(frozen=True)
class ActivityFunction:
    """A function that nodes call with ``ctx.activity``.

    Attributes:
        name: Its name in the graph; the Temporal activity type is ``<graph>.<name>``.
        fn: The function.
        options: Keyword options of ``add_activity`` that were given.
    """

    name: str
    fn: Callable[..., Any]
    options: Mapping[str, Any]


@dataclass(frozen=True, eq=False, repr=False)
class CompiledGraph:
    """A checked graph: give it to a worker, or run it in this process.

    Made by `StateGraph.compile`.

    Attributes:
        name: Name of the graph and of its Temporal workflow type.
        schema: Its state schema.
        nodes: Nodes by name, in the order they were added.
        edges: Edges in the order they were added.
        interrupt_before: Nodes to stop before.
        interrupt_after: Nodes to stop after.
        recursion_limit: Most supersteps of a run.
        limits: What a run may use.
        continues: Whether a thread that runs again goes on from its last state.
        chains: For the first node of each fused chain, the nodes that follow it in the same activity.
        functions: Functions for ``ctx.activity``, by name.
        tools: Tools for ``ctx.tool``, by name.
        graphs: Graphs for ``ctx.call_graph``, by name.
        context_schema: Type of the context that runs are given.
        store: What its threads share: a store, or a function that makes it in the process that needs it.
    """

    name: str
    schema: StateSchema
    nodes: Mapping[str, Node | Subgraph]
    edges: Sequence[Edge | ConditionalEdge]
    interrupt_before: frozenset[str] = frozenset()
    interrupt_after: frozenset[str] = frozenset()
    recursion_limit: int = 1000
    limits: Limits = field(default_factory=Limits)
    continues: bool = False
    chains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    functions: Mapping[str, ActivityFunction] = field(default_factory=dict)
    tools: Mapping[str, Tool] = field(default_factory=dict)
    graphs: Mapping[str, CompiledGraph] = field(default_factory=dict)
    store: Store | Callable[[], Store] | None = None
    context_schema: type | None = None

    def __repr__(self) -> str:
        return f"<CompiledGraph {self.name}: {', '.join(self.nodes)}>"

    # --- shape ---------------------------------------------------------------------------------------------------

    @cached_property
    def edges_from(self) -> dict[str, list[Edge | ConditionalEdge]]:
        """Outgoing edges of each node, in the order they were added."""
        found: dict[str, list[Edge | ConditionalEdge]] = {}
        for edge in self.edges:
            sources = edge.sources if isinstance(edge, Edge) else (edge.source,)
            for source in sources:
                found.setdefault(source, []).append(edge)
        return found

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over the graph's shape: nodes, where they run, edges with their mappings, and state fields."""
        shape = {
            "name": self.name,
            "nodes": [
                [name, node.side if isinstance(node, Node) else [node.run_as, node.graph.digest]]
                for name, node in self.nodes.items()
            ],
            "edges": [
                [edge.sources, edge.target]
                if isinstance(edge, Edge)
                else [
                    edge.source,
                    edge.name,
                    edge.targets,
                    [[str(key), to] for key, to in (edge.mapping or {}).items()],
                ]
                for edge in self.edges
            ],
            "state": self.schema.json_schema(),
        }
        return hashlib.sha256(json.dumps(shape, sort_keys=True, default=str).encode()).hexdigest()

    def workflow_side(self) -> Iterator[tuple[str, Callable[..., Any]]]:
        """Every function of this graph that runs inside the workflow, with what to call it."""
        for node in self.nodes.values():
            if isinstance(node, Node) and node.side == "workflow":
                yield node.full_name, node.fn
                for fn in getattr(node.fn, "workflow_side", ()):
                    yield f"{node.full_name} ({fn.__qualname__})", fn
            elif isinstance(node, Subgraph):
                for what, mapper in (("input", node.input), ("output", node.output)):
                    if mapper is not None:
                        yield f"{node.full_name} ({what} mapping)", mapper
        for edge in self.edges:
            if isinstance(edge, ConditionalEdge):
                yield f"{self.name}.{edge.source} (router)", edge.router
        for item in self.schema.fields.values():
            if item.reducer is not None:
                yield f"{self.name} (reducer of {item.name})", item.reducer
        for found in self.tools.values():
            if found.run_as == "workflow":
                yield f"{self.name} (tool {found.name})", found.fn

    def defaults(self) -> Iterator[tuple[str, Callable[..., Any]]]:
        """Every default factory that runs inside the workflow, with what to call it."""
        views = [node.own_schema for node in self.nodes.values() if isinstance(node, Node) and node.side == "workflow"]
        for schema in (self.schema, *filter(None, views)):
            for name, factory in schema.factories().items():
                yield f"{self.name} (default of {name})", factory

    def subgraphs(self) -> list[CompiledGraph]:
        """All graphs used as nodes or called with ``ctx.call_graph``, at any depth, each once."""
        used = [node.graph for node in self.nodes.values() if isinstance(node, Subgraph)]
        found: dict[int, CompiledGraph] = {}
        for child in (*used, *self.graphs.values()):
            for graph in (child, *child.subgraphs()):
                found[id(graph)] = graph
        return list(found.values())

    def all_tools(self) -> list[Tool]:
        """The tools of this graph and of its subgraphs."""
        return [tool for graph in (self, *self.subgraphs()) for tool in graph.tools.values()]

    @cached_property
    def mermaid(self) -> str:
        """The graph as a Mermaid flowchart."""
        return draw(self)

    def to_mermaid(self) -> str:
        """The graph as a Mermaid flowchart."""
        return self.mermaid

    def function(self, activity: str | Callable[..., Any]) -> tuple[str, Callable[..., Any] | None, dict[str, Any]]:
        """Activity type, function (if it is this graph's) and options for ``ctx.activity``.

        Raises:
            InvalidUpdateError: A function that was not given to ``add_activity``.
        """
        for known in self.functions.values():
            if activity in (known.name, known.fn):
                return f"{self.name}.{known.name}", known.fn, dict(known.options)
        if isinstance(activity, str):
            return activity, None, {}
        raise InvalidUpdateError(
            f"ctx.activity({getattr(activity, '__name__', activity)}): graph {self.name} does not know this function. "
            "Register it with add_activity(...) before compile()."
        )

    def called(self, graph: CompiledGraph | str) -> CompiledGraph:
        """A graph for ``ctx.call_graph``.

        Raises:
            InvalidUpdateError: One that was not given to ``add_graphs``.
        """
        name = graph if isinstance(graph, str) else graph.name
        found = self.graphs.get(name)
        if found is None or (not isinstance(graph, str) and found is not graph):
            raise InvalidUpdateError(
                f"ctx.call_graph({name!r}): graph {self.name} was not given it. Call add_graphs(...) before compiling."
            )
        return found

    def tool(self, given: Tool | str) -> Tool:
        """One of the graph's tools, for ``ctx.tool``.

        Raises:
            InvalidUpdateError: A tool that was not given to ``add_tools``.
        """
        name = given if isinstance(given, str) else given.name
        found = self.tools.get(name)
        if found is None or (not isinstance(given, str) and found is not given):
            raise InvalidUpdateError(
                f"ctx.tool({name!r}): graph {self.name} does not know this tool (it has {', '.join(self.tools) or 'none'}). "
                "Register it with add_tools(...) before compile()."
            )
        return found

    @cached_property
    def opened_store(self) -> Store | None:
        """Its store, made if need be.

        Raises:
            ConfigurationError: What should make it made something else.
        """
        if self.store is None or isinstance(self.store, Store):
            return self.store
        made = self.store()
        if not isinstance(made, Store):
            raise ConfigurationError(f"Graph {self.name}: store={self.store!r} made {made!r}, which is no Store.")
        return made

    @cached_property
    def context_type(self) -> FieldType | None:
        """Its ``context_schema``, ready to read one.

        Raises:
            GraphCompileError: It is of no use.
        """
        if self.context_schema is None:
            return None
        return FieldType(readable(self.context_schema), [], f"Graph {self.name}: context_schema")

    def context_of(self, config: Mapping[str, Any]) -> Any:
        """The context in a run's configuration: as its schema, or without one as the JSON object that was given, or ``None``.

        Raises:
            InvalidUpdateError: It does not fit the schema.
        """
        given = config.get("context")
        if self.context_type is None:
            return isolate(given)
        return self.context_type.read(
            {} if given is None else given, f"Graph {self.name}: the context of the run does not fit: context"
        )

    def input_wire(self, given: Any) -> dict[str, Any]:
        """The JSON form of a run's input.

        Args:
            given: An object with initial state fields, an instance of the schema, or text, which becomes one human message.

        Raises:
            EmptyInputError: There is none.
            InvalidUpdateError: It does not fit the state.
        """
        if given is None:
            raise EmptyInputError(
                f"Graph {self.name}: a new run needs an input (a state object, or text for a message graph)."
            )
        if isinstance(given, str):
            if "messages" not in self.schema.fields:
                raise InvalidUpdateError(
                    f"Graph {self.name}: a text input becomes a message, but state {self.schema.name} has no field 'messages'. "
                    "Pass an object with its fields."
                )
            given = {"messages": [Message.human(given)]}
        check_update(given, f"input of {self.name}")
        wire = self.schema.update_wire(given, f"input of {self.name}")
        self.schema.apply(self.schema.initial(), [Write(f"input of {self.name}", wire)])
        return wire

    # --- running in this process ---------------------------------------------------------------------------------

    @cached_property
    def _threads(self) -> ThreadStore:
        from .threads import ThreadStore  # it needs this module; a worker never needs it

        return ThreadStore(self)

    async def invoke(
        self,
        input: Any = None,
        config: Mapping[str, Any] | None = None,
        *,
        context: Any = None,
        interrupt_before: Collection[str] | None = None,
        interrupt_after: Collection[str] | None = None,
    ) -> InvokeResult:
        """Run the graph in this process until it ends or waits for a person.

        Args:
            input: Initial state, or text for a message graph, starts a run from a fresh state; a `Command` answers or
                redirects the thread's waiting run; ``None`` continues it, or starts at ``checkpoint_id`` of `config`.
            config: ``{"configurable": {"thread_id": ...}}`` and more; see `RunnableConfig`. Without a thread id the run is on
                a thread of its own. A run that starts at a checkpoint has the configuration of the earlier one, and what this says
                in its place.
            context: The ``context`` of `config`, for a run that starts: an object, or an instance of the graph's ``context_schema``.
            interrupt_before: Nodes to stop before, in place of the compiled ones, or of those of the earlier run.
            interrupt_after: Nodes to stop after, likewise.

        Returns:
            The result; its ``status`` is ``completed`` or ``interrupted``.

        Raises:
            NodeError: A node failed for good.
            GraphError: The graph, its input or an update is wrong.
            ConflictError: The thread's state does not allow the request.
        """
        breakpoints = {"interrupt_before": interrupt_before, "interrupt_after": interrupt_after}
        return await self._threads.invoke(input, with_context(config, context), breakpoints)

    def stream(
        self,
        input: Any = None,
        config: Mapping[str, Any] | None = None,
        *,
        context: Any = None,
        mode: str | Sequence[str] = "updates",
        subgraphs: bool = False,
        interrupt_before: Collection[str] | None = None,
        interrupt_after: Collection[str] | None = None,
    ) -> AsyncIterator[StreamChunk]:
        """Like `invoke`, yielding what happens as it happens.

        Args:
            input: As in `invoke`.
            config: As in `invoke`.
            context: As in `invoke`.
            mode: ``values``, ``updates``, ``messages``, ``custom``, ``debug``, or several of them.
            subgraphs: Whether to include what happens inside subgraphs.
            interrupt_before: As in `invoke`.
            interrupt_after: As in `invoke`.
        """
        breakpoints = {"interrupt_before": interrupt_before, "interrupt_after": interrupt_after}
        return self._threads.stream(
            input, with_context(config, context), mode=mode, subgraphs=subgraphs, breakpoints=breakpoints
        )

    async def signal(self, config: Mapping[str, Any], name: str, value: Any = None) -> None:
        """Send a signal to the thread's run in this process; see `Context.wait_signal`.

        Raises:
            ThreadNotFoundError: The thread has no run.
        """
        await self._threads.signal(config, name, value)

    async def get_state(self, config: Mapping[str, Any]) -> StateSnapshot:
        """The state of a thread of this process: the latest, or the checkpoint `config` names.

        Raises:
            ThreadNotFoundError: The thread has no run.
            CheckpointNotFoundError: It has no such checkpoint.
        """
        return self._threads.get_state(config)

    async def get_state_history(
        self, config: Mapping[str, Any], *, limit: int | None = None, before: str | None = None, order: str = "newest"
    ) -> list[StateSnapshot]:
        """Checkpoints of a thread of this process.

        Args:
            config: Names the thread, and with ``checkpoint_ns`` a subgraph.
            limit: Most snapshots to return.
            before: Only checkpoints before this id.
            order: ``newest`` or ``oldest`` first.
        """
        return self._threads.get_state_history(config, limit=limit, before=before, order=order)

    async def update_state(
        self, config: Mapping[str, Any], values: Any, *, as_node: str | None = None
    ) -> dict[str, Any]:
        """Merge values into a thread of this process and return the configuration of the new checkpoint.

        Args:
            config: Names the thread, and with ``checkpoint_id`` the checkpoint to branch from.
            values: Partial update.
            as_node: Recompute what runs next as if this node had written the values.
        """
        return await self._threads.update_state(config, values, as_node=as_node)
