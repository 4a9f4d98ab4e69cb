"""Steering threads over HTTP: resume, replay, cancel."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest


@pytest.fixture
def thread() -> str:
    return f"job-{uuid4().hex[:8]}"


def run(api: httpx.Client, thread_id: str, graph: str = "int", **body: Any) -> httpx.Response:
    return api.post("/v1/jobs/run", json={"thread_id": thread_id, "input": "hello", "graph": graph, **body})


def data(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    result: dict[str, Any] = response.json()["data"]
    return result


def error(response: httpx.Response) -> tuple[int, str, str]:
    """Status, code and message."""
    body = response.json()["error"]
    assert body["details"] is None
    return response.status_code, body["code"], body["message"]


def contents(api: httpx.Client, thread_id: str) -> list[str]:
    """Texts of a message thread's latest state."""
    return [message["content"] for message in data(api.get(f"/v1/jobs/{thread_id}"))["values"]["messages"]]


# --- resume -------------------------------------------------------------------------------------------------


def test_resume(facade: httpx.Client, thread: str) -> None:
    data(run(facade, thread))
    answer = data(facade.post(f"/v1/jobs/{thread}/resume", json={"value": {"ok": True}}))
    assert answer == {
        "thread_id": thread,
        "status": "completed",
        "interrupts": [],
        "idempotency_key": None,
        "idempotent_replay": False,
        "trace": None,
    }
    assert contents(facade, thread) == ["hello", 'approved={"ok": true}']


def test_resume_accepts_the_fields_that_shipped_clients_send(facade: httpx.Client, thread: str) -> None:
    data(run(facade, thread))
    body = {"value": None, "checkpoint_id": None}
    assert data(facade.post(f"/v1/jobs/{thread}/resume", json=body))["status"] == "completed"


def test_resume_at_the_checkpoint_where_it_waits_or_at_an_earlier_one(facade: httpx.Client, thread: str) -> None:
    data(run(facade, thread, "twice"))
    first = data(facade.get(f"/v1/jobs/{thread}"))["checkpoint_id"]
    at_first = {"value": "a", "checkpoint_id": first}
    assert data(facade.post(f"/v1/jobs/{thread}/resume", json=at_first))["interrupts"] == ["second?"]
    data(facade.post(f"/v1/jobs/{thread}/resume", json={"value": "b"}))
    back = {"value": "c", "checkpoint_id": first}
    assert data(facade.post(f"/v1/jobs/{thread}/resume", json=back))["interrupts"] == ["second?"]
    data(facade.post(f"/v1/jobs/{thread}/resume", json={"value": "d"}))
    assert contents(facade, thread)[-1] == "c and d"


def test_interrupts_in_sequence(facade: httpx.Client, thread: str) -> None:
    assert data(run(facade, thread, "twice"))["interrupts"] == ["first?"]
    answer = data(facade.post(f"/v1/jobs/{thread}/resume", json={"value": "a"}))
    assert (answer["status"], answer["interrupts"]) == ("interrupted", ["second?"])
    assert data(facade.post(f"/v1/jobs/{thread}/resume", json={"value": "b"}))["status"] == "completed"
    assert contents(facade, thread)[-1] == "a and b"


def test_resume_of_a_thread_that_waits_for_nothing_is_409(facade: httpx.Client, thread: str) -> None:
    data(run(facade, thread, "plain"))
    assert error(facade.post(f"/v1/jobs/{thread}/resume", json={"value": 1}))[:2] == (409, "conflict")


def test_resume_of_an_unknown_thread_is_404(facade: httpx.Client, thread: str) -> None:
    assert error(facade.post(f"/v1/jobs/{thread}/resume", json={"value": 1})) == (
        404,
        "not_found",
        f"resume failed: Execution error: No checkpoint found for thread: {thread}",
    )


def test_one_value_for_two_interrupts_is_409(facade: httpx.Client, thread: str) -> None:
    assert sorted(data(run(facade, thread, "both"))["interrupts"]) == ["left?", "right?"]
    assert error(facade.post(f"/v1/jobs/{thread}/resume", json={"value": 1}))[:2] == (409, "conflict")


# --- replay -------------------------------------------------------------------------------------------------


def test_replay_of_an_unknown_thread_is_404(facade: httpx.Client, thread: str) -> None:
    expected = (
        404,
        "not_found",
        f"replay failed: Execution error: No checkpoint found for thread_id: {thread}",
    )
    assert error(facade.post(f"/v1/jobs/{thread}/replay", json={})) == expected
    assert error(facade.post(f"/v1/jobs/{thread}/replay", json={"checkpoint_id": "c1"})) == expected


def test_replay_without_a_body(facade: httpx.Client, thread: str) -> None:
    data(run(facade, thread, "plain"))
    answer = data(facade.post(f"/v1/jobs/{thread}/replay"))
    assert answer == {
        "thread_id": thread,
        "status": "completed",
        "interrupts": [],
        "idempotency_key": None,
        "idempotent_replay": False,
        "trace": None,
    }


