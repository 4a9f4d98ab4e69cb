"""Drawing a graph as a Mermaid flowchart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .control import END, START
from .edges import ConditionalEdge, Edge
from .node import Node
from .subgraph import Subgraph

if TYPE_CHECKING:
    from .compiled import CompiledGraph

# What a quoted label may have as it is: letters and digits, spaces, and some punctuation between letters. All
# else has a meaning to Mermaid, or to the Markdown and HTML that it makes of labels.
_SPECIAL = re.compile(r"(?![^\W_]|[ =,()?]|(?<=[^\W_])[._-](?=[^\W_])).", re.DOTALL)


def draw(graph: CompiledGraph) -> str:
    """Draw a graph: solid arrows for edges, dotted ones for what a router may choose.

    Activity nodes are rectangular, workflow-side nodes rounded, subgraphs double-edged.
    """
    lines = ["flowchart TD", f'{_id(START)}(["start"])']
    lines += [_node(node) for node in graph.nodes.values()]
    lines.append(f'{_id(END)}(["end"])')
    for edge in graph.edges:
        lines += _fixed(edge) if isinstance(edge, Edge) else _chosen(edge, [*graph.nodes, END])
    return "\n    ".join(lines)


def _node(node: Node | Subgraph) -> str:
    label = _label(node.name)
    if isinstance(node, Subgraph):
        return f"{_id(node.name)}[[{label}]]"
    return f"{_id(node.name)}({label})" if node.side == "workflow" else f"{_id(node.name)}[{label}]"


def _fixed(edge: Edge) -> list[str]:
    return [f"{_id(source)} --> {_id(edge.target)}" for source in edge.sources]


def _chosen(edge: ConditionalEdge, anywhere: list[str]) -> list[str]:
    source = _id(edge.source)
    if edge.mapping is not None:
        return [f"{source} -. {_label(str(key))} .-> {_id(target)}" for key, target in edge.mapping.items()]
    targets = anywhere if edge.targets is None else edge.targets
    return [f"{source} -.-> {_id(target)}" for target in targets]


def _id(name: str) -> str:
    """An id for a node: letters, digits and underscores only, and never the same for two names."""
    if name in (START, END):
        return "start_" if name == START else "end_"  # "end" alone is a keyword
    escaped = re.sub(r"[^A-Za-z0-9]", lambda odd: "__" if odd[0] == "_" else f"_{ord(odd[0]):x}_", name)
    return f"n_{escaped}"


def _label(text: str) -> str:
    """A quoted label. Mermaid's own escapes are ``#<code point>;``, and a label must not be empty."""
    shown = text if text.strip() else '""'
    return '"' + _SPECIAL.sub(lambda odd: f"#{ord(odd[0])};", shown) + '"'
