"""``graph``: the shape of graphs, without a server."""

from __future__ import annotations

from typing import Any

from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.edges import Edge
from oris_temporal.graph.subgraph import Subgraph

from . import parser
from .call import Call
from .exit_codes import Exit
from .parser import Commands, add_command


def add_commands(commands: Commands) -> None:
    """Add the command of this module."""
    add_command(
        commands,
        "graph",
        show_graphs,
        "print graphs as Mermaid flowcharts, or their shape as JSON",
        "It needs no server.",
        options=[parser.graphs],
    )


def show_graphs(call: Call) -> int:
    """``graph``."""
    graphs = call.load_graphs()
    titles = len(graphs) > 1
    drawn = [f"%% {graph.name}\n{graph.to_mermaid()}" if titles else graph.to_mermaid() for graph in graphs]
    call.out.answer([shape_of(graph) for graph in graphs], "\n\n".join(drawn))
    return Exit.OK


def shape_of(graph: CompiledGraph) -> dict[str, Any]:
    """A graph as JSON data.

    Keys: ``name``, ``digest``, ``nodes`` (``name``, ``runs_as``, ``graph`` of a subgraph), ``edges`` (``sources``,
    ``targets`` - ``null`` if a router may choose any node -, ``conditional``), ``state_schema``, ``mermaid``.
    """
    return {
        "name": graph.name,
        "digest": graph.digest,
        "nodes": [
            {
                "name": node.name,
                "runs_as": node.run_as if isinstance(node, Subgraph) else node.side,
                "graph": node.graph.name if isinstance(node, Subgraph) else None,
            }
            for node in graph.nodes.values()
        ],
        "edges": [
            {"sources": list(edge.sources), "targets": [edge.target], "conditional": False}
            if isinstance(edge, Edge)
            else {"sources": [edge.source], "targets": _targets(edge.targets), "conditional": True}
            for edge in graph.edges
        ],
        "state_schema": graph.schema.json_schema(),
        "mermaid": graph.to_mermaid(),
    }


def _targets(targets: Any) -> list[str] | None:
    return None if targets is None else list(targets)
