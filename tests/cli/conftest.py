"""A dev server and a worker that all tests of the command line share, and two ways to call it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cli_harness import HERE, Answer, Program, Start, arguments, clean_environment

from oris_temporal.cli.app import run
from oris_temporal.client import OrisClient
from oris_temporal.devserver import DevServer


@pytest.fixture(scope="session")
def server() -> Iterator[DevServer]:
    with asyncio.Runner() as runner:
        dev_server = DevServer(ui=False)
        runner.run(dev_server.start())
        yield dev_server
        runner.run(dev_server.stop())


@pytest.fixture(scope="session")
def environment(server: DevServer) -> dict[str, str]:
    return clean_environment(**server.environment)


@pytest.fixture(scope="session")
def launch(environment: dict[str, str]) -> Iterator[Start]:
    """Starts commands in processes of their own; those still running at the end are killed."""
    started: list[Program] = []

    def start(*args: str, env: Mapping[str, str] | None = None, cwd: Path = HERE, **options: Any) -> Program:
        mark = f"mark-{uuid4().hex}"
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(
            arguments(*args),
            cwd=cwd,
            env={**(environment if env is None else env), "ORIS_TEST_MARK": mark},
            text=True,
            **{**streams, **options},
        )
        started.append(Program(process, mark))
        return started[-1]

    yield start
    for program in started:
        if program.process.poll() is None:
            program.process.kill()
        program.process.wait()


@pytest.fixture(scope="session")
def worker(launch: Start) -> Program:
    """A worker for `cli_graphs.graphs`."""
    program = launch("worker", "--graphs", "cli_graphs:graphs", "--json", stderr=None)
    assert json.loads(program.line())["graphs"] == ["review", "failing", "pair", "holding"]
    return program


@pytest.fixture
def program(launch: Start, worker: Program) -> Callable[..., Answer]:
    """Calls the command line in a process of its own, as people do."""
    return lambda *args, **options: launch(*args, **options).ends()


@pytest.fixture
def cli(
    worker: Program, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Answer]:
    """Calls the command line in this process, which is quicker."""
    for name in list(os.environ):
        if name.startswith(("TEMPORAL_", "ORIS_")):
            monkeypatch.delenv(name)
    for name in ("TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_CONFIG_FILE"):
        monkeypatch.setenv(name, environment[name])
    monkeypatch.chdir(HERE)

    def call(*args: str) -> Answer:
        capfd.readouterr()
        code = run(args)
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return Answer(code, out, err)

    return call


@pytest.fixture
def thread() -> str:
    """A new thread id."""
    return f"t-{uuid4().hex[:8]}"


@pytest.fixture
def connected(server: DevServer) -> Callable[[Callable[[OrisClient], Any]], Any]:
    """Runs a coroutine function with a client."""

    async def use(work: Callable[[OrisClient], Any], queue: str) -> Any:
        return await work(OrisClient(await server.connect(), task_queue=queue))

    return lambda work, queue="oris": asyncio.run(use(work, queue))
