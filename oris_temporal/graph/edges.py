"""Edges: static, joining and conditional."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any


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
