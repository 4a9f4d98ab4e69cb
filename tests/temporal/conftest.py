"""A real server for all tests, a client with a task queue of its own for each, and a replay check after each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from temporal_support import Serve
from temporalio.client import Client

from oris_temporal import CompiledGraph, OrisClient
from oris_temporal.devserver import DevServer
from oris_temporal.testing import ReplayingWorker, oris_client

__all__ = ["oris_client"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "no_replay: histories of this test are not meant to replay")


@pytest.fixture
def client(oris_client: OrisClient) -> OrisClient:
    """Client with a task queue of its own."""
    return oris_client


@pytest.fixture
def temporal(client: OrisClient) -> Client:
    """The Temporal client beneath."""
    return client.temporal


@pytest.fixture
async def other(client: OrisClient, dev_server: DevServer) -> OrisClient:
    """Another connection with the same task queue, as another process has."""
    return OrisClient(await dev_server.connect(), task_queue=client.task_queue)


@pytest.fixture
def thread() -> str:
    """A thread id that nobody else uses."""
    return f"t-{uuid4().hex[:12]}"


@pytest.fixture
async def serve(client: OrisClient, request: pytest.FixtureRequest) -> AsyncIterator[Serve]:
    """Makes workers on the client's task queue. What they carried must replay, or the test fails at its end."""
    workers: list[ReplayingWorker] = []

    def make(*graphs: CompiledGraph, over: OrisClient = client, **options: Any) -> ReplayingWorker:
        workers.append(ReplayingWorker(over, graphs, **options))
        return workers[-1]

    yield make
    if request.node.get_closest_marker("no_replay") is None:
        for worker in workers:
            await worker.check_replay()