def test_replay_from_a_checkpoint(facade: httpx.Client, thread: str) -> None:
    data(run(facade, thread))
    data(facade.post(f"/v1/jobs/{thread}/resume", json={"value": 1}))
    first = data(facade.get(f"/v1/jobs/{thread}/history"))["history"][0]["checkpoint_id"]
    answer = data(facade.post(f"/v1/jobs/{thread}/replay", json={"checkpoint_id": first}))
    assert (answer["status"], answer["interrupts"]) == ("interrupted", ["approve?"])
    data(facade.post(f"/v1/jobs/{thread}/resume", json={"value": 2}))
    assert contents(facade, thread) == ["hello", "approved=2"]


def test_a_replay_adds_to_the_history(facade: httpx.Client, thread: str) -> None:
    data(run(facade, thread, "plain"))
    before = data(facade.get(f"/v1/jobs/{thread}/history"))["history"]
    data(facade.post(f"/v1/jobs/{thread}/replay"))
    after = data(facade.get(f"/v1/jobs/{thread}/history"))["history"]
    assert after[: len(before)] == before
    assert len(after) > len(before)
    ids = [item["checkpoint_id"] for item in after]
    assert len(set(ids)) == len(ids)


def test_a_replay_runs_the_whole_graph_with_the_latest_state(facade: httpx.Client, thread: str) -> None:
    data(run(facade, thread, "plain"))
    data(facade.post(f"/v1/jobs/{thread}/replay", json={}))
    assert contents(facade, thread) == ["hello", "ok", "ok"]


@pytest.mark.parametrize(
    ("verb", "message"),
    [
        ("resume", "resume failed: Execution error: No checkpoint found for thread: {} (checkpoint_id: nothing)"),
        ("replay", "replay failed: Execution error: No checkpoint found for thread_id: {} (checkpoint_id: nothing)"),
    ],
)
def test_an_unknown_checkpoint_is_404_and_named(facade: httpx.Client, thread: str, verb: str, message: str) -> None:
    data(run(facade, thread))
    answer = facade.post(f"/v1/jobs/{thread}/{verb}", json={"value": 1, "checkpoint_id": "nothing"})
    assert error(answer) == (404, "not_found", message.format(thread))


@pytest.mark.parametrize("verb", ["resume", "replay"])
def test_an_empty_checkpoint_id_is_none(facade: httpx.Client, thread: str, verb: str) -> None:
    data(run(facade, thread))
    data(facade.post(f"/v1/jobs/{thread}/{verb}", json={"value": 1, "checkpoint_id": ""}))


# --- cancel -------------------------------------------------------------------------------------------------


def test_cancel_stops_a_waiting_run_for_good(facade: httpx.Client, thread: str) -> None:
    data(run(facade, thread))
    cancelled = data(facade.post(f"/v1/jobs/{thread}/cancel", json={"reason": "stop"}))
    assert cancelled == {"thread_id": thread, "status": "cancelled", "reason": "stop"}
    assert data(facade.get(f"/v1/jobs/{thread}/detail"))["status"] == "cancelled"
    conflict = (409, "conflict", f"thread '{thread}' is cancelled")
    assert error(run(facade, thread)) == conflict
    assert error(facade.post(f"/v1/jobs/{thread}/resume", json={"value": 1})) == conflict
    assert error(facade.post(f"/v1/jobs/{thread}/replay", json={})) == conflict
    assert facade.get(f"/v1/jobs/{thread}/history").status_code == 200


def test_cancel_again_echoes_the_new_reason(facade: httpx.Client, thread: str) -> None:
    data(run(facade, thread))
    data(facade.post(f"/v1/jobs/{thread}/cancel", json={"reason": "one"}))
    assert data(facade.post(f"/v1/jobs/{thread}/cancel", json={"reason": "two"}))["reason"] == "two"


def test_cancel_of_a_completed_job_leaves_its_status(facade: httpx.Client, thread: str) -> None:
    data(run(facade, thread, "plain"))
    assert data(facade.post(f"/v1/jobs/{thread}/cancel"))["status"] == "cancelled"
    assert contents(facade, thread) == ["hello", "ok"]


def test_cancel_while_a_run_is_answered(facade: httpx.Client, thread: str, eventually: Callable[..., Any]) -> None:
    with ThreadPoolExecutor() as pool:
        running = pool.submit(run, facade, thread, "sleepy")
        eventually(lambda: facade.get(f"/v1/jobs/{thread}").status_code == 200)
        busy = run(facade, thread, "sleepy")
        data(facade.post(f"/v1/jobs/{thread}/cancel"))
        assert error(running.result()) == (409, "conflict", f"thread '{thread}' is cancelled")
    assert error(busy)[:2] == (409, "conflict")
    assert error(busy)[2].endswith('or run or replay it with "on_conflict": "replace".')
