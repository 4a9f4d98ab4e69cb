"""OpenTelemetry: one trace from the caller through facade, workflow and activities, sent as the environment says."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from facade_process import facade_process, kill
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from oris_temporal.api import create_app
from oris_temporal.devserver import ChildProcess, DevServer
from oris_temporal.errors import ConfigurationError
from oris_temporal.tracing import is_traced, tracing

TRACE = "0123456789abcdef0123456789abcdef"


class Span(NamedTuple):
    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str


@pytest.fixture
def collector() -> Iterator[tuple[str, list[Span]]]:
    """An OTLP collector: its address, and the spans that have arrived."""
    spans: list[Span] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["content-length"])))
            for resource in request.resource_spans:
                names = {item.key: item.value.string_value for item in resource.resource.attributes}
                found = [span for scope in resource.scope_spans for span in scope.spans]
                spans.extend(
                    Span(names["service.name"], s.name, s.trace_id.hex(), s.span_id.hex(), s.parent_span_id.hex())
                    for s in found
                )
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", spans
    finally:
        server.shutdown()
        server.server_close()


def test_one_trace(
    dev_server: DevServer, collector: tuple[str, list[Span]], tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    endpoint, spans = collector
    queue = f"traced-{uuid4().hex[:8]}"
    env = {
        **dev_server.environment,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "ORIS_TASK_QUEUE": queue,
        "ORIS_SQLITE_DB": str(tmp_path / "control.db"),
    }
    command = [sys.executable, "-m", "oris_temporal.cli", "worker", "--graphs", "facade_graphs:all_graphs"]
    worker = ChildProcess(command, env={**os.environ, **env, "PYTHONPATH": str(Path(__file__).parent)})
    try:
        with facade_process(env) as (api, _):
            caller = {"traceparent": f"00-{TRACE}-1111111111111111-01"}
            body = {"thread_id": queue, "graph": "plain", "input": "hello"}
            answer = api.post("/v1/jobs/run", json=body, headers=caller).json()["data"]
            assert answer["status"] == "completed"
            run = "RunWorkflow:plain"
            assert eventually(lambda: any(span.name == "RunActivity:plain.answer_ok" for span in spans))
            assert eventually(lambda: any(span.name == "POST /v1/jobs/run" for span in spans))
    finally:
        kill(worker)
    by_name = {span.name: span for span in spans if span.trace_id == TRACE}
    request, activity = by_name["POST /v1/jobs/run"], by_name["RunActivity:plain.answer_ok"]
    assert (request.service, request.parent_id) == ("oris-facade", "1111111111111111")
    assert (answer["trace"]["trace_id"], answer["trace"]["span_id"]) == (TRACE, request.span_id)
    assert activity.service == "oris-temporal"
    assert by_name[run].trace_id == TRACE


@pytest.mark.parametrize(
    ("environ", "traced"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_the_environment_decides(environ: dict[str, str], traced: bool) -> None:
    assert is_traced(environ) is traced


@pytest.mark.parametrize("lacking", ["exporter.otlp.proto.http.trace_exporter", "instrumentation.asgi"])
@pytest.mark.parametrize("start", [lambda: tracing("oris"), create_app], ids=["client", "facade"])
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, lacking: str, start: Callable[[], Any]) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, f"opentelemetry.{lacking}", None)
    with pytest.raises(ConfigurationError, match=r"oris-temporal\[otel\]"):
        start()
