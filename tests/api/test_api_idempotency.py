"""Idempotency keys of runs (section 7), as far as Temporal itself keeps them: for a thread's latest run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from oris_temporal.api.models.jobs import TimeoutPolicy
from oris_temporal.api.services.idempotency import payload_hash


@pytest.fixture
def thread() -> str:
    return f"idem-{uuid4().hex[:8]}"


def run(api: httpx.Client, thread_id: str, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
    body = {"thread_id": thread_id, "graph": "int", "idempotency_key": f"key of {thread_id}", **body}
    return api.post("/v1/jobs/run", json=body, headers=headers)


def data(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    result: dict[str, Any] = response.json()["data"]
    return result


def history(api: httpx.Client, thread_id: str) -> list[Any]:
    found: list[Any] = data(api.get(f"/v1/jobs/{thread_id}/history"))["history"]
    return found


def test_payload_hash_vectors() -> None:
    policy = TimeoutPolicy(timeout_ms=1000, on_timeout_status="failed")
    assert payload_hash("t1", "hello", None, 0, None) == (
        "389cccf45a2783d106c6304b131a7a5715ec0095cd2031514b30f43d74b914ff"
    )
    assert payload_hash("t1", "hello", policy, 5, "acme") == (
        "b9ac77b7d1f6337313a3353567021bdf8a0a249600244e83041e60a4713bee26"
    )


def test_a_repeated_request_starts_nothing(facade: httpx.Client, thread: str) -> None:
    first = data(run(facade, thread))
    before = history(facade, thread)
    second = data(run(facade, thread))
    assert (first["idempotent_replay"], second["idempotent_replay"]) == (False, True)
    assert (second["status"], second["interrupts"]) == ("interrupted", ["approve?"])
    assert second["idempotency_key"] == f"key of {thread}"
    assert history(facade, thread) == before


def test_defaults_are_the_same_as_leaving_out(facade: httpx.Client, thread: str) -> None:
    data(run(facade, thread))
    assert data(run(facade, thread, input="API run", priority=0, tenant_id=" "))["idempotent_replay"]


@pytest.mark.parametrize(
    "other",
    [
        {"input": "other"},
        {"input": {"messages": []}},
        {"priority": 1},
        {"tenant_id": "acme"},
        {"timeout_policy": {"timeout_ms": 60_000, "on_timeout_status": "FAILED"}},
        {"timeout_policy": {"timeout_ms": 60_001, "on_timeout_status": "failed"}},
        {"graph": "plain"},
    ],
)
def test_another_payload_is_a_conflict(facade: httpx.Client, thread: str, other: dict[str, Any]) -> None:
    policy = {"timeout_ms": 60_000, "on_timeout_status": "failed"}
    data(run(facade, thread, timeout_policy=policy))
    before = history(facade, thread)
    response = run(facade, thread, **{"timeout_policy": policy, **other})
    assert response.status_code == 409
    assert response.json()["error"] == {
        "code": "conflict",
        "message": "idempotency_key already exists with different request payload",
        "details": {"idempotency_key": f"key of {thread}", "operation": "run"},
    }
    assert history(facade, thread) == before


def test_keys_are_compared_untrimmed(facade: httpx.Client, thread: str) -> None:
    data(run(facade, thread, idempotency_key="k"))
    assert not data(run(facade, thread, idempotency_key="k "))["idempotent_replay"]


def test_a_bad_traceparent_does_not_matter_to_a_replay(facade: httpx.Client, thread: str) -> None:
    """Case 133."""
    data(run(facade, thread))
    assert data(run(facade, thread, {"traceparent": "00-invalid"}))["idempotent_replay"]


def test_a_replay_after_cancel_is_refused(facade: httpx.Client, thread: str) -> None:
    """Case 133."""
    data(run(facade, thread))
    data(facade.post(f"/v1/jobs/{thread}/cancel"))
    response = run(facade, thread)
    assert (response.status_code, response.json()["error"]["message"]) == (409, f"thread '{thread}' is cancelled")


def test_a_failed_run_gives_its_key_free(facade: httpx.Client, thread: str) -> None:
    assert run(facade, thread, graph="failing").status_code == 500
    before = history(facade, thread)
    assert run(facade, thread, graph="failing").status_code == 500
    assert len(history(facade, thread)) > len(before)
    assert not data(run(facade, thread, graph="plain"))["idempotent_replay"]


def test_concurrent_equal_requests_start_one_run(facade: httpx.Client, thread: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: data(run(facade, thread)), range(8)))
    assert {answer["status"] for answer in answers} == {"interrupted"}
    pending = data(facade.get(f"/v1/interrupts?run_id={thread}"))["interrupts"]
    assert [item["interrupt_id"] for item in pending] == [f"int-{thread}-0"]
