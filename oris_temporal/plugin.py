"""`OrisPlugin`: graphs on your own Temporal client, workers and replayers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from temporalio.plugin import SimplePlugin
from temporalio.worker import ReplayerConfig, UnsandboxedWorkflowRunner, Worker, WorkerConfig, WorkflowRunner

from oris_temporal.activities.control import CONTROL_ACTIVITIES
from oris_temporal.activities.fields import FieldCache
from oris_temporal.activities.models import ModelActivities
from oris_temporal.activities.nodes import NodeActivities
from oris_temporal.activities.served import ServedGraphs
from oris_temporal.activities.stores import StoreActivities
from oris_temporal.activities.tools import ToolActivities
from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.errors import ConfigurationError
from oris_temporal.models.queues import ModelQueues
from oris_temporal.tools.tool import open_sources
from oris_temporal.workflows.graph_workflow import GraphWorkflow, workflow_type
from oris_temporal.workflows.payloads import payload_limit
from oris_temporal.workflows.runner import ExclusiveRunner

EAGER_SLOTS = 100
"""Activities handed straight to the worker that scheduled them, per workflow task; Temporal's default of 3 makes a fan-out wait."""

HEARTBEAT_THROTTLE = timedelta(milliseconds=100)
"""Shortest time between heartbeats that reach the server: what streams and cancellations wait for at most."""

_EAGER_DEFAULT = 3


class OrisPlugin(SimplePlugin):
    """Makes a `temporalio` client, worker or replayer run Oris graphs beside your own workflows.

    Given to a client, its workers and replayers inherit it; a worker may have several of these plugins.

    Args:
        graphs: Compiled graphs. Their subgraphs come along.
        threads: Most plain (not async) node functions that run at the same time on a worker.
        model_task_queue: Task queue of the workers that call models, or one by provider, ``{"openai": "models-openai"}``, to give those
            their own concurrency and rate limits; by default every worker calls its own. Workers on such a queue need this plugin too,
            with graphs or without any, and Temporal's ``max_task_queue_activities_per_second`` limits the calls of all of them together.
        id_prefix: What an `OrisClient` puts before thread ids to make workflow ids; by it a run that something else started, such as a
            schedule, knows its thread. The same on every worker, and replayer, for as long as such runs are open.

    Raises:
        ConfigurationError: Two different graphs have the same name, or a provider is not known.

    Example:
        >>> client = await Client.connect("localhost:7233", plugins=[OrisPlugin(graphs=[review])])
        >>> worker = Worker(client, task_queue="oris", workflows=[MyOwnWorkflow])
    """

    def __init__(
        self,
        graphs: Sequence[CompiledGraph],
        *,
        threads: int = 100,
        model_task_queue: str | Mapping[str, str] | None = None,
        id_prefix: str = "",
    ) -> None:
        super().__init__("oris_temporal.OrisPlugin")
        self.graphs = _with_subgraphs(graphs)
        self._threads = threads
        self._model_queues = ModelQueues(model_task_queue)
        self._id_prefix = id_prefix

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        """Add the graphs' workflows and activities, and settings under which they run well."""
        config = super().configure_worker(config)
        limit = payload_limit(getattr(config.get("client"), "data_converter", None))
        fields = FieldCache()
        served = _served(config.get("workflows", ()))
        graphs = self._not_yet(served)
        known = _known_graphs(config.get("activities", ()))
        known.add(graphs)
        nodes = NodeActivities(fields, known, threads=self._threads, payload_limit=limit)
        tools = ToolActivities(fields, known, nodes.pool, payload_limit=limit)
        config["workflows"] = [*config.get("workflows", ()), *self._workflows(graphs, limit)]
        shared = {tool.name for graph in served for tool in graph.tools.values() if tool.run_as != "workflow"}
        config["activities"] = [
            *config.get("activities", ()),
            *(made for graph in graphs for made in nodes.of(graph)),
            *tools.of(graphs, but=shared),
        ]
        if not served:
            models, stores = ModelActivities(fields, payload_limit=limit), StoreActivities(known, payload_limit=limit)
            config["activities"] = [*config["activities"], models.llm, stores.store, *CONTROL_ACTIVITIES]
        if config.get("max_eager_activity_reservations_per_workflow_task", _EAGER_DEFAULT) == _EAGER_DEFAULT:
            config["max_eager_activity_reservations_per_workflow_task"] = EAGER_SLOTS
        config["unsandboxed_workflow_runner"] = _exclusive(config.get("unsandboxed_workflow_runner"))
        config["max_heartbeat_throttle_interval"] = HEARTBEAT_THROTTLE
        config["default_heartbeat_throttle_interval"] = HEARTBEAT_THROTTLE
        return config

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:
        """Run with what the tools need, such as connections to MCP servers."""
        async with open_sources(tool for graph in self.graphs for tool in graph.tools.values()):
            await super().run_worker(worker, next)

    def configure_replayer(self, config: ReplayerConfig) -> ReplayerConfig:
        """Add the graphs' workflows."""
        config = super().configure_replayer(config)
        limit = payload_limit(config.get("data_converter"))
        graphs = self._not_yet(_served(config.get("workflows", ())))
        config["workflows"] = [*config.get("workflows", ()), *self._workflows(graphs, limit)]
        config["unsandboxed_workflow_runner"] = _exclusive(config.get("unsandboxed_workflow_runner"))
        return config

    def _workflows(self, graphs: Sequence[CompiledGraph], limit: int | None) -> list[type]:
        options: dict[str, Any] = {"model_queues": self._model_queues, "id_prefix": self._id_prefix}
        return [workflow_type(graph, payload_limit=limit, **options) for graph in graphs]

    def _not_yet(self, served: Sequence[CompiledGraph]) -> list[CompiledGraph]:
        """The graphs that no other plugin, such as one that the client brought along, has registered already."""
        _with_subgraphs([*served, *self.graphs])  # different ones of one name are refused
        return [graph for graph in self.graphs if graph not in served]


def _with_subgraphs(graphs: Sequence[CompiledGraph]) -> list[CompiledGraph]:
    found: dict[str, CompiledGraph] = {}
    for graph in graphs:
        for item in (graph, *graph.subgraphs()):
            if found.setdefault(item.name, item) is not item:
                raise ConfigurationError(
                    f"Two different graphs are called {item.name!r}; workflow types must be unique. Compile one under another name."
                )
    return list(found.values())


def _exclusive(runner: WorkflowRunner | None) -> WorkflowRunner:
    """The runner of a worker's workflows that opt out of the sandbox, as graphs do; there may be several plugins."""
    return runner if isinstance(runner, ExclusiveRunner) else ExclusiveRunner(runner or UnsandboxedWorkflowRunner())


def _served(workflows: Sequence[type]) -> list[CompiledGraph]:
    """The graphs among a worker's workflows."""
    return [item.graph for item in workflows if isinstance(item, type) and issubclass(item, GraphWorkflow)]


def _known_graphs(activities: Sequence[Callable[..., Any]]) -> ServedGraphs:
    """What the activities of other plugins know the worker's graphs by, to which this one's are added."""
    owners = (getattr(item, "__self__", None) for item in activities)
    return next((owner.graphs for owner in owners if isinstance(owner, StoreActivities)), ServedGraphs())
