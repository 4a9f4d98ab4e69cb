"""What comes next: the edges of a graph, and what its routers choose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from .control import END, Send
from .edges import ConditionalEdge, Edge
from .errors import ConditionError, GraphError, NodeNotFoundError, error_line
from .node import destination_wire
from .records import Outcome, Task
from .tasks import must_pass

if TYPE_CHECKING:
    from .editing import EditableEngine


class Routes:
    """Resolves the edges of one (sub)graph.

    Args:
        engine: Its engine.
    """

    def __init__(self, engine: EditableEngine) -> None:
        self._engine, self._graph = engine, engine.graph

    async def after(self, done: Sequence[Task], as_node: str | None = None) -> list[str | dict[str, Any]]:
        """Destinations of finished tasks, in task order, and of a node that counts as finished."""
        destinations: list[str | dict[str, Any]] = []
        for task in done:
            destinations += await self.resolve(task.node)
            goto = cast("Outcome", task.outcome).goto
            self.check_known(goto, f"{self._graph.name}.{task.node}: its Command")
            destinations += goto
        if as_node is not None:
            destinations += await self.resolve(as_node)
        self._reset_joins()
        return destinations

    async def resolve(self, source: str) -> list[str | dict[str, Any]]:
        """Destinations of a node's edges, or of those from START."""
        destinations: list[str | dict[str, Any]] = []
        for edge in self._graph.edges_from.get(source, ()):
            if isinstance(edge, ConditionalEdge):
                destinations += await self._ask_router(edge)
            elif not edge.is_join or self._completes(edge, source):
                destinations.append(edge.target)
        return destinations

    def check_known(self, destinations: Sequence[str | dict[str, Any]], where: str) -> None:
        """Refuse destinations that are no nodes."""
        for destination in destinations:
            name = destination["node"] if isinstance(destination, dict) else destination
            if name != END and name not in self._graph.nodes:
                raise NodeNotFoundError(
                    f"{where} goes to {name!r}, which is no node of {self._graph.name} (it has {', '.join(self._graph.nodes)}).",
                    node=name,
                )

    def _completes(self, join: Edge, source: str) -> bool:
        """Whether a join now has all its sources. Later arrivals of the same superstep belong to the same round."""
        seen = self._engine.state.joins.setdefault(join.key, [])
        if source in seen:
            return False
        seen.append(source)
        return len(seen) == len(join.sources)

    def copied_joins(self) -> dict[str, list[str]]:
        """For each waiting join, the sources that have finished, to put back where what follows fails."""
        return {key: list(seen) for key, seen in self._engine.state.joins.items()}

    def _reset_joins(self) -> None:
        """Let complete joins start their next round."""
        if not self._engine.state.joins:
            return
        for edge in self._graph.edges:
            if isinstance(edge, Edge) and len(self._engine.state.joins.get(edge.key, ())) == len(edge.sources):
                del self._engine.state.joins[edge.key]

    async def _ask_router(self, edge: ConditionalEdge) -> list[str | dict[str, Any]]:
        where = f"{self._graph.name}.{edge.source}: router {edge.name}()"
        try:
            chosen = await self._engine.run.guarded(
                f"{self._graph.name}.{edge.source} (router {edge.name})",
                edge.router,
                self._graph.schema.view(self._engine.values.data),
            )
        except GraphError:
            raise
        except BaseException as error:
            if must_pass(error):
                raise
            raise ConditionError(f"{where} raised {error_line(error)}", node=edge.source) from error
        return [self._destination(item, edge, where) for item in _as_list(chosen)]

    def _destination(self, item: Any, edge: ConditionalEdge, where: str) -> str | dict[str, Any]:
        if edge.mapping is not None and not isinstance(item, Send):
            if not _is_hashable(item) or item not in edge.mapping:
                raise ConditionError(
                    f"{where} returned {item!r}, which its mapping does not have ({', '.join(map(repr, edge.mapping))}).",
                    node=edge.source,
                    key=repr(item),
                )
            item = edge.mapping[item]
        if not isinstance(item, str | Send):
            raise ConditionError(
                f"{where} returned {item!r}; a router returns a node name, END, a Send, a mapping key, or a list of these.",
                node=edge.source,
                key=repr(item),
            )
        name = item.node if isinstance(item, Send) else item
        if name != END and name not in self._graph.nodes:
            raise ConditionError(
                f"{where} returned {name!r}, which is no node of {self._graph.name} (it has {', '.join(self._graph.nodes)}).",
                node=edge.source,
                key=repr(item),
            )
        return destination_wire(item, where)


def _as_list(chosen: Any) -> list[Any]:
    if isinstance(chosen, list | tuple):
        return list(chosen)
    if isinstance(chosen, set | frozenset):
        return sorted(chosen, key=str)
    return [chosen]


def _is_hashable(item: Any) -> bool:
    try:
        hash(item)
    except TypeError:
        return False
    return True
