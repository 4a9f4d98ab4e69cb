"""All services over one client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from oris_temporal.client import OrisClient
from oris_temporal.config import Settings, load_graphs
from oris_temporal.graph.errors import ConfigurationError

from .control import ControlService
from .health import HealthService
from .interrupts import InterruptService
from .reads import ReadService
from .runs import RunService


@dataclass(frozen=True, slots=True)
class Services:
    """What the routers call."""

    runs: RunService
    control: ControlService
    reads: ReadService
    interrupts: InterruptService
    health: HealthService

    @classmethod
    def over(cls, client: OrisClient, settings: Settings) -> Self:
        """Make the services.

        Raises:
            ConfigurationError: The settings name a graph that cannot be loaded, or a default graph that is none of them.
        """
        graphs = {graph.name: graph for graph in load_graphs(settings.graphs)} if settings.graphs else {}
        if settings.default_graph and graphs and settings.default_graph not in graphs:
            raise ConfigurationError(
                f"ORIS_DEFAULT_GRAPH='{settings.default_graph}' is none of the graphs of ORIS_GRAPHS ({', '.join(graphs)})."
            )
        only = next(iter(graphs)) if len(graphs) == 1 else None
        return cls(
            runs=RunService(client, graphs, settings.default_graph or only),
            control=ControlService(client),
            reads=ReadService(client),
            interrupts=InterruptService(client),
            health=HealthService(client),
        )
