"""``worker``: serving graphs."""

from __future__ import annotations

import argparse
import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest

from oris_temporal.client import OrisClient
from oris_temporal.client.failures import typed_errors
from oris_temporal.graph.build import build_id
from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.errors import UnavailableError
from oris_temporal.worker import Worker

from . import parser as options
from .call import Call, set_runtime
from .exit_codes import Exit
from .parser import Commands, add_command
from .stopping import stop_signals
from .values import count, duration


def add_commands(commands: Commands) -> None:
    """Add the command of this module."""
    parser = add_command(
        commands,
        "worker",
        serve,
        "serve graphs until stopped by Ctrl-C or SIGTERM",
        "On SIGTERM it takes no more work, lets running nodes finish, and exits with 0.",
        options=[options.graphs, options.connection, options.queue],
    )
    _add_options(parser)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--metrics-addr", metavar="HOST:PORT", help="serve Prometheus metrics there (ORIS_METRICS_ADDR, else nowhere)"
    )
    parser.add_argument(
        "--deployment",
        metavar="NAME",
        help="worker deployment to belong to; the build id follows from the graphs (ORIS_DEPLOYMENT, else not versioned)",
    )
    parser.add_argument(
        "--grace",
        type=duration,
        default="10s",
        metavar="TIME",
        help="time that running nodes get to finish (default: 10s)",
    )
    parser.add_argument(
        "--takeover",
        type=duration,
        metavar="TIME",
        help="time after which another worker takes over a run whose worker was lost (default: 10s)",
    )
    parser.add_argument(
        "--max-nodes", type=count, metavar="N", help="most nodes that run at the same time (default: 100)"
    )
    parser.add_argument(
        "--log-level",
        choices=["DEBUG", "INFO", "WARNING", "ERROR"],
        default="WARNING",
        help="what is logged, on standard error (default: WARNING)",
    )


@dataclass(frozen=True, slots=True)
class Serving:
    """What a worker serves, and where.

    Attributes:
        graphs: Names of the graphs.
        task_queue: The task queue.
        namespace: The namespace.
        address: The Temporal server.
        metrics: Where Prometheus metrics are served, or ``None``.
        deployment: Worker deployment and build, ``name.build_id``, or ``None``.
    """

    graphs: list[str]
    task_queue: str
    namespace: str
    address: str
    metrics: str | None
    deployment: str | None


def serve(call: Call) -> int:
    """``worker``."""
    graphs = call.load_graphs()
    metrics = call.args.metrics_addr or call.settings.metrics_addr
    set_runtime(metrics)
    asyncio.run(_serve(call, graphs, metrics))
    return Exit.OK


async def _serve(call: Call, graphs: list[CompiledGraph], metrics: str | None) -> None:
    client = await call.connect()
    async with typed_errors("serve graphs"):  # the worker itself would say so less clearly, and later
        namespace = DescribeNamespaceRequest(namespace=client.temporal.namespace)
        await client.temporal.workflow_service.describe_namespace(namespace)
    with stop_signals() as stop:
        worker = _make_worker(call, client, graphs)
        running = asyncio.create_task(worker.run())
        _announce(call, client, graphs, metrics)
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            call.out.note("Stopping; running nodes may finish. Once more to stop at once.")
            await worker.shutdown()
        stopped.cancel()
        try:
            await running
        except RuntimeError as error:
            raise UnavailableError(f"The worker cannot go on: {error}.") from error


def _make_worker(call: Call, client: OrisClient, graphs: list[CompiledGraph]) -> Worker:
    given: dict[str, Any] = {
        "deployment": _deployment(call),
        "graceful_shutdown_timeout": call.args.grace,
        "max_concurrent_activities": call.args.max_nodes,
        "sticky_queue_schedule_to_start_timeout": call.args.takeover,
    }
    return Worker(client, graphs, **{name: value for name, value in given.items() if value is not None})


def _deployment(call: Call) -> str | None:
    name: str | None = call.args.deployment or call.settings.deployment
    return name


def _announce(call: Call, client: OrisClient, graphs: list[CompiledGraph], metrics: str | None) -> None:
    address = client.temporal.service_client.config.target_host
    name = _deployment(call)
    serving = Serving(
        graphs=[graph.name for graph in graphs],
        task_queue=client.task_queue,
        namespace=client.temporal.namespace,
        address=address,
        metrics=metrics,
        deployment=name and f"{name}.{build_id(graphs)}",
    )
    text = (
        f"Serving {', '.join(serving.graphs)} on task queue '{serving.task_queue}' of {address} "
        f"(namespace {serving.namespace}). Ctrl-C stops."
    )
    if serving.deployment:
        text += f"\nWorker deployment version: {serving.deployment}"
    if metrics:
        text += f"\nMetrics: http://{metrics}/metrics"
    if not call.out.quiet:
        call.out.item(serving, text)
    logging.getLogger(__name__).info("worker started")
