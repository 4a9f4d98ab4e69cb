"""What `dev` and `demo` run: a Temporal server, a worker and the facade, each in a process of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from oris_temporal.config import Address, parse_address
from oris_temporal.devserver import ChildProcess, DevServer, free_ports
from oris_temporal.graph.errors import ConfigurationError, OrisError, UnavailableError

from .exit_codes import exit_of_error
from .output import Output

_LOOK_SECONDS = 0.05
_FACADE_SECONDS = 30.0


def require_package(module: str, *, extra: str, purpose: str) -> None:
    """Check that an optional package is installed.

    Raises:
        ConfigurationError: It is not; the message names the extra that has it.
    """
    if find_spec(module) is None:
        raise ConfigurationError(f"{purpose} needs the package '{module}': pip install 'oris-temporal[{extra}]'.")


def require_facade() -> None:
    """Check that the packages of the REST facade are installed.

    Raises:
        ConfigurationError: They are not.
    """
    for module in ("fastapi", "uvicorn", "sqlalchemy"):
        require_package(module, extra="api", purpose="The REST facade")


def choose_address(text: str, *, strict: bool) -> Address:
    """The address the facade is going to listen on, free at this moment.

    Args:
        text: ``host:port``; port 0 means any free one.
        strict: Whether a port in use is an error; otherwise any free one takes its place.

    Raises:
        ConfigurationError: It is no address, or the port is in use and `strict` is set.
    """
    host, port = parse_address(text)
    if port and _is_free(host, port):
        return Address(host, port)
    if port and strict:
        raise ConfigurationError(
            f"Port {port} on {host} is in use by another program. Stop that program, or choose another address for the "
            "facade with --server-addr or ORIS_SERVER_ADDR."
        )
    return Address(host, free_ports(1)[0])


def embedded_environment(server: DevServer) -> dict[str, str]:
    """The environment of a process that is to use an embedded server, whatever Temporal's own configuration says."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
    return {**kept, **server.environment, "TEMPORAL_CONFIG_FILE": os.devnull}


def start_worker(arguments: Sequence[str], env: Mapping[str, str], output: IO[bytes]) -> ChildProcess:
    """Start ``oris-temporal worker`` with the arguments."""
    return ChildProcess([sys.executable, "-m", "oris_temporal.cli", "worker", *arguments], env=env, output=output)


def make_app() -> Any:
    """The facade's application. What is wrong with its settings or graphs is told in one sentence, as a worker tells it."""
    from oris_temporal.api import create_app

    try:
        return create_app()
    except OrisError as error:
        Output().error(error)
        raise SystemExit(exit_of_error(error)) from None


class Facade:
    """The REST facade in a process of its own.

    Args:
        address: Where it listens. The socket is this process's, so that requests wait while the facade starts again.
        env: Its environment.
        output: Where its log goes.
        store: File of its control store where the environment does not say where that is; by default one that is gone afterwards.

    Raises:
        ConfigurationError: Nothing can listen there.
    """

    def __init__(
        self, address: Address, env: Mapping[str, str], output: IO[bytes], *, store: Path | None = None
    ) -> None:
        host = f"[{address.host}]" if ":" in address.host else address.host
        self.url = f"http://{host}:{address.port}"
        self._files = TemporaryDirectory(prefix="oris-temporal-")
        file = store or Path(self._files.name) / "control.db"
        self._env = {"ORIS_SQLITE_DB": str(file), **env, "ORIS_SERVER_ADDR": f"{host}:{address.port}"}
        self._output = output
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        try:
            self._socket = socket.create_server(address, family=family, backlog=1024)
        except OSError as error:
            raise ConfigurationError(f"The facade cannot listen on {host}:{address.port}: {error.strerror}.") from None
        self.child = self._start()

    def _start(self) -> ChildProcess:
        fd = self._socket.fileno()
        return ChildProcess(
            [
                *(sys.executable, "-m", "uvicorn", "--factory", "oris_temporal.cli.stack:make_app"),
                *("--fd", str(fd), "--log-level", "warning"),
            ],
            env=self._env,
            output=self._output,
            pass_fds=[fd],
        )

    async def restart(self) -> None:
        """Start it again, with the graphs as they are now."""
        await stop_all(self.child)
        self.child = self._start()

    async def stop(self, grace: timedelta) -> None:
        """Stop it for good; see `ChildProcess.stop`."""
        await self.child.stop(grace)
        self._socket.close()
        self._files.cleanup()

    async def until_ready(self) -> None:
        """Wait until it answers.

        Raises:
            UnavailableError: It ended at once, or does not answer within 30 seconds.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + _FACADE_SECONDS
        while not await asyncio.to_thread(self._answers):
            if not self.child.running:
                raise UnavailableError(f"The REST facade ended at once with exit code {self.child.returncode}.")
            if loop.time() > end:
                raise UnavailableError(f"The REST facade does not answer at {self.url}.")
            await asyncio.sleep(_LOOK_SECONDS)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


async def stop_all(*children: ChildProcess | Facade | None) -> None:
    """Stop processes, all at the same time, and wait until they are gone."""
    grace = timedelta(seconds=10)
    await asyncio.gather(*(child.stop(grace) for child in children if child is not None))


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True
