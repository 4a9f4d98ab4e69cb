"""`StateGraph`: declaring a graph."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from oris_temporal.store.base import Store

from .checks import check_graph, find_chains
from .compiled import ActivityFunction, CompiledGraph
from .control import END, START
from .duration import Duration
from .edges import ConditionalEdge, Edge, conditional_edge, static_edge
from .errors import DeterminismError, GraphCompileError, InvalidUpdateError
from .limits import Limits
from .lint import lint_default, lint_function
from .node import Node, check_state_function, for_http_workers, make_node, place_of
from .options import NodeOptions, RetryPolicy, RunAs
from .state import StateSchema
from .subgraph import Subgraph

if TYPE_CHECKING:
    from oris_temporal.tools import Tool

    from .plugins import NodePluginRegistry

_NAME = re.compile(r"[A-Za-z_][\w.-]*")


class StateGraph:
    """A graph under construction.

    Args:
        schema: A TypedDict, dataclass or Pydantic model. Reducers are given per field:
            ``messages: Annotated[list[Message], append_messages]``.

    Raises:
        GraphCompileError: The schema is of another kind, or has a field without a JSON form.

    Example:
        >>> graph = StateGraph(MessagesState)
        >>> graph.add_node("greet", lambda state: {"messages": [Message.ai("hello")]})
        >>> graph.add_edge(START, "greet").add_edge("greet", END)
        >>> compiled = graph.compile(name="hello")
    """

    def __init__(self, schema: type) -> None:
        self.schema = StateSchema(schema)
        self._nodes: dict[str, _Declared] = {}
        self._edges: list[Edge | ConditionalEdge] = []
        self._functions: dict[str, ActivityFunction] = {}
        self._tools: dict[str, Tool] = {}
        self._graphs: dict[str, CompiledGraph] = {}

    def add_node(
        self,
        name: str | Callable[..., Any],
        fn: Callable[..., Any] | CompiledGraph | None = None,
        *,
        run_as: RunAs | None = None,
        retry: RetryPolicy | None = None,
        timeout: Duration | None = None,
        total_timeout: Duration | None = None,
        schedule_to_start: Duration | None = None,
        heartbeat: Duration | None = None,
        task_queue: str | None = None,
        priority: int | None = None,
        fuse: bool = False,
        reads: Sequence[str] | None = None,
        summary: str | None = None,
    ) -> StateGraph:
        """Add a node.

        An option that has no effect where the node runs is refused by `compile`.

        Args:
            name: Its name; may be left out when `fn` has one.
            fn: Function, async function, callable object, or a compiled graph that shares state fields. A function that takes
                a `Context` runs inside the workflow, any other as an activity. A remote node needs none: one that is given
                stands in for the HTTP workers on the in-process host.
            run_as: ``activity``, ``local`` or ``workflow``, in place of what the signature says; or ``remote``: workers that poll
                the REST facade do it.
            retry: Retry policy. Default: 3 attempts, not for programming mistakes.
            timeout: Longest time for one attempt; of a remote node, from when a worker first leased it. Default: 10 minutes.
            total_timeout: Longest time with all attempts. Default: no limit.
            schedule_to_start: Longest wait for a free worker. Default: no limit.
            heartbeat: Longest silence of its worker before the node is tried elsewhere. Default: 30 seconds.
            task_queue: Task queue of its workers. Default: the run's own; for a remote node that of the facades, which is the
                run's own with ``-remote``.
            priority: 1 (first) to 5 (last). Default: the run's own.
            fuse: Run in one activity with the node before it.
            reads: State fields it needs. Default: those of its state parameter's annotation, else all.
            summary: Text for the Web UI.

        Returns:
            The graph, for chaining.

        Raises:
            GraphCompileError: The name is taken or malformed, or an option or the signature cannot work.
        """
        if not isinstance(name, str):
            fn = name
            name = str(getattr(fn, "__name__", type(fn).__name__))
        if fn is None and run_as != "remote":
            raise GraphCompileError(f"add_node({name!r}) needs a function or a compiled graph.")
        options = NodeOptions.of(
            run_as=run_as,
            retry=retry,
            timeout=timeout,
            total_timeout=total_timeout,
            schedule_to_start=schedule_to_start,
            heartbeat=heartbeat,
            task_queue=task_queue,
            priority=priority,
            fuse=fuse,
            reads=reads if reads is None or isinstance(reads, str) else tuple(reads),
            summary=summary,
        )
        if isinstance(fn, CompiledGraph):
            if run_as is not None or fuse or reads:
                raise GraphCompileError(
                    f"add_node({name!r}): run_as, fuse and reads are for functions; see add_subgraph."
                )
            self._declare(name, _DeclaredSubgraph(fn, None, None, "inline", options))
        else:
            self._declare(name, _DeclaredFunction(fn, options))
            self.add_tools(*getattr(fn, "tools", ()))
            self.add_graphs(*getattr(fn, "graphs", ()))
        return self

    def add_subgraph(
        self,
        name: str,
        graph: CompiledGraph,
        *,
        input: Callable[[Any], Any] | None = None,
        output: Callable[[Any], Any] | None = None,
        run_as: Literal["inline", "child_workflow"] = "inline",
        task_queue: str | None = None,
    ) -> StateGraph:
        """Add a compiled graph as a node.

        Args:
            name: Node name.
            graph: The child graph.
            input: Maps the parent's state to the child's input. Default: the fields both have.
            output: Maps the child's final state to the parent's update. Default: the child's writes to fields both have.
            run_as: ``inline`` runs it in the parent's workflow, under a namespace; ``child_workflow`` gives it a workflow, a
                history and a thread of its own.
            task_queue: Task queue of the child workflow. Default: the run's own.

        Raises:
            GraphCompileError: The name is taken or malformed.
        """
        if not isinstance(graph, CompiledGraph):
            raise GraphCompileError(f"add_subgraph({name!r}) needs a compiled graph, not {graph!r:.100}.")
        self._declare(name, _DeclaredSubgraph(graph, input, output, run_as, NodeOptions.of(task_queue=task_queue)))
        return self

    def add_plugin_node(
        self,
        name: str,
        type: str,
        config: Mapping[str, Any] | None = None,
        *,
        registry: NodePluginRegistry | None = None,
    ) -> StateGraph:
        """Add a node made by a node plugin.

        Args:
            name: Node name.
            type: Plugin type.
            config: The plugin's configuration, JSON data.
            registry: Where to look the plugin up. Default: the registry `node_plugin` fills.

        Raises:
            GraphCompileError: There is no such plugin, or it does not accept the configuration.
        """
        from .plugins import default_registry  # plugins build nodes, so they import this module

        return self.add_node(name, (registry or default_registry).create_node(type, config or {}))

    def add_tools(self, *tools: Tool) -> StateGraph:
        """Register tools that workflow-side nodes may call with ``ctx.tool(...)``. Tool nodes bring theirs along.

        Args:
            tools: What `tool` made.

        Raises:
            GraphCompileError: Two different tools have the same name.
        """
        for item in tools:
            if self._tools.setdefault(item.name, item) is not item:
                raise GraphCompileError(f"Two different tools are called {item.name!r}; pass name=... to one of them.")
        return self

    def add_graphs(self, *graphs: CompiledGraph) -> StateGraph:
        """Add graphs for ``ctx.call_graph``. A node object with an attribute ``graphs`` brings its own.

        Args:
            graphs: Compiled graphs.

        Raises:
            GraphCompileError: Two different graphs have the same name.
        """
        for item in graphs:
            if self._graphs.setdefault(item.name, item) is not item:
                raise GraphCompileError(
                    f"Two different graphs are called {item.name!r}; compile one with another name."
                )
        return self

    def add_activity(
        self,
        fn: Callable[..., Any],
        *,
        name: str | None = None,
        timeout: Duration | None = None,
        heartbeat: Duration | None = None,
        retry: RetryPolicy | None = None,
        task_queue: str | None = None,
    ) -> StateGraph:
        """Register a function with effects that workflow-side nodes may call with ``ctx.activity(fn, ...)``.

        Args:
            fn: Function or async function of JSON-ready arguments.
            name: Its name. Default: the function's.
            timeout: Longest time for one attempt. Default: 10 minutes.
            heartbeat: Longest silence of its worker. Default: 30 seconds.
            retry: Retry policy. Default: 3 attempts, not for programming mistakes.
            task_queue: Task queue of its workers. Default: the run's own.

        Raises:
            GraphCompileError: The name is taken or malformed.
        """
        name = name or str(getattr(fn, "__name__", type(fn).__name__))
        _check_name("activity function", name)
        if name in self._functions or name in self._nodes:
            raise GraphCompileError(f"add_activity: the name {name!r} is taken; pass name=... with another one.")
        given = {"timeout": timeout, "heartbeat": heartbeat, "retry": retry, "task_queue": task_queue}
        self._functions[name] = ActivityFunction(
            name, fn, {key: value for key, value in given.items() if value is not None}
        )
        return self

    def add_edge(self, source: str | Sequence[str], target: str) -> StateGraph:
        """Add an edge. From a list it is a join: the target runs once all of the sources have finished.

        Raises:
            GraphCompileError: The list is empty, or has START or a name twice, or something else is no node's name.
        """
        self._edges.append(static_edge(source, target))
        return self

    def add_conditional_edges(
        self,
        source: str,
        router: Callable[[Any], Any],
        mapping: Mapping[Hashable, str] | Sequence[str] | None = None,
    ) -> StateGraph:
        """Add an edge whose target a router chooses.

        Args:
            source: Node it starts from, or START.
            router: Plain or async function of the state. It runs inside the workflow, so it must be deterministic and without
                effects. It returns a node name, END, a `Send`, a mapping key, or a list of these.
            mapping: What the router returns -> node, or a list of the nodes it may return. Without one a ``Literal`` return
                annotation tells what it may return, else any node counts as possible.

        Raises:
            GraphCompileError: The mapping is something else.
        """
        self._edges.append(conditional_edge(source, router, mapping))
        return self

    def set_entry_point(self, name: str) -> StateGraph:
        """The same as ``add_edge(START, name)``."""
        return self.add_edge(START, name)

    def set_finish_point(self, name: str) -> StateGraph:
        """The same as ``add_edge(name, END)``."""
        return self.add_edge(name, END)

    def compile(
        self,
        *,
        name: str,
        interrupt_before: Collection[str] = (),
        interrupt_after: Collection[str] = (),
        recursion_limit: int = 1000,
        limits: Limits | Mapping[str, Any] | None = None,
        continues: bool = False,
        context_schema: type | None = None,
        store: Store | Callable[[], Store] | None = None,
        lint: Literal["error", "warn", "off"] = "error",
    ) -> CompiledGraph:
        """Check the graph and make it ready to run.

        Args:
            name: Name of the graph: its Temporal workflow type, and the prefix of its activity types.
            interrupt_before: Nodes to stop before until somebody resumes.
            interrupt_after: Nodes to stop after until somebody resumes.
            recursion_limit: Most supersteps of a run; the default is Oris's.
            limits: What a run may use: tokens, cost, model calls, time. See `Limits`. A run's configuration may say otherwise.
            continues: Whether a thread that runs again goes on from its last state, as a conversation does, in place of a fresh one.
                A call may say otherwise with ``from_last_state``.
            context_schema: A TypedDict, dataclass or Pydantic model that the ``context`` of every run must fit, and as which
                ``ctx.context`` and ``runtime.context`` have it. Default: any object, as JSON data.
            store: What its threads share: a `Store`, or a function without arguments that makes one in each process that needs it, such
                as a worker. Subgraphs without a store of their own use it too.
            lint: What to do about workflow-side code that a replay could not repeat.

        Raises:
            GraphCompileError: Something is wrong; the message names the node, the line and the remedy.
            DeterminismError: The lint found something and `lint` is ``error``.
        """
        _check_name("graph", name)
        if not isinstance(recursion_limit, int) or isinstance(recursion_limit, bool) or recursion_limit < 1:
            raise GraphCompileError(
                f"Graph {name}: recursion_limit={recursion_limit!r} must be a whole number, at least 1."
            )
        for option, given in (("interrupt_before", interrupt_before), ("interrupt_after", interrupt_after)):
            if isinstance(given, str) or not isinstance(given, Collection):
                raise GraphCompileError(f"Graph {name}: {option}={given!r} must be a list of node names.")
        if store is not None and not isinstance(store, Store) and not callable(store):
            raise GraphCompileError(f"Graph {name}: store={store!r} is neither a Store nor a function that makes one.")
        nodes = {node: declared.make(name, node, self.schema) for node, declared in self._nodes.items()}
        graph = CompiledGraph(
            name=name,
            schema=self.schema,
            nodes=nodes,
            edges=tuple(self._edges),
            interrupt_before=frozenset(interrupt_before),
            interrupt_after=frozenset(interrupt_after),
            recursion_limit=recursion_limit,
            limits=_limits(limits, name),
            continues=continues,
            chains=find_chains(nodes, self._edges, {*interrupt_before, *interrupt_after}),
            functions=dict(self._functions),
            tools=dict(self._tools),
            graphs=dict(self._graphs),
            context_schema=context_schema,
            store=store,
        )
        check_graph(graph)
        _ = graph.context_type  # made now, for its errors
        if lint != "off":
            lint_graph(graph, strict=lint == "error")
        return graph

    def _declare(self, name: str, declared: _Declared) -> None:
        _check_name("node", name)
        if name in (START, END):
            raise GraphCompileError(f"add_node: {name!r} is reserved.")
        if name in self._nodes:
            raise GraphCompileError(f"add_node: there is a node {name!r} already ({self._nodes[name].place}).")
        if name in self._functions:
            raise GraphCompileError(f"add_node: {name!r} is taken by a function of add_activity. Rename one of them.")
        if name in self.schema.fields:
            raise GraphCompileError(
                f"add_node: {name!r} is also a field of state {self.schema.name}; updates streamed by node name would be "
                "ambiguous. Rename the node."
            )
        self._nodes[name] = declared


class _DeclaredFunction:
    def __init__(self, fn: Callable[..., Any] | None, options: NodeOptions) -> None:
        self.fn, self.options, self.place = fn, options, "for HTTP workers" if fn is None else place_of(fn)

    def make(self, graph: str, name: str, schema: StateSchema) -> Node:
        return make_node(graph, name, self.fn or for_http_workers(f"{graph}.{name}"), self.options, schema)


class _DeclaredSubgraph:
    def __init__(
        self,
        graph: CompiledGraph,
        input: Callable[[Any], Any] | None,
        output: Callable[[Any], Any] | None,
        run_as: Literal["inline", "child_workflow"],
        options: NodeOptions,
    ) -> None:
        self.graph, self.input, self.output, self.run_as, self.options = graph, input, output, run_as, options
        self.place = f"subgraph {graph.name}"

    def make(self, graph: str, name: str, schema: StateSchema) -> Subgraph:
        full_name = f"{graph}.{name}"
        if self.run_as not in ("inline", "child_workflow"):
            raise GraphCompileError(f"{full_name}: run_as={self.run_as!r} must be inline or child_workflow.")
        for option, mapper in (("input", self.input), ("output", self.output)):
            if mapper is not None:
                check_state_function(mapper, f"{full_name}: {option}={mapper!r}")
        self.options.check_effect(full_name, self.run_as)
        return Subgraph(
            name=name,
            full_name=full_name,
            graph=self.graph,
            schema=schema,
            run_as=self.run_as,
            input=self.input,
            output=self.output,
            options=self.options.checked(full_name),
        )


_Declared = _DeclaredFunction | _DeclaredSubgraph


def lint_graph(graph: CompiledGraph, *, strict: bool) -> None:
    """Lint everything of a graph that runs inside the workflow.

    Raises:
        DeterminismError: Something was found and `strict` is set; otherwise a warning is issued.
    """
    findings = [item for owner, fn in graph.workflow_side() for item in lint_function(fn, owner=owner)]
    findings += [item for owner, factory in graph.defaults() for item in lint_default(factory, owner=owner)]
    if not findings:
        return
    text = "\n".join(str(finding) for finding in findings)
    if strict:
        raise DeterminismError(f"Graph {graph.name} has workflow-side code that a replay cannot repeat:\n{text}")
    warnings.warn(text, stacklevel=3)


def _check_name(what: str, name: str) -> None:
    if not isinstance(name, str) or (not _NAME.fullmatch(name) and name not in (START, END)):
        raise GraphCompileError(
            f"{name!r} is no {what} name: it must start with a letter and have only letters, digits, '_', '-' and '.'."
        )


def _limits(given: Limits | Mapping[str, Any] | None, graph: str) -> Limits:
    try:
        return Limits.read(given or {}, f"Graph {graph}: limits")
    except InvalidUpdateError as error:
        raise GraphCompileError(error.message) from None
