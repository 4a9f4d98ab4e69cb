"""The graphs that this process knows."""

from __future__ import annotations

from collections.abc import Mapping

from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.shape import shape_of

from ..errors import invalid, not_found
from ..models.graphs import Graph, GraphList, GraphSummary
from .checks import require


class GraphService:
    """Knows graphs, and which of them jobs run that name none.

    Args:
        graphs: The graphs, by name. Without any, those of the workers can be run, but not shown.
        default: Name of the graph of requests that name none.
    """

    def __init__(self, graphs: Mapping[str, CompiledGraph], default: str | None) -> None:
        self._graphs = graphs
        self._default = default

    def list(self) -> GraphList:
        """All of them."""
        return GraphList(graphs=[GraphSummary(name=name, is_default=name == self._default) for name in self._graphs])

    def get(self, name: str) -> Graph:
        """One of them in full."""
        require(name, "graph")
        if name not in self._graphs:
            raise not_found(f"graph not found: {name}{self._known}")
        return Graph(**shape_of(self._graphs[name]), is_default=name == self._default)

    def chosen(self, name: str | None) -> CompiledGraph | str:
        """The graph that a request asks for: itself, or its name if the graphs are not known here."""
        if name is None:
            if self._default is None:
                raise invalid(
                    f"graph must be given: this server has no default graph (ORIS_DEFAULT_GRAPH){self._known}"
                )
            name = self._default
        require(name, "graph")
        if self._graphs and name not in self._graphs:
            raise not_found(f"graph not found: {name}{self._known}")
        return self._graphs.get(name, name)

    @property
    def _known(self) -> str:
        return f"; it has {', '.join(self._graphs)}" if self._graphs else ""
