"""The graphs that a worker serves, whichever plugin brought them."""

from __future__ import annotations

from collections.abc import Sequence

from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.errors import GraphError
from oris_temporal.store.base import Store


class ServedGraphs:
    """The graphs of one worker, by name, and their stores."""

    def __init__(self) -> None:
        self._graphs: dict[str, CompiledGraph] = {}

    def add(self, graphs: Sequence[CompiledGraph]) -> None:
        """Add what another plugin brings."""
        self._graphs.update({graph.name: graph for graph in graphs})

    def __getitem__(self, name: str) -> CompiledGraph:
        return self._graphs[name]

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
