"""A facade in a process of its own, as it is run in production."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx

from oris_temporal.devserver import ChildProcess, free_ports


@contextmanager
def facade_process(env: dict[str, str]) -> Iterator[tuple[httpx.Client, ChildProcess]]:
    """Serve with these variables until the block ends.

    Yields:
        An HTTP client with the server's base URL, and the process.
    """
    (port,) = free_ports(1)
    command = [
        "-m",
        "uvicorn",
        "--factory",
        "oris_temporal.api:create_app",
        "--port",
        str(port),
        "--log-level",
        "error",
    ]
    child = ChildProcess([sys.executable, *command], env={**os.environ, **env})
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as api:
            while True:
                try:
                    api.get("/healthz")
                    break
                except httpx.ConnectError:
                    assert child.running
                    time.sleep(0.02)
            yield api, child
    finally:
        kill(child)


def kill(child: ChildProcess) -> None:
    """End it by SIGKILL, if it runs."""
    with suppress(ProcessLookupError):  # it has just ended
        if child.running:
            os.kill(child.pid, signal.SIGKILL)
