"""Drawing a graph as a Mermaid flowchart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .control import END, START
from .edges import Edge
from .node import Node

if TYPE_CHECKING:
    from .compiled import CompiledGraph


def draw(graph: CompiledGraph) -> str:
    """A Mermaid flowchart: solid arrows for edges, dotted ones for what a router may choose.

    Workflow-side nodes are rounded, activity nodes rectangular, subgraphs double-edged.
    """
    lines = ["flowchart TD", f"    {_id(START)}([start])"]
    for name, node in graph.nodes.items():
        label = _text(name)
        if not isinstance(node, Node):
            shape = f'[["{label}"]]'
        elif node.side == "workflow":
            shape = f'("{label}")'
        else:
            shape = f'["{label}"]'
        lines.append(f"    {_id(name)}{shape}")
    lines.append(f"    {_id(END)}([end])")
    for edge in graph.edges:
        if isinstance(edge, Edge):
            lines += [f"    {_id(source)} --> {_id(edge.target)}" for source in edge.sources]
        elif edge.mapping is not None:
            lines += [f'    {_id(edge.source)} -. "{_text(str(key))}" .-> {_id(target)}' for key, target in edge.mapping.items()]
        else:
            lines += [f"    {_id(edge.source)} -.-> {_id(target)}" for target in edge.targets or (*graph.nodes, END)]
    return "\n".join(lines)


def _id(name: str) -> str:
    return {START: "start_", END: "end_"}.get(name, "n_" + re.sub(r"\W", "_", name))


def _text(label: str) -> str:
    return label.replace('"', "'")
