"""How long answers wait, what they say when they did not wait, and runs that are in the way."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest
from facade_probe import error_of

ASYNC = {"prefer": "respond-async"}


@pytest.fixture
def thread() -> str:
    return f"wait-{uuid4().hex[:8]}"


def run(
    api: httpx.Client, thread_id: str, graph: str = "sleepy", headers: dict[str, str] | None = None, **body: Any
) -> httpx.Response:
    job = {"thread_id": thread_id, "input": "hello", "graph": graph} | body
    return api.post("/v1/jobs/run", json=job, headers=headers)


def data(response: httpx.Response, status: int = 200) -> dict[str, Any]:
    assert response.status_code == status, response.text
    result: dict[str, Any] = response.json()["data"]
    return result


# --- wait_ms ------------------------------------------------------------------------------------------------


def test_a_run_that_outlasts_the_wait_goes_on(facade: httpx.Client, thread: str) -> None:
    response = run(facade, thread, wait_ms=100)
    assert (data(response)["status"], data(response)["interrupts"]) == ("running", [])
    assert "preference-applied" not in response.headers
    assert data(facade.get(f"/v1/jobs/{thread}/detail"))["status"] == "running"


def test_without_a_wait_a_run_is_started_all_the_same(facade: httpx.Client, thread: str) -> None:
    assert data(run(facade, thread, "plain", wait_ms=0))["status"] in ("running", "completed")
    assert data(facade.get(f"/v1/jobs/{thread}/result?wait_ms=5000"))["status"] == "completed"


def test_a_run_that_settles_within_the_wait_is_answered_as_ever(facade: httpx.Client, thread: str) -> None:
    assert data(run(facade, thread, "int", wait_ms=20_000))["interrupts"] == ["approve?"]
    answer = facade.post(f"/v1/jobs/{thread}/resume", json={"value": 1, "wait_ms": 2**62})
    assert data(answer)["status"] == "completed"


@pytest.mark.parametrize("verb", ["run", "t/resume", "t/replay", "t/fork"])
def test_a_negative_wait_is_400(facade: httpx.Client, verb: str) -> None:
    response = facade.post(f"/v1/jobs/{verb}", json={"thread_id": "t", "value": 1, "wait_ms": -1})
    assert response.status_code == 400
    assert error_of(response)["message"] == "wait_ms must be >= 0"


@pytest.mark.parametrize("wait", ["1", 1.0, True, 2**63])
def test_a_wait_of_another_type_is_422(api: httpx.Client, wait: Any) -> None:
    assert run(api, "t", wait_ms=wait).status_code == 422


def test_an_answer_without_a_wait_is_given_all_the_same(facade: httpx.Client, thread: str) -> None:
    run(facade, thread, "int")
    resumed = facade.post(f"/v1/interrupts/int-{thread}-0/resume", json={"value": 1, "wait_ms": 0})
    assert data(resumed)["status"] in ("running", "completed")
    assert data(facade.get(f"/v1/jobs/{thread}/result?wait_ms=5000"))["status"] == "completed"
    again = facade.post(f"/v1/interrupts/int-{thread}-0/resume", json={"value": 1, "wait_ms": 0})
    assert data(again)["status"] == "completed"


# --- Prefer -------------------------------------------------------------------------------------------------


def test_respond_async_answers_202_at_once(facade: httpx.Client, thread: str) -> None:
    response = run(facade, f"{thread}/é", headers=ASYNC)
    assert data(response, 202)["status"] == "running"
    assert response.headers["preference-applied"] == "respond-async"
    assert response.headers["location"] == f"/v1/jobs/{thread}%2F%C3%A9/result"
    assert data(facade.get(response.headers["location"]))["status"] in ("queued", "running")


def test_respond_async_within_the_wait_is_200(facade: httpx.Client, thread: str) -> None:
    response = run(facade, thread, "plain", headers={"prefer": "respond-async, wait=20"})
    assert data(response)["status"] == "completed"
    assert response.headers["preference-applied"] == "wait=20"
    assert "location" not in response.headers


def test_wait_ms_goes_before_prefer(facade: httpx.Client, thread: str) -> None:
    response = run(facade, thread, headers={"prefer": "wait=50"}, wait_ms=100)
    assert data(response)["status"] == "running"


@pytest.mark.parametrize(
    "prefer", ["return=minimal", "wait=soon", "handling=lenient; x=1", "", ",,", "respond-asynchronously", "wait=-1"]
)
def test_other_preferences_are_ignored(facade: httpx.Client, thread: str, prefer: str) -> None:
    response = run(facade, thread, "plain", headers={"prefer": prefer})
    assert data(response)["status"] == "completed"
    assert "preference-applied" not in response.headers


def test_resume_replay_and_fork_may_respond_async(facade: httpx.Client, thread: str) -> None:
    data(run(facade, thread, "int"))
    for verb in ("fork", "replay"):
        response = facade.post(f"/v1/jobs/{thread}/{verb}", json={}, headers=ASYNC)
        assert response.status_code in (200, 202)
    data(facade.get(f"/v1/jobs/{thread}/result?wait_ms=5000"))
    response = facade.post(f"/v1/jobs/{thread}/resume", json={"value": 1}, headers=ASYNC)
    assert response.status_code in (200, 202)
    assert data(facade.get(f"/v1/jobs/{thread}/result?wait_ms=5000"))["status"] == "completed"


def test_a_repeated_request_gets_the_run_that_goes_on(facade: httpx.Client, thread: str) -> None:
    first = data(run(facade, thread, headers=ASYNC, idempotency_key="once"), 202)
    again = data(run(facade, thread, headers=ASYNC, idempotency_key="once"), 202)
    assert (first["idempotent_replay"], again["idempotent_replay"]) == (False, True)
    assert data(facade.get(f"/v1/jobs/{thread}/result"))["run"] == 1


@pytest.mark.parametrize(
    "path",
    [
        "/v1/jobs",
        "/v1/jobs/run",
        "/v1/jobs/{thread_id}/resume",
        "/v1/jobs/{thread_id}/replay",
        "/v1/jobs/{thread_id}/fork",
        "/v1/interrupts/{interrupt_id}/resume",
    ],
)
def test_the_document_has_the_preference_and_what_it_does(api: httpx.Client, path: str) -> None:
    operation = api.get("/openapi.json").json()["paths"][path]["post"]
    assert "Prefer" in [parameter["name"] for parameter in operation["parameters"]]
    accepted = operation["responses"]["202"]["content"]["application/json"]["schema"]
    assert accepted == operation["responses"]["200"]["content"]["application/json"]["schema"]


# --- on_conflict --------------------------------------------------------------------------------------------


def test_a_busy_thread_refuses(facade: httpx.Client, thread: str) -> None:
    data(run(facade, thread, wait_ms=100))
    for on_conflict in (None, "fail"):
        busy = run(facade, thread, on_conflict=on_conflict)
        assert busy.status_code == 409
        assert error_of(busy)["message"].endswith('or run or replay it with "on_conflict": "replace".')


def test_a_run_may_be_replaced(facade: httpx.Client, thread: str) -> None:
    data(run(facade, thread, wait_ms=100))
    assert data(run(facade, thread, "plain", on_conflict="replace"))["status"] == "completed"
    data(run(facade, thread, wait_ms=100))
    first = data(facade.get(f"/v1/jobs/{thread}/history"))["history"][0]["checkpoint_id"]
    replay = {"checkpoint_id": first, "on_conflict": "replace", "wait_ms": 100}
    assert data(facade.post(f"/v1/jobs/{thread}/replay", json=replay))["status"] == "running"
    assert data(facade.get(f"/v1/jobs/{thread}/result"))["run"] == 4


@pytest.mark.parametrize("verb", ["run", "t/replay"])
def test_another_on_conflict_is_400(facade: httpx.Client, verb: str) -> None:
    response = facade.post(f"/v1/jobs/{verb}", json={"thread_id": "t", "on_conflict": "Replace"})
    assert response.status_code == 400
    assert error_of(response)["message"] == "on_conflict must be one of: fail|replace"
