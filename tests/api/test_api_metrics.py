"""Metrics for Prometheus: cases 95-100 of the specification's section 20, and its section 15."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from facade_server import serving
from facade_store import age, enqueue
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from test_api_workers import Serve

from oris_temporal.api import create_app
from oris_temporal.api.control_store import StoreSettings
from oris_temporal.api.metrics import Metrics
from oris_temporal.devserver import DevServer

KEY = {"x-api-key": "key-1"}


def poll(api: httpx.Client, worker: str, **body: int) -> str:
    answer = api.post("/v1/workers/poll", json={"worker_id": worker, **body}, headers=KEY)
    assert answer.status_code == 200
    return str(answer.json()["data"]["decision"])


def test_95_to_100_a_scrape(serve: Serve, store: StoreSettings) -> None:
    api = serve(store, api_key="key-1")
    enqueue(store, "a", "b")
    first = api.post("/v1/workers/poll", json={"worker_id": "metrics-worker-1"}, headers=KEY).json()["data"]
    assert first["decision"] == "dispatched"
    assert poll(api, "metrics-worker-1", max_active_leases=1) == "backpressure"
    foreign = api.post("/v1/workers/other/heartbeat", json={"lease_id": first["lease_id"]}, headers=KEY)
    assert foreign.status_code == 409
    age(store, expiry=20_000)
    assert poll(api, "metrics-worker-2") == "dispatched"
    failed = {"attempt_id": "a", "terminal_status": "failed"}
    assert api.post("/v1/workers/metrics-worker-2/ack", json=failed, headers=KEY).status_code == 200

    scrape = api.get("/metrics")
    assert scrape.status_code == 200
    assert scrape.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = scrape.text.splitlines()
    for expected in (
        "oris_runtime_queue_depth 1",
        "oris_runtime_lease_operations_total 3",
        "oris_runtime_lease_conflicts_total 1",
        "oris_runtime_lease_conflict_rate 0.333333",
        'oris_runtime_backpressure_total{reason="worker_limit"} 1',
        'oris_runtime_backpressure_total{reason="tenant_limit"} 0',
        'oris_runtime_terminal_acks_total{status="failed"} 1',
        "oris_runtime_terminal_error_rate 1.000000",
        "oris_runtime_dispatch_latency_ms_count 2",
        "oris_runtime_recovery_latency_ms_count 1",
    ):
        assert expected in lines
    assert any(line.startswith("# HELP oris_runtime_queue_depth") for line in lines)


def test_after_them_come_those_of_the_process_and_of_its_temporal_client(
    dev_server: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in dev_server.environment.items():
        monkeypatch.setenv(name, value)

    @asynccontextmanager
    async def connecting() -> AsyncIterator[FastAPI]:
        yield create_app()

    with serving(connecting) as api:
        assert api.get("/v1/jobs/nobody").status_code == 404
        text = api.get("/metrics").text
    families = [family.name for family in text_string_to_metric_families(text)]
    assert families.index("oris_runtime_recovery_latency_ms") < families.index("process_cpu_seconds")
    assert families.index("process_resident_memory_bytes") < families.index("temporal_request")
    described = [line for line in text.splitlines() if 'operation="DescribeWorkflowExecution"' in line]
    assert any(line.startswith("temporal_request_total{") for line in described)
    assert any(line.startswith("temporal_request_latency_seconds_bucket{") for line in described)


def test_a_retry_and_an_ack_that_is_repeated_count_nowhere(serve: Serve, store: StoreSettings) -> None:
    api = serve(store, api_key="key-1")
    enqueue(store, "a", "b")
    policy = {"strategy": "fixed", "backoff_ms": 60_000, "max_retries": 1}
    for attempt_id, more in (("a", {"retry_policy": policy}), ("b", {})):
        poll(api, "w")
        failed = {"attempt_id": attempt_id, "terminal_status": "failed", **more}
        for _ in range(2):
            assert api.post("/v1/workers/w/ack", json=failed, headers=KEY).status_code == 200
    assert 'oris_runtime_terminal_acks_total{status="failed"} 1' in api.get("/metrics").text.splitlines()


def test_the_text() -> None:
    metrics = Metrics()
    for milliseconds in (0.4, 1, 1.5, 1_000, 5_000):
        metrics.dispatch_latency.observe(milliseconds)
    metrics.terminal_acks["completed"] += 2
    metrics.terminal_acks["cancelled"] += 1
    lines = metrics.render(7).splitlines()
    assert [line for line in lines if not line.startswith("# HELP")] == [
        "# TYPE oris_runtime_queue_depth gauge",
        "oris_runtime_queue_depth 7",
        "# TYPE oris_runtime_lease_operations_total counter",
        "oris_runtime_lease_operations_total 0",
        "# TYPE oris_runtime_lease_conflicts_total counter",
        "oris_runtime_lease_conflicts_total 0",
        "# TYPE oris_runtime_lease_conflict_rate gauge",
        "oris_runtime_lease_conflict_rate 0.000000",
        "# TYPE oris_runtime_backpressure_total counter",
        'oris_runtime_backpressure_total{reason="worker_limit"} 0',
        'oris_runtime_backpressure_total{reason="tenant_limit"} 0',
        "# TYPE oris_runtime_terminal_acks_total counter",
        'oris_runtime_terminal_acks_total{status="completed"} 2',
        'oris_runtime_terminal_acks_total{status="failed"} 0',
        'oris_runtime_terminal_acks_total{status="cancelled"} 1',
        "# TYPE oris_runtime_terminal_error_rate gauge",
        "oris_runtime_terminal_error_rate 0.333333",
        "# TYPE oris_runtime_dispatch_latency_ms histogram",
        *(
            f'oris_runtime_dispatch_latency_ms_bucket{{le="{bound}"}} {count}'
            for bound, count in [
                *((1, 2), (5, 3), (10, 3), (25, 3), (50, 3), (100, 3), (250, 3), (500, 3)),
                *((1000, 4), ("+Inf", 5)),
            ]
        ),
        "oris_runtime_dispatch_latency_ms_sum 6002.900000",
        "oris_runtime_dispatch_latency_ms_count 5",
        "# TYPE oris_runtime_recovery_latency_ms histogram",
        *(
            f'oris_runtime_recovery_latency_ms_bucket{{le="{bound}"}} 0'
            for bound in (1, 5, 10, 25, 50, 100, 250, 500, 1000, "+Inf")
        ),
        "oris_runtime_recovery_latency_ms_sum 0.000000",
        "oris_runtime_recovery_latency_ms_count 0",
    ]
    assert metrics.render(7).endswith("\n")
