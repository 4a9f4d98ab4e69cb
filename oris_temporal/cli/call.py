"""One call of the command line: its arguments, settings, outputs and connection."""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias
from urllib.parse import quote

from temporalio.client import Client
from temporalio.runtime import LogForwardingConfig, LoggingConfig, PrometheusConfig, Runtime, TelemetryConfig

from oris_temporal.client import OrisClient
from oris_temporal.config import Settings, load_graphs, parse_address
from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.errors import ConfigurationError
from oris_temporal.tracing import tracing

from .output import Output
from .values import UsageError


@dataclass(slots=True)
class Call:
    """One call.

    Attributes:
        args: The parsed command line.
        settings: Settings from the environment.
        out: Where to print.
        goes_on: What a person should know who presses Ctrl-C now.
    """

    args: argparse.Namespace
    settings: Settings
    out: Output
    goes_on: str = field(default="")

    @property
    def task_queue(self) -> str:
        """Task queue of the workers."""
        return self.args.task_queue or self.settings.task_queue

    def graph_names(self) -> list[str]:
        """The ``module:name`` items of ``--graphs``, else of ``ORIS_GRAPHS``.

        Raises:
            UsageError: There are none.
        """
        given: list[str] = self.args.graphs or list(self.settings.graphs)
        names = [name.strip() for item in given for name in item.split(",") if name.strip()]
        if not names:
            raise UsageError("No graphs are named. Pass --graphs package.module:name, or set ORIS_GRAPHS.")
        return names

    def load_graphs(self) -> list[CompiledGraph]:
        """Import the graphs.

        Raises:
            ConfigurationError: One of them is not found, or is no graph.
        """
        return load_graphs(self.graph_names())

    def known_graphs(self) -> dict[str, CompiledGraph]:
        """The graphs that ``--graphs`` or ``ORIS_GRAPHS`` names, by name; none if neither does. For the rest see `load_graphs`."""
        named = self.args.graphs or self.settings.graphs
        return {graph.name: graph for graph in self.load_graphs()} if named else {}

    async def connect(self) -> OrisClient:
        """Connect as ``--address``, ``--namespace`` and Temporal's environment configuration say.

        Raises:
            ServerUnreachableError: No server answers.
            ConfigurationError: Temporal's configuration cannot be read.
        """
        options: dict[str, Any] = {"interceptors": tracing("oris-temporal")}
        if self.args.namespace:
            options["namespace"] = self.args.namespace
        try:
            return await OrisClient.connect(
                self.args.address, task_queue=self.task_queue, id_prefix=self.settings.id_prefix, **options
            )
        except (ValueError, TypeError) as error:
            raise ConfigurationError(f"Temporal's configuration is not valid: {error}") from error

    def link(self, temporal: Client, workflow_id: str, run_id: str) -> str:
        """Address of a run in the Web UI; empty if ``ORIS_TEMPORAL_UI`` does not say where that is."""
        ui = self.settings.ui_url
        return f"{ui}{run_path(temporal.namespace, workflow_id, run_id)}" if ui else ""


def run_path(namespace: str, workflow_id: str, run_id: str) -> str:
    """Path of a run in the Web UI."""
    return f"/namespaces/{quote(namespace, safe='')}/workflows/{quote(workflow_id, safe='')}/{run_id}"


Handler: TypeAlias = Callable[[Call], int]
"""A command: returns its exit code."""

OnlineHandler: TypeAlias = Callable[[Call, OrisClient], Awaitable[int]]
"""A command that only needs a connection."""


def online(work: OnlineHandler) -> Handler:
    """A command that connects and then does `work`."""

    async def connected(call: Call) -> int:
        return await work(call, await call.connect())

    def handler(call: Call) -> int:
        set_runtime()
        return asyncio.run(connected(call))

    return handler


@cache
def set_runtime(metrics_addr: str | None = None) -> None:
    """Set up Temporal's runtime, once and before anything connects.

    Its log goes through Python's `logging`; by itself it would write to standard output, into the command's answer.

    Args:
        metrics_addr: ``host:port`` on which Prometheus metrics are served; nowhere by default.

    Raises:
        ConfigurationError: Nothing can listen on that address.
    """
    forwarding = LogForwardingConfig(
        logger=logging.getLogger("temporalio.core"), append_target_to_name=False, append_log_fields_to_message=False
    )
    logs = LoggingConfig("WARN", forwarding=forwarding)
    try:
        parse_address(metrics_addr or "127.0.0.1:0")
        metrics = PrometheusConfig(bind_address=metrics_addr) if metrics_addr else None
        runtime = Runtime(telemetry=TelemetryConfig(logging=logs, metrics=metrics))
    except ValueError as error:
        raise ConfigurationError(f"Metrics cannot be served on {metrics_addr}: {error}.") from error
    Runtime.set_default(runtime, error_if_already_set=False)
