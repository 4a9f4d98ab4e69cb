"""The shape of a graph as JSON data, for people and programs that have only its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .edges import ConditionalEdge, Edge
from .subgraph import Subgraph

if TYPE_CHECKING:
    from .compiled import CompiledGraph


def shape_of(graph: CompiledGraph) -> dict[str, Any]:
    """A graph as JSON data.

    Keys: ``name``, ``digest``, ``nodes`` (``name``, ``runs_as``, ``graph`` of a subgraph), ``edges`` (``sources``,
    ``targets`` - ``null`` if a router may choose any node -, ``conditional``), ``input_schema``, ``state_schema``,
    ``output_schema``, ``context_schema`` (``null`` if it has none), ``mermaid``.
    """
    context = graph.context_type
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
        "edges": [_edge(edge) for edge in graph.edges],
        "input_schema": _input_schema(graph),
        "state_schema": graph.schema.json_schema(),
        "output_schema": graph.schema.output_schema(),
        "context_schema": None if context is None else context.adapter.json_schema(),
        "mermaid": graph.to_mermaid(),
    }


def _edge(edge: Edge | ConditionalEdge) -> dict[str, Any]:
    if isinstance(edge, Edge):
        return {"sources": list(edge.sources), "targets": [edge.target], "conditional": False}
    targets = None if edge.targets is None else list(edge.targets)
    return {"sources": [edge.source], "targets": targets, "conditional": True}


def _input_schema(graph: CompiledGraph) -> dict[str, Any]:
    """What a run of the graph takes: some fields of the state; for a message graph also a text."""
    schema = graph.schema.update_schema()
    if "messages" not in graph.schema.fields:
        return schema
    shared = {"$defs": schema.pop("$defs")} if "$defs" in schema else {}
    text = {"type": "string", "description": "One human message."}
    return {"title": schema.pop("title"), "anyOf": [text, schema], **shared}
