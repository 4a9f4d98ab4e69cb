"""All services over one client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from oris_temporal.client import OrisClient
from oris_temporal.graph.compiled import CompiledGraph

from ..control_store import ControlStore
from .audit import AuditService
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
    audit: AuditService
    health: HealthService

    @classmethod
    def over(
        cls, client: OrisClient, control: ControlStore, graphs: Sequence[CompiledGraph], default_graph: str | None
    ) -> Self:
        """Make the services.

        Args:
            client: The client.
            control: What is kept beside Temporal.
            graphs: Graphs that are known here.
            default_graph: Graph of requests that name none.
        """
        return cls(
            runs=RunService(client, {graph.name: graph for graph in graphs}, default_graph),
            control=ControlService(client),
            reads=ReadService(client),
            interrupts=InterruptService(client),
            audit=AuditService(control.audit),
            health=HealthService(client),
        )
