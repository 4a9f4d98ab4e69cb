"""Looking at threads over HTTP: inspect, state, detail, history, timeline, export, checkpoints."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import httpx
import pytest

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?\+00:00")


def data(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    result: dict[str, Any] = response.json()["data"]
    return result


@pytest.fixture
def waiting(facade: httpx.Client) -> str:
    """A thread that waits for an answer."""
    thread_id = f"read-{uuid4().hex[:8]}"
    data(facade.post("/v1/jobs", json={"thread_id": thread_id, "input": "hello", "graph": "int"}))
    return thread_id


def test_detail_of_a_waiting_thread(facade: httpx.Client, waiting: str) -> None:
    detail = data(facade.get(f"/v1/jobs/{waiting}/detail"))
    assert detail.keys() == {
        "thread_id",
        "status",
        "checkpoint_id",
        "values",
        "history",
        "timeline",
        "pending_interrupt",
        "trace",
        "observability",
    }
    assert (detail["thread_id"], detail["status"]) == (waiting, "interrupted")
    pending = detail["pending_interrupt"]
    assert TIMESTAMP.fullmatch(pending.pop("created_at"))
    assert pending == {
        "interrupt_id": f"int-{waiting}-0",
        "thread_id": waiting,
        "run_id": waiting,
        "attempt_id": f"attempt-{waiting}-main",
        "value": "approve?",
        "status": "pending",
    }
    count = len(detail["history"])
    assert detail["observability"] == {
        "reasoning_timeline": [f"CheckpointSaved#{seq}" for seq in range(1, count + 1)],
        "lease_graph": None,
        "replay_cost": count,
        "interrupt_latency_ms": None,
    }
    assert detail["checkpoint_id"] == detail["history"][-1]["checkpoint_id"]


def test_detail_of_a_completed_thread(facade: httpx.Client, waiting: str) -> None:
    data(facade.post(f"/v1/jobs/{waiting}/resume", json={"value": True}))
    detail = data(facade.get(f"/v1/jobs/{waiting}/detail"))
    assert (detail["status"], detail["pending_interrupt"]) == ("completed", None)
    assert detail["values"]["messages"][-1]["content"] == "approved=true"


def test_detail_of_a_failed_thread(facade: httpx.Client) -> None:
    thread_id = f"read-{uuid4().hex[:8]}"
    facade.post("/v1/jobs", json={"thread_id": thread_id, "graph": "failing"})
    assert data(facade.get(f"/v1/jobs/{thread_id}/detail"))["status"] == "failed"


def test_state_has_four_fields_and_inspect_adds_the_detail(facade: httpx.Client, waiting: str) -> None:
    state = data(facade.get(f"/v1/jobs/{waiting}/state"))
    assert state.keys() == {"thread_id", "checkpoint_id", "created_at", "values"}
    assert TIMESTAMP.fullmatch(state["created_at"])
    detail = data(facade.get(f"/v1/jobs/{waiting}/detail"))
    assert data(facade.get(f"/v1/jobs/{waiting}")) == {**detail, **state}


def test_history_timeline_and_export_agree(facade: httpx.Client, waiting: str) -> None:
    history = data(facade.get(f"/v1/jobs/{waiting}/history"))
    timeline = data(facade.get(f"/v1/jobs/{waiting}/timeline"))
    export = data(facade.get(f"/v1/jobs/{waiting}/timeline/export"))
    assert history["history"]
    for item in history["history"]:
        assert item.keys() == {"checkpoint_id", "created_at"}
        assert TIMESTAMP.fullmatch(item["created_at"])
    assert [item["created_at"] for item in history["history"]] == sorted(i["created_at"] for i in history["history"])
    assert timeline["timeline"] == [
        {"seq": seq, "event_type": "checkpoint_saved", **item} for seq, item in enumerate(history["history"], start=1)
    ]
    assert timeline.keys() == {"thread_id", "timeline", "observability"}
    assert export == {**timeline, "history": history["history"]}


def test_a_closed_thread_keeps_its_checkpoints(facade: httpx.Client, waiting: str) -> None:
    before = data(facade.get(f"/v1/jobs/{waiting}/history"))["history"]
    data(facade.post(f"/v1/jobs/{waiting}/resume", json={"value": True}))
    after = data(facade.get(f"/v1/jobs/{waiting}/history"))["history"]
    assert after[: len(before)] == before
    checkpoint = data(facade.get(f"/v1/jobs/{waiting}/checkpoints/{after[-1]['checkpoint_id']}"))
    assert checkpoint == data(facade.get(f"/v1/jobs/{waiting}/state"))


def test_a_checkpoint_of_another_thread_is_not_found(facade: httpx.Client, waiting: str) -> None:
    id = data(facade.get(f"/v1/jobs/{waiting}/history"))["history"][0]["checkpoint_id"]
    assert data(facade.get(f"/v1/jobs/{waiting}/checkpoints/{id}"))["checkpoint_id"] == id
    response = facade.get(f"/v1/jobs/{waiting}-other/checkpoints/{id}")
    assert response.status_code == 404


@pytest.mark.parametrize("path", ["", "/detail", "/state", "/checkpoints/c1"])
def test_an_unknown_thread_has_no_state(facade: httpx.Client, path: str) -> None:
    response = facade.get(f"/v1/jobs/unknown{path}")
    assert response.status_code == 404
    assert response.json()["error"] == {
        "code": "not_found",
        "message": "Execution error: No state found for thread: unknown",
        "details": None,
    }


def test_an_unknown_checkpoint_is_404(facade: httpx.Client, waiting: str) -> None:
    response = facade.get(f"/v1/jobs/{waiting}/checkpoints/nothing")
    assert response.status_code == 404
    assert response.json()["error"]["message"] == f"Execution error: No state found for thread: {waiting}"


def test_an_unknown_thread_has_an_empty_history_and_no_timeline(facade: httpx.Client) -> None:
    assert data(facade.get("/v1/jobs/unknown/history")) == {"thread_id": "unknown", "history": []}
    for path in ("timeline", "timeline/export"):
        response = facade.get(f"/v1/jobs/unknown/{path}")
        assert response.status_code == 404
        assert response.json()["error"]["message"] == "No timeline found for thread: unknown"


def test_head_of_a_read(facade: httpx.Client, waiting: str) -> None:
    response = facade.head(f"/v1/jobs/{waiting}/state")
    assert (response.status_code, response.content) == (200, b"")
    assert int(response.headers["content-length"]) > 0
    assert facade.head("/v1/jobs/unknown").status_code == 404
