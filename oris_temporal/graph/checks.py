"""What `StateGraph.compile` checks about a graph's shape, and the fused chains it finds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from .control import END, START
from .edges import ConditionalEdge, Edge
from .errors import GraphCompileError
from .node import Node, check_state_function
from .subgraph import Subgraph

if TYPE_CHECKING:
    from .compiled import CompiledGraph


def check_graph(graph: CompiledGraph) -> None:
    """Check the edges, reachability and breakpoints of a graph.

    Raises:
        GraphCompileError: The first thing found wrong.
    """
    _check_edges(graph)
    _check_reachable(graph)
    _check_dead_ends(graph)
    _check_breakpoints(graph)
    _check_subgraphs(graph)


def find_chains(
    nodes: Mapping[str, Node | Subgraph], edges: Sequence[Edge | ConditionalEdge], stops: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """Fused chains: for their first node, the nodes that follow it in the same activity.

    Raises:
        GraphCompileError: A node asks to be fused where it cannot be.
    """
    follower: dict[str, str] = {}
    for name, node in nodes.items():
        if not isinstance(node, Node) or not node.options.fuse:
            continue
        before = _only_predecessor(name, edges)
        first = nodes.get(before or "")
        problem = None
        if before is None or not isinstance(first, Node):
            problem = "it needs exactly one edge leading to it, from a function node"
        elif sum(before in (edge.sources if isinstance(edge, Edge) else (edge.source,)) for edge in edges) > 1:
            problem = f"{before!r} has other edges as well"
        elif node.side != "activity" or first.side != "activity":
            problem = "both nodes must run as activities"
        elif node.options.task_queue != first.options.task_queue:
            problem = f"it is on another task queue than {before!r}"
        elif stops & {name, before} if isinstance(stops, set) else {name, before} & set(stops):
            problem = "there is a breakpoint at it"
        if problem:
            raise GraphCompileError(f"{node.full_name}: fuse=True cannot be done: {problem}.")
        follower[str(before)] = name
    chains: dict[str, tuple[str, ...]] = {}
    for head in follower:
        if head in follower.values():
            continue
        chain = []
        at = head
        while at in follower:
            at = follower[at]
            chain.append(at)
        chains[head] = tuple(chain)
    return chains


def _only_predecessor(name: str, edges: Sequence[Edge | ConditionalEdge]) -> str | None:
    leading = [edge for edge in edges if isinstance(edge, Edge) and edge.target == name]
    chosen = [edge for edge in edges if isinstance(edge, ConditionalEdge) and name in (edge.targets or (name,))]
    if len(leading) != 1 or chosen or leading[0].is_join:
        return None
    return leading[0].sources[0]


def _check_edges(graph: CompiledGraph) -> None:
    seen: set[Edge] = set()
    for edge in graph.edges:
        if isinstance(edge, Edge):
            for source in edge.sources:
                _check_source(graph, source, f"add_edge({source!r}, {edge.target!r})")
            _check_target(graph, edge.target, f"add_edge({edge.sources[0]!r}, {edge.target!r})")
            if edge in seen:
                raise GraphCompileError(
                    f"Graph {graph.name}: the edge {edge.sources[0]!r} -> {edge.target!r} is there twice."
                )
            seen.add(edge)
        else:
            where = f"add_conditional_edges({edge.source!r}, {edge.name})"
            what = "the router" if callable(edge.router) else repr(edge.router)
            check_state_function(edge.router, f"Graph {graph.name}: {where}: {what}")
            _check_source(graph, edge.source, where)
            for target in edge.targets or ():
                _check_target(graph, target, where)
    for node in graph.nodes.values():
        for target in _command_targets(node) or ():
            _check_target(graph, target, f"{node.full_name}: its annotation -> Command[...]")


def _check_source(graph: CompiledGraph, source: str, where: str) -> None:
    if source == END:
        raise GraphCompileError(f"Graph {graph.name}: {where}: nothing can follow END.")
    if source != START and source not in graph.nodes:
        raise GraphCompileError(f"Graph {graph.name}: {where}: there is no node {source!r}. Add it, or mend the name.")


def _check_target(graph: CompiledGraph, target: str, where: str) -> None:
    if target == START:
        raise GraphCompileError(f"Graph {graph.name}: {where}: nothing can lead back to START.")
    if target != END and target not in graph.nodes:
        raise GraphCompileError(f"Graph {graph.name}: {where}: there is no node {target!r}. Add it, or mend the name.")


def _successors(graph: CompiledGraph, name: str) -> set[str]:
    found = set(_command_targets(graph.nodes[name]) or ()) if name in graph.nodes else set()
    for edge in graph.edges_from.get(name, ()):
        if isinstance(edge, Edge):
            found.add(edge.target)
        else:
            found.update(edge.targets if edge.targets is not None else (*graph.nodes, END))
    return found


def _check_reachable(graph: CompiledGraph) -> None:
    if START not in graph.edges_from:
        raise GraphCompileError(
            f"Graph {graph.name} has no edge from START, so nothing would run. Use add_edge(START, ...)."
        )
    if any(_command_targets(node) is None for node in graph.nodes.values()):
        return  # a Command may lead anywhere
    reached = {START}
    open_nodes = [START]
    while open_nodes:
        for name in _successors(graph, open_nodes.pop()) - reached:
            reached.add(name)
            open_nodes.append(name)
    if lost := [name for name in graph.nodes if name not in reached]:
        raise GraphCompileError(
            f"Graph {graph.name}: no path from START reaches {', '.join(map(repr, lost))}. "
            "Add an edge to it, list it in a router's mapping, annotate the node that goes there with `-> Command`, or remove it."
        )


def _check_dead_ends(graph: CompiledGraph) -> None:
    leads_on = {name for name, node in graph.nodes.items() if _command_targets(node) != ()}
    for name in graph.nodes:
        if name not in graph.edges_from and name not in leads_on:
            raise GraphCompileError(
                f"Graph {graph.name}: nothing follows node {name!r}. Add an edge from it (to END, if the run ends there)."
            )
    ends = {END} | leads_on
    while True:
        more = {name for name in (*graph.nodes, START) if name not in ends and _successors(graph, name) & ends}
        if not more:
            break
        ends |= more
    if stuck := [name for name in graph.nodes if name not in ends]:
        raise GraphCompileError(
            f"Graph {graph.name}: END cannot be reached from {', '.join(map(repr, stuck))}; the run could only stop at its "
            "recursion limit. Give the loop a way out."
        )


def _command_targets(node: Node | Subgraph) -> tuple[str, ...] | None:
    """Where a node's Commands may lead: see `Node.command_targets`."""
    return node.command_targets if isinstance(node, Node) else ()


def _check_breakpoints(graph: CompiledGraph) -> None:
    for option in ("interrupt_before", "interrupt_after"):
        for name in getattr(graph, option):
            if name not in graph.nodes:
                raise GraphCompileError(f"Graph {graph.name}: {option} names {name!r}, which is no node of it.")


def _check_subgraphs(graph: CompiledGraph) -> None:
    names: dict[str, CompiledGraph] = {graph.name: graph}
    for child in graph.subgraphs():
        if names.setdefault(child.name, child) is not child:
            raise GraphCompileError(
                f"Graph {graph.name}: two different graphs are called {child.name!r}; their activities would share names. "
                "Compile one of them under another name."
            )
    for node in graph.nodes.values():
        if isinstance(node, Subgraph) and not node.shared and (node.input is None or node.output is None):
            raise GraphCompileError(
                f"{node.full_name}: subgraph {node.graph.name} shares no state field with {graph.name}, so nothing would pass "
                "between them. Use add_subgraph(..., input=..., output=...)."
            )
