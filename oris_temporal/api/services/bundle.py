"""All services over one client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from oris_temporal.client import OrisClient
from oris_temporal.graph.compiled import CompiledGraph

from ..control_store import ControlStore
from ..metrics import Metrics
from .attempts import AttemptService
from .audit import AuditService
from .control import ControlService
from .dead_letters import DeadLetterService
from .graphs import GraphService
from .health import HealthService
from .idempotency import RunKeys
from .interrupts import InterruptService
from .reads import ReadService
from .remote_nodes import RemoteNodes
from .replays import ReplayGuard
from .run_attempts import RunAttempts
from .runs import RunService
from .streams import StreamService
from .threads import ThreadGuard
from .workers import WorkerService


@dataclass(frozen=True, slots=True)
class Services:
    """What the routers call."""

    guard: ThreadGuard
    graphs: GraphService
    runs: RunService
    control: ControlService
    reads: ReadService
    interrupts: InterruptService
    streams: StreamService
    run_attempts: RunAttempts
    remote_nodes: RemoteNodes
    workers: WorkerService
    attempts: AttemptService
    dead_letters: DeadLetterService
    metrics: Metrics
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
        guard = ThreadGuard(client, control.cancelled)
        attempts, metrics = RunAttempts(client, control.attempts), Metrics()
        remote_nodes = RemoteNodes(client, control, {graph.name: graph for graph in graphs})
        known = GraphService({graph.name: graph for graph in graphs}, default_graph)
        return cls(
            guard=guard,
            graphs=known,
            run_attempts=attempts,
            runs=RunService(client, guard, RunKeys(control.run_keys), attempts, known),
            control=ControlService(client, guard, ReplayGuard(control.replays), attempts, remote_nodes),
            reads=ReadService(client, guard, control.attempts),
            interrupts=InterruptService(client, guard, attempts),
            streams=StreamService(client),
            remote_nodes=remote_nodes,
            workers=WorkerService(control, remote_nodes, metrics),
            attempts=AttemptService(control),
            dead_letters=DeadLetterService(control.dead_letters, remote_nodes),
            metrics=metrics,
            audit=AuditService(control.audit),
            health=HealthService(client),
        )
