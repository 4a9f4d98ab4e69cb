"""Readiness, and what is answered while Temporal or its workers are away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest
from facade_graphs import all_graphs
from facade_server import serving
from fastapi import FastAPI

from oris_temporal.api import create_app
from oris_temporal.client import OrisClient
from oris_temporal.config import Settings
from oris_temporal.devserver import DevServer
from oris_temporal.worker import Worker


def test_ready(facade: httpx.Client) -> None:
    response = facade.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ready",
        "temporal": True,
        "worker": True,
        "task_queue": "oris",
        "reason": None,
    }


def test_not_ready_without_a_worker_or_without_temporal() -> None:
    server = DevServer(ui=False)

    @asynccontextmanager
    async def stack() -> AsyncIterator[FastAPI]:
        async with server:
            app = create_app(OrisClient(await server.connect()), settings=Settings(default_graph="plain"))
            app.router.add_api_route("/stop-temporal", server.kill, methods=["POST"])
            yield app

    with serving(stack) as api:
        response = api.get("/readyz")
        assert response.status_code == 503
        assert response.json()["reason"] == "no worker polls task queue 'oris'"
        response = api.post("/v1/jobs", json={"thread_id": "t1"})
        assert response.status_code == 503
        assert "No worker polls task queue 'oris'" in response.json()["error"]["message"]
        assert api.post("/v1/jobs/t1/cancel").status_code == 200
        api.post("/stop-temporal")
        response = api.get("/readyz")
        assert response.status_code == 503
        assert (response.json()["temporal"], response.json()["worker"]) == (False, False)
        assert api.get("/healthz").status_code == 200
        response = api.get("/v1/jobs/t1")
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "unavailable"
        assert response.headers["retry-after"] == "1"


def test_connects_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def stack() -> AsyncIterator[FastAPI]:
        async with DevServer(ui=False) as server:
            for name, value in server.environment.items():
                monkeypatch.setenv(name, value)
            yield create_app()

    with serving(stack) as api:
        response = api.get("/readyz")
        assert (response.json()["temporal"], response.json()["worker"]) == (True, False)


def test_without_a_worker_what_temporal_knows_is_answered() -> None:
    @asynccontextmanager
    async def stack() -> AsyncIterator[FastAPI]:
        async with DevServer(ui=False) as server:
            client = OrisClient(await server.connect())
            async with AsyncExitStack() as worker:
                await worker.enter_async_context(Worker(client, graphs=all_graphs()))
                app = create_app(client, settings=Settings(default_graph="int"))
                app.router.add_api_route("/stop-worker", worker.aclose, methods=["POST"])
                yield app

    with serving(stack) as api:
        assert api.post("/v1/jobs", json={"thread_id": "done", "graph": "plain"}).status_code == 200
        assert api.post("/v1/jobs", json={"thread_id": "waits"}).status_code == 200
        api.post("/stop-worker")

        with ThreadPoolExecutor() as pool:  # each waits some seconds for a worker that might come back
            done, detail, waits = pool.map(api.get, ["/v1/jobs/done/state", "/v1/jobs/waits/detail", "/v1/jobs/waits"])
        messages = done.json()["data"]["values"]["messages"]  # the result of the workflow
        assert [message["content"] for message in messages] == ["API run", "ok"]
        assert detail.json()["data"]["status"] == "interrupted"
        assert detail.json()["data"]["pending_interrupt"]["value"] == "approve?"
        assert waits.status_code == 503
        assert waits.json()["error"]["code"] == "unavailable"
        assert waits.headers["retry-after"] == "1"
        pending = api.get("/v1/interrupts?status=pending").json()["data"]["interrupts"]
        assert [item["interrupt_id"] for item in pending] == ["int-waits-0"]
