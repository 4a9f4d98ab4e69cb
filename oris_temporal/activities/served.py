"""The graphs that a worker serves, whichever plugin brought them."""

from __future__ import annotations

from collections.abc import Sequence

from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.errors import ConfigurationError, GraphError
from oris_temporal.store.base import Store
from oris_temporal.tools import Tool


class ServedGraphs:
    """The graphs of one worker, by name, and their stores."""

    def __init__(self) -> None:
        self._graphs: dict[str, CompiledGraph] = {}

    def add(self, graphs: Sequence[CompiledGraph]) -> None:
        """Add what another plugin brings."""
        self._graphs.update({graph.name: graph for graph in graphs})

    def __getitem__(self, name: str) -> CompiledGraph:
        return self._graphs[name]

    def tool(self, name: str, graph: str | None) -> Tool:
        """The tool that a graph calls by a name: its own, or on a worker that does not serve the graph the one that has the name.

        Raises:
            ConfigurationError: The worker has no such tool, or has several and does not serve the graph.
        """
        if graph is not None and graph in self._graphs and name in self._graphs[graph].tools:
            return self._graphs[graph].tools[name]
        found = {item.tools[name]: item.name for item in self._graphs.values() if name in item.tools}
        if len(found) == 1:
            return next(iter(found))
        have = f"graphs {' and '.join(found.values())} have different ones" if found else "none of its graphs has one"
        raise ConfigurationError(
            f"A worker was asked for tool {name!r} of graph {graph}, which it does not serve, and {have}. Serve the graph there as well."
        )

    def store(self, graph: str) -> Store | None:
        """The store of a graph, made if need be.

        Raises:
            GraphError: The worker does not serve the graph.
        """
        found = self._graphs.get(graph)
        if found is None:
            raise GraphError(
                f"The store of graph {graph} is wanted by a subgraph on a worker that does not serve {graph} itself. Serve both, or "
                "compile the subgraph with a store of its own."
            )
        return found.opened_store
