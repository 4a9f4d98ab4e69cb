"""The conformance cases of sections 20.1 to 20.3, by number, over HTTP against a real Temporal server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from facade_graphs import effects


def run(api: httpx.Client, thread_id: str, graph: str = "int", **body: Any) -> httpx.Response:
    return api.post("/v1/jobs/run", json={"thread_id": thread_id, "input": "hello", "graph": graph, **body})


def data(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    result: dict[str, Any] = response.json()["data"]
    return result


# --- 20.1 jobs ----------------------------------------------------------------------------------------------


def test_cases_1_2_run_and_inspect(facade: httpx.Client) -> None:
    assert run(facade, "api-test-1").status_code == 200
    assert facade.get("/v1/jobs/api-test-1").status_code == 200


def test_case_3_empty_thread_id(facade: httpx.Client) -> None:
    assert run(facade, "", graph="plain").status_code == 400


def test_case_5_the_normative_route(facade: httpx.Client) -> None:
    assert facade.post("/v1/jobs", json={"thread_id": "api-post-jobs-1", "input": "hello"}).status_code == 200


def test_cases_6_to_8_run_history_resume_inspect(facade: httpx.Client) -> None:
    assert run(facade, "api-e2e-1").status_code == 200
    assert facade.get("/v1/jobs/api-e2e-1/history").status_code == 200
    assert facade.post("/v1/jobs/api-e2e-1/resume", json={"value": True}).status_code == 200
    inspected = data(facade.get("/v1/jobs/api-e2e-1"))
    assert inspected["values"]["messages"][-1]["content"] == "approved=true"


def test_case_9_cancel_an_unknown_thread(facade: httpx.Client) -> None:
    cancelled = data(facade.post("/v1/jobs/cancelled-1/cancel", json={}))
    assert cancelled == {"thread_id": "cancelled-1", "status": "cancelled", "reason": None}


def test_case_10_run_after_cancel(facade: httpx.Client) -> None:
    """With a thread that has run; blocking ids that never ran needs the control store."""
    data(run(facade, "cancelled-2"))
    data(facade.post("/v1/jobs/cancelled-2/cancel", json={}))
    response = run(facade, "cancelled-2", input="no-op")
    assert response.status_code == 409
    assert response.json()["error"] == {
        "code": "conflict",
        "message": "thread 'cancelled-2' is cancelled",
        "details": None,
    }


def test_cases_11_to_13_timeline_history_checkpoint(facade: httpx.Client) -> None:
    assert run(facade, "api-timeline-1").status_code == 200
    timeline = data(facade.get("/v1/jobs/api-timeline-1/timeline"))
    history = data(facade.get("/v1/jobs/api-timeline-1/history"))["history"]
    assert isinstance(history[0]["checkpoint_id"], str)
    assert [item["checkpoint_id"] for item in timeline["timeline"]] == [item["checkpoint_id"] for item in history]
    for item in history:
        checkpoint = data(facade.get(f"/v1/jobs/api-timeline-1/checkpoints/{item['checkpoint_id']}"))
        assert checkpoint["created_at"] == item["created_at"]


def test_case_14_unknown_checkpoint(facade: httpx.Client) -> None:
    response = facade.get("/v1/jobs/no-run/checkpoints/no-checkpoint")
    assert response.status_code == 404
    assert response.json()["error"]["message"] == "Execution error: No state found for thread: no-run"


def test_case_15_unknown_timeline(facade: httpx.Client) -> None:
    response = facade.get("/v1/jobs/no-timeline/timeline")
    assert response.status_code == 404
    assert response.json()["error"]["message"] == "No timeline found for thread: no-timeline"


def test_cases_16_17_list_jobs(fresh_facade: httpx.Client, eventually: Callable[..., Any]) -> None:
    assert data(fresh_facade.get("/v1/jobs")) == {"jobs": []}
    assert run(fresh_facade, "list-job-1").status_code == 200
    jobs = eventually(lambda: data(fresh_facade.get("/v1/jobs?limit=10&offset=0"))["jobs"])
    assert jobs[0]["thread_id"] == "list-job-1"
    assert jobs[0]["status"] == "interrupted"


def test_case_18_detail(facade: httpx.Client) -> None:
    assert run(facade, "detail-job-1").status_code == 200
    assert data(facade.get("/v1/jobs/detail-job-1/detail"))["thread_id"] == "detail-job-1"


def test_case_19_timeline_export(facade: httpx.Client) -> None:
    assert run(facade, "export-tl-1").status_code == 200
    assert isinstance(data(facade.get("/v1/jobs/export-tl-1/timeline/export"))["timeline"], list)


# --- 20.2 idempotency and replay ----------------------------------------------------------------------------


def test_case_20_the_same_key_replays_the_answer(facade: httpx.Client) -> None:
    body = {"thread_id": "idem-run-1", "input": "hello", "idempotency_key": "idem-key-1"}
    first = data(facade.post("/v1/jobs/run", json=body))
    second = data(facade.post("/v1/jobs/run", json=body))
    assert {**second, "trace": None} == {**first, "idempotent_replay": True, "trace": None}


@pytest.mark.parametrize(
    ("graph", "key", "thread_id"),
    [("int", "idem-key-2", "idem-run-2"), ("plain", "security-idem-key-1", "security-idem-1")],
)
def test_cases_21_to_23_the_same_key_with_another_payload(
    facade: httpx.Client, graph: str, key: str, thread_id: str
) -> None:
    assert run(facade, thread_id, graph, input="alpha", idempotency_key=key).status_code == 200
    response = run(facade, thread_id, graph, input="beta", idempotency_key=key)
    assert response.status_code == 409
    assert response.json()["error"] == {
        "code": "conflict",
        "message": "idempotency_key already exists with different request payload",
        "details": {"idempotency_key": key, "operation": "run"},
    }


def test_cases_24_to_26_a_replay_repeats_the_effects_once(facade: httpx.Client) -> None:
    assert run(facade, "replay-guard-1", "eff", input="seed").status_code == 200
    assert effects["seed"] == 1
    assert facade.post("/v1/jobs/replay-guard-1/replay", json={}).status_code == 200
    assert effects["seed"] == 2


# --- 20.3 interrupts ----------------------------------------------------------------------------------------


def test_case_28_list_interrupts(facade: httpx.Client, eventually: Callable[..., Any]) -> None:
    data(run(facade, "int-list-1"))
    listed = eventually(lambda: data(facade.get("/v1/interrupts?status=pending&run_id=int-list-1"))["interrupts"])
    (item,) = listed
    assert item.pop("created_at").endswith("+00:00")
    assert item == {
        "interrupt_id": "int-int-list-1-0",
        "thread_id": "int-list-1",
        "run_id": "int-list-1",
        "value": "approve?",
        "status": "pending",
    }


def test_cases_29_30_resume_an_interrupt(facade: httpx.Client) -> None:
    assert data(run(facade, "resume-int-1"))["interrupts"] == ["approve?"]
    assert facade.post("/v1/interrupts/int-resume-int-1-0/resume", json={"value": True}).status_code == 200


def test_case_31_the_same_answer_twice(facade: httpx.Client) -> None:
    data(run(facade, "resume-idem-1"))
    first = facade.post("/v1/interrupts/int-resume-idem-1-0/resume", json={"value": True})
    second = facade.post("/v1/interrupts/int-resume-idem-1-0/resume", json={"value": True})
    assert data(first) == data(second)
    assert data(first)["status"] == "completed"


def test_case_32_another_answer(facade: httpx.Client) -> None:
    data(run(facade, "resume-idem-2"))
    data(facade.post("/v1/interrupts/int-resume-idem-2-0/resume", json={"value": True}))
    response = facade.post("/v1/interrupts/int-resume-idem-2-0/resume", json={"value": False})
    assert response.status_code == 409
    assert response.json()["error"]["message"] == "interrupt already resumed with different payload"


def test_case_33_reject(facade: httpx.Client) -> None:
    assert data(run(facade, "reject-int-1"))["interrupts"]
    rejected = data(facade.post("/v1/interrupts/int-reject-int-1-0/reject", json={}))
    assert rejected == {"thread_id": "reject-int-1", "status": "cancelled", "reason": "interrupt rejected"}
