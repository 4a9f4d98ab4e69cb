"""Edges: static, joining and conditional."""

from __future__ import annotations

import typing
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .control import START
from .errors import GraphCompileError


@dataclass(frozen=True, slots=True)
class Edge:
    """A fixed edge. With several sources it is a join: the target runs once all of them have finished.

    Attributes:
        sources: Where it comes from.
        target: Where it leads.
    """

    sources: tuple[str, ...]
    target: str

    @property
    def is_join(self) -> bool:
        """Whether it waits for several sources."""
        return len(self.sources) > 1

    @property
    def key(self) -> str:
        """Name of the join in saved state."""
        return f"{'+'.join(self.sources)}->{self.target}"


@dataclass(frozen=True, slots=True)
class ConditionalEdge:
    """An edge whose target a router chooses.

    Attributes:
        source: Where it comes from.
        router: Plain or async function of the state.
        mapping: What the router returns -> node; ``None`` if it returns node names.
        targets: Nodes it may lead to, if they are known before it runs.
    """

    source: str
    router: Callable[[Any], Any]
    mapping: Mapping[Hashable, str] | None
    targets: tuple[str, ...] | None

    @property
    def name(self) -> str:
        """Name of the router, for people."""
        return getattr(self.router, "__name__", type(self.router).__name__)


def static_edge(source: str | Sequence[str], target: str) -> Edge:
    """The edge that `StateGraph.add_edge` declares. For the errors see there."""
    sources = tuple(source) if isinstance(source, list | tuple) else (source,)
    if not all(isinstance(item, str) for item in (*sources, target)):
        raise GraphCompileError(
            f"add_edge({source!r}, {target!r}): an edge leads from a node, or for a join a list of nodes, to a node."
        )
    if not sources or len(set(sources)) < len(sources) or (len(sources) > 1 and START in sources):
        raise GraphCompileError(
            f"add_edge({list(sources)}, {target!r}): a join needs different nodes, none of them START."
        )
    return Edge(sources, target)


def conditional_edge(source: str, router: Callable[[Any], Any], mapping: Any) -> ConditionalEdge:
    """The edge that `StateGraph.add_conditional_edges` declares. For the errors see there."""
    if mapping is None:
        return ConditionalEdge(source, router, None, _literal_targets(router))
    if isinstance(mapping, Mapping):
        return ConditionalEdge(source, router, mapping, tuple(dict.fromkeys(mapping.values())))
    if isinstance(mapping, Collection) and not isinstance(mapping, str):
        return ConditionalEdge(source, router, None, tuple(mapping))
    raise GraphCompileError(
        f"add_conditional_edges({source!r}): mapping={mapping!r} must be a dict of what the router returns to nodes, or a list of the "
        "nodes that it may return."
    )


def _literal_targets(router: Callable[[Any], Any]) -> tuple[str, ...] | None:
    try:
        returned = typing.get_type_hints(router).get("return")
    except (NameError, TypeError):
        return None
    if typing.get_origin(returned) is Literal and all(isinstance(item, str) for item in typing.get_args(returned)):
        return typing.get_args(returned)
    return None
