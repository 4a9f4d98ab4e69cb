"""Paths, methods and ids (sections 1.7 and 1.8), health, and the OpenAPI document."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from facade_probe import error_of, raw_request

# --- routing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/nothing",
        "/v1/jobs/",
        "/v1/jobs/t1/",
        "/v1/jobs/run/",
        "/v1/jobs/t1/nothing",
        "/v1/interrupts/",
        "//v1/jobs",
    ],
)
def test_unknown_paths_are_404_with_an_empty_body(api: httpx.Client, path: str) -> None:
    """Case 130."""
    for method in ("GET", "POST"):
        status, headers, body = raw_request(api, method, path)
        assert (status, body) == (404, b"")
        assert "location" not in headers


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v1/jobs", "GET,HEAD,POST"),
        ("GET", "/v1/jobs/run", "POST"),
        ("HEAD", "/v1/jobs/run", "POST"),
        ("DELETE", "/v1/jobs/run", "POST"),
        ("POST", "/v1/jobs/t1", "GET,HEAD"),
        ("POST", "/v1/jobs/t1/detail", "GET,HEAD"),
        ("POST", "/v1/jobs/t1/history", "GET,HEAD"),
        ("OPTIONS", "/v1/jobs/t1/timeline", "GET,HEAD"),
        ("POST", "/v1/jobs/t1/checkpoints/c1", "GET,HEAD"),
        ("GET", "/v1/jobs/t1/resume", "POST"),
        ("GET", "/v1/jobs/t1/replay", "POST"),
        ("GET", "/v1/jobs/t1/cancel", "POST"),
        ("POST", "/v1/interrupts", "GET,HEAD"),
        ("PATCH", "/v1/interrupts/int-t1-0", "GET,HEAD"),
        ("GET", "/v1/interrupts/int-t1-0/reject", "POST"),
        ("DELETE", "/v1/jobs/t1/state", "GET,HEAD,POST"),
        ("GET", "/v1/jobs/t1/fork", "POST"),
        ("POST", "/v1/jobs/t1/result", "GET,HEAD"),
        ("POST", "/v1/graphs", "GET,HEAD"),
        ("DELETE", "/v1/graphs/int", "GET,HEAD"),
        ("POST", "/v1/jobs/t1/stream", "GET,HEAD"),
        ("GET", "/v1/workers/poll", "POST"),
        ("GET", "/v1/workers/w1/heartbeat", "POST"),
        ("PUT", "/v1/workers/w1/extend-lease", "POST"),
        ("GET", "/v1/workers/w1/report-step", "POST"),
        ("GET", "/v1/workers/w1/ack", "POST"),
        ("POST", "/v1/attempts/a1/retries", "GET,HEAD"),
        ("POST", "/v1/dlq", "GET,HEAD"),
        ("POST", "/v1/dlq/a1", "GET,HEAD"),
        ("GET", "/v1/dlq/a1/replay", "POST"),
        ("POST", "/metrics", "GET,HEAD"),
        ("POST", "/healthz", "GET,HEAD"),
    ],
)
def test_wrong_methods_are_405_with_an_empty_body(api: httpx.Client, method: str, path: str, allow: str) -> None:
    """Case 130."""
    response = api.request(method, path)
    assert (response.status_code, response.content) == (405, b"")
    assert response.headers["allow"] == allow


def test_head_is_get_without_the_body(api: httpx.Client) -> None:
    got, head = api.get("/healthz"), api.head("/healthz")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "content-length"):
        assert head.headers[name] == got.headers[name]
    assert api.head("/v1/jobs?limit=abc").status_code == 400


def test_ids_are_decoded_after_routing(api: httpx.Client) -> None:
    def segments(path: str) -> Any:
        status, _, body = raw_request(api, "GET", "/probe/" + path)
        assert status == 200
        return json.loads(body)["data"]

    assert segments("a%2Fb/c") == ["a/b", "c"]
    assert segments("a+b/%2B") == ["a+b", "+"]
    assert segments("%C3%A9/%f0%9f%98%80") == ["é", "\U0001f600"]
    assert segments("%20a%20/%zz") == [" a ", "%zz"]
    assert segments("/b") == ["", "b"]
    assert segments("%3F/%23") == ["?", "#"]
    assert segments("a%252Fb/c") == ["a%2Fb", "c"]


def test_ids_that_are_not_utf_8_are_400(api: httpx.Client) -> None:
    status, _, body = raw_request(api, "GET", "/v1/jobs/%FF/detail")
    assert status == 400
    assert json.loads(body)["error"]["message"] == "Invalid URL: Invalid UTF-8 in `thread_id`"


@pytest.mark.parametrize(
    "path", ["detail", "history", "timeline", "timeline/export", "state", "result", "stream", "checkpoints/c1"]
)
@pytest.mark.parametrize("blank", ["", "%20", "%09%E3%80%80"])
def test_blank_thread_ids_are_400(api: httpx.Client, path: str, blank: str) -> None:
    status, _, body = raw_request(api, "GET", f"/v1/jobs/{blank}/{path}")
    assert status == 400
    assert json.loads(body)["error"]["message"] == "thread_id must not be empty"


def test_blank_checkpoint_ids_are_400_and_empty_ones_404(api: httpx.Client) -> None:
    status, _, body = raw_request(api, "GET", "/v1/jobs/t1/checkpoints/%20")
    assert status == 400
    assert json.loads(body)["error"]["message"] == "checkpoint_id must not be empty"
    assert raw_request(api, "GET", "/v1/jobs/t1/checkpoints/")[0] == 404


@pytest.mark.parametrize("verb", ["resume", "replay", "cancel", "fork", "state"])
def test_blank_thread_ids_are_400_in_posts(api: httpx.Client, verb: str) -> None:
    response = api.post(f"/v1/jobs/%20/{verb}", json={"value": 1, "values": {}})
    assert response.status_code == 400
    assert error_of(response)["message"] == "thread_id must not be empty"


def test_a_blank_thread_in_the_last_segment_is_400(api: httpx.Client) -> None:
    assert api.get("/v1/jobs/%20").status_code == 400


def test_shape_is_checked_before_the_handler(api: httpx.Client) -> None:
    assert api.post("/v1/jobs/%20/resume", json={}).status_code == 422


# --- health and documentation -------------------------------------------------------------------------------


def test_healthz_is_bare(api: httpx.Client) -> None:
    response = api.get("/healthz")
    assert response.status_code == 200
    assert response.json() == {"status": "ok"}


def test_openapi_document(api: httpx.Client) -> None:
    document = api.get("/openapi.json").json()
    paths = {path for path in document["paths"] if not path.startswith("/probe")}
    assert paths == {
        "/v1/jobs",
        "/v1/jobs/run",
        "/v1/jobs/{thread_id}",
        "/v1/jobs/{thread_id}/state",
        "/v1/jobs/{thread_id}/detail",
        "/v1/jobs/{thread_id}/history",
        "/v1/jobs/{thread_id}/timeline",
        "/v1/jobs/{thread_id}/timeline/export",
        "/v1/jobs/{thread_id}/stream",
        "/v1/jobs/{thread_id}/result",
        "/v1/jobs/{thread_id}/fork",
        "/v1/jobs/{thread_id}/checkpoints/{checkpoint_id}",
        "/v1/jobs/{thread_id}/resume",
        "/v1/jobs/{thread_id}/replay",
        "/v1/jobs/{thread_id}/cancel",
        "/v1/interrupts",
        "/v1/interrupts/{interrupt_id}",
        "/v1/interrupts/{interrupt_id}/resume",
        "/v1/interrupts/{interrupt_id}/reject",
        "/v1/graphs",
        "/v1/graphs/{name}",
        "/v1/workers/poll",
        "/v1/workers/{worker_id}/heartbeat",
        "/v1/workers/{worker_id}/extend-lease",
        "/v1/workers/{worker_id}/report-step",
        "/v1/workers/{worker_id}/ack",
        "/v1/attempts/{attempt_id}/retries",
        "/v1/dlq",
        "/v1/dlq/{attempt_id}",
        "/v1/dlq/{attempt_id}/replay",
        "/v1/audit/logs",
        "/metrics",
        "/healthz",
        "/readyz",
    }
    for path in paths:
        for operation in document["paths"][path].values():
            assert operation["summary"]
            assert operation["tags"]
            assert "HTTPValidationError" not in json.dumps(operation)
    run = document["paths"]["/v1/jobs/run"]["post"]
    assert run["requestBody"]["required"]
    assert run["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/RunJobRequest"}
    assert run["responses"]["200"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Envelope_RunJob_"
    }
    assert run["responses"]["409"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/ErrorEnvelope"
    }
    assert document["components"]["schemas"]["RunJobRequest"]["examples"]


def test_docs_page(api: httpx.Client) -> None:
    response = api.get("/docs")
    assert response.status_code == 200
    assert "/openapi.json" in response.text
