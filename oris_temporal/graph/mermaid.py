"""Drawing a graph as a Mermaid flowchart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .control import END, START
from .edges import ConditionalEdge, Edge
from .node import Node
from .subgraph import Subgraph

if TYPE_CHECKING:
    from .compiled import CompiledGraph

_SOLID = "-->"

# What a quoted label may have as it is: letters and digits, spaces, and some punctuation between letters. All
# else has a meaning to Mermaid, or to the Markdown and HTML that it makes of labels.
_SPECIAL = re.compile(r"(?![^\W_]|[ =,()?]|(?<=[^\W_])[._-](?=[^\W_])).", re.DOTALL)

# Names that are ids and labels as they are. Those that begin like a keyword, or like an id of ours, are not.
_PLAIN = re.compile(r"(?!n_)[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)*")
_KEYWORDS = (
    *("acctitle", "accdescr", "call", "class", "click", "default", "direction", "end", "flowchart", "graph", "href"),
    *("interpolate", "linkstyle", "style", "subgraph"),
)


def draw(graph: CompiledGraph) -> str:
    """Draw a graph: solid arrows for edges, dotted ones for what a router or a Command may choose.

    Workflow-side nodes are boxes, activity nodes rounded, subgraphs double-edged. A node has its shape where it is mentioned
    first, and edges that follow each other are one line: people read this as it is written as well.
    """
    shapes = {START: "([START])", END: "([END])", **{node.name: _shape(node) for node in graph.nodes.values()}}
    lines: list[str] = []
    last = ""
    for source, arrow, target in _arrows(graph):
        if source == last and arrow == _SOLID:
            lines[-1] += f" {arrow} {_mention(target, shapes)}"
        else:
            lines.append(f"{_mention(source, shapes)} {arrow} {_mention(target, shapes)}")
        last = target if arrow == _SOLID else ""
    # What is reached only by Commands that may lead anywhere.
    lines += [_mention(name, shapes) for name in graph.nodes if name in shapes]
    return "\n    ".join(["flowchart TD", *lines])


def _mention(name: str, shapes: dict[str, str]) -> str:
    return _id(name) + shapes.pop(name, "")


def _shape(node: Node | Subgraph) -> str:
    plain = _is_plain(node.name)
    label = node.name if plain else _label(node.name)
    if isinstance(node, Subgraph):
        return f"[[{label}]]"
    if node.side == "workflow":
        return "" if plain else f"[{label}]"
    return f"({label})"


def _arrows(graph: CompiledGraph) -> Iterator[tuple[str, str, str]]:
    for edge in graph.edges:
        if isinstance(edge, Edge):
            yield from ((source, _SOLID, edge.target) for source in edge.sources)
        else:
            yield from _choices(edge, [*graph.nodes, END])
    for node in graph.nodes.values():
        if isinstance(node, Node):
            yield from ((node.name, "-.->", target) for target in node.command_targets or ())


def _choices(edge: ConditionalEdge, anywhere: list[str]) -> Iterator[tuple[str, str, str]]:
    if edge.mapping is not None:
        yield from ((edge.source, f"-. {_label(str(key))} .->", target) for key, target in edge.mapping.items())
    else:
        yield from ((edge.source, "-.->", target) for target in (anywhere if edge.targets is None else edge.targets))


def _id(name: str) -> str:
    """An id for a node: letters, digits and underscores only, and never the same for two names."""
    if name in (START, END):
        return "start_" if name == START else "end_"  # "end" alone is a keyword
    if _is_plain(name):
        return name
    escaped = re.sub(r"[^A-Za-z0-9]", lambda odd: "__" if odd[0] == "_" else f"_{ord(odd[0]):x}_", name)
    return f"n_{escaped}"


def _is_plain(name: str) -> bool:
    return _PLAIN.fullmatch(name) is not None and not name.lower().startswith(_KEYWORDS)


def _label(text: str) -> str:
    """A quoted label. Mermaid's own escapes are ``#<code point>;``, and a label must not be empty."""
    shown = text if text.strip() else '""'
    return '"' + _SPECIAL.sub(lambda odd: f"#{ord(odd[0])};", shown) + '"'
