"""`worker` serves graphs, ends in order, and exits with its own code."""

from __future__ import annotations

import json
import signal
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_graphs import make_review
from cli_harness import Answer, Start, eventually
from temporalio.api.enums.v1 import EventType

from oris_temporal.client import OrisClient
from oris_temporal.devserver import free_ports
from oris_temporal.graph.build import build_id


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_running_node_finishes_before_the_worker_ends(
    launch: Start, connected: Callable[..., Any], thread: str, tmp_path: Path, number: int
) -> None:
    worker = launch("worker", "--graphs", "cli_graphs:make_holding", "--task-queue", thread, "--grace", "30s")
    assert f"task queue '{thread}'" in worker.line()

    async def start(client: OrisClient) -> None:
        await client.start("holding", thread, {"directory": str(tmp_path)})

    connected(start, thread)
    eventually((tmp_path / "running").exists)
    worker.process.send_signal(number)
    assert worker.process.stderr is not None
    assert "Stopping" in worker.process.stderr.readline()
    (tmp_path / "go").touch()
    answer = worker.ends()
    assert answer.code == 0
    assert answer.err == ""

    async def events(client: OrisClient) -> list[int]:
        return [event.event_type async for event in client.temporal.get_workflow_handle(thread).fetch_history_events()]

    assert EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED in connected(events)


def test_metrics_are_served(launch: Start, environment: dict[str, str], thread: str) -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    env = {**environment, "ORIS_METRICS_ADDR": address, "ORIS_GRAPHS": "cli_graphs:make_review"}
    worker = launch("worker", "--task-queue", thread, "--json", env=env)
    assert json.loads(worker.line()) == {
        "graphs": ["review"],
        "task_queue": thread,
        "namespace": "default",
        "address": environment["TEMPORAL_ADDRESS"],
        "metrics": address,
        "deployment": None,
    }
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        assert b"temporal_" in answer.read()
    assert worker.stop(signal.SIGTERM).code == 0


def test_a_versioned_worker_says_which_version_it_is(launch: Start, environment: dict[str, str], thread: str) -> None:
    env = {**environment, "ORIS_DEPLOYMENT": thread}
    worker = launch("worker", "--graphs", "cli_graphs:make_review", "--task-queue", thread, "--json", env=env)
    assert json.loads(worker.line())["deployment"] == f"{thread}.{build_id([make_review()])}"
    assert worker.stop(signal.SIGTERM).code == 0


def test_a_graph_that_cannot_be_loaded_ends_it_with_2(cli: Callable[..., Answer]) -> None:
    answer = cli("worker", "--graphs", "cli_graphs:nothing")
    assert answer.code == 2
    assert "cli_graphs:nothing" in answer.err


def test_a_node_that_fails_is_logged_with_the_lines_of_its_own_code(launch: Start, thread: str) -> None:
    worker = launch("worker", "--graphs", "cli_graphs:make_failing", "--task-queue", thread)
    worker.line()
    assert launch("run", "failing", "--input", "x", "--task-queue", thread).ends().code == 4
    log = worker.stop().err
    assert 'cli_graphs.py", line ' in log
    assert "ValueError: this node always fails" in log
    assert "oris_temporal/" not in log
    assert "temporalio/" not in log
    assert len(log.splitlines()) < 12
