"""A facade in a process of its own, as it is run in production."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import httpx

from oris_temporal.api.control_store import StoreSettings
from oris_temporal.devserver import ChildProcess, free_ports


@contextmanager
def facade_process(
    env: dict[str, str], *options: str, log: Path | None = None
) -> Iterator[tuple[httpx.Client, ChildProcess]]:
    """Serve with these variables until the block ends.

    Args:
        env: The variables.
        options: More options of uvicorn.
        log: Where it writes what it does.

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
        "info" if log else "error",
        *options,
    ]
    with log.open("wb") if log else nullcontext() as output:
        child = ChildProcess([sys.executable, *command], env={**os.environ, **env}, output=output)
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


def variables_of(store: StoreSettings) -> dict[str, str]:
    """The variables that say where a control store is."""
    if store.backend == "postgres":
        return {"ORIS_POSTGRES_DSN": store.dsn or "", "ORIS_POSTGRES_SCHEMA": store.schema}
    return {"ORIS_SQLITE_DB": store.sqlite_path}


def kill(child: ChildProcess) -> None:
    """End it by SIGKILL, with the processes it started, if it runs."""
    with suppress(ProcessLookupError):  # it has just ended
        if child.running:
            os.killpg(child.pid, signal.SIGKILL)
