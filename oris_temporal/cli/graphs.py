"""``graph``: the shape of graphs, without a server."""

from __future__ import annotations

from oris_temporal.graph.shape import shape_of

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
