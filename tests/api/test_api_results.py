"""How jobs ended, forks of threads, and changes of their state, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from facade_probe import error_of
from facade_server import serving
from fastapi import FastAPI

from oris_temporal.api import create_app
from oris_temporal.client import OrisClient
from oris_temporal.config import Settings
from oris_temporal.devserver import DevServer


@pytest.fixture
def thread() -> str:
    return f"job-{uuid4().hex[:8]}"


def run(api: httpx.Client, thread_id: str, graph: str = "int", **body: Any) -> httpx.Response:
    return api.post("/v1/jobs/run", json={"thread_id": thread_id, "input": "hello", "graph": graph} | body)


def data(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    result: dict[str, Any] = response.json()["data"]
    return result


def result(api: httpx.Client, thread_id: str, query: str = "") -> dict[str, Any]:
    return data(api.get(f"/v1/jobs/{thread_id}/result?{query}"))


def contents(values: dict[str, Any]) -> list[str]:
    return [message["content"] for message in values["messages"]]


# --- result -------------------------------------------------------------------------------------------------


def test_of_a_completed_job(facade: httpx.Client, thread: str) -> None:
    run(facade, thread, "plain")
    found = result(facade, thread)
    assert contents(found.pop("values")) == ["hello", "ok"]
    assert found.pop("checkpoint_id")
    assert found == {
        "thread_id": thread,
        "run": 1,
        "status": "completed",
        "interrupts": [],
        "error": None,
        "reason": None,
    }


def test_of_a_job_that_waits(facade: httpx.Client, thread: str) -> None:
    run(facade, thread)
    found = result(facade, thread)
    assert (found["status"], found["values"]) == ("interrupted", None)
    assert [item["interrupt_id"] for item in found["interrupts"]] == [f"int-{thread}-0"]


def test_of_a_failed_job(facade: httpx.Client, thread: str) -> None:
    run(facade, thread, "failing")
    found = result(facade, thread)
    assert (found["status"], found["values"], found["error"]["code"]) == ("failed", None, "node")


def test_of_a_cancelled_job(facade: httpx.Client, thread: str) -> None:
    run(facade, thread)
    facade.post(f"/v1/jobs/{thread}/cancel", json={"reason": "enough"})
    found = result(facade, thread)
    assert (found["status"], found["values"], found["reason"]) == ("cancelled", None, "enough")


def test_of_a_running_job_waits_as_long_as_asked(facade: httpx.Client, thread: str) -> None:
    run(facade, thread, "sleepy", wait_ms=100)
    assert result(facade, thread)["status"] == "running"
    assert result(facade, thread, "wait_ms=100")["status"] == "running"


def test_of_an_unknown_job_is_404(facade: httpx.Client) -> None:
    for query in ("", "?wait_ms=10"):
        response = facade.get(f"/v1/jobs/unknown/result{query}")
        assert response.status_code == 404
        assert error_of(response)["message"] == "Execution error: No state found for thread: unknown"


def test_a_job_that_no_worker_has_begun_is_queued() -> None:
    @asynccontextmanager
    async def without_worker() -> AsyncIterator[FastAPI]:
        async with DevServer(ui=False) as server:
            yield create_app(OrisClient(await server.connect()), settings=Settings(default_graph="int"))

    with serving(without_worker) as api:
        response = api.post("/v1/jobs", json={"thread_id": "t"}, headers={"prefer": "respond-async"})
        assert (response.status_code, response.json()["data"]["status"]) == (202, "running")
        assert result(api, "t")["status"] == "queued"
        assert result(api, "t", "wait_ms=10")["status"] == "queued"
        assert data(api.get("/v1/jobs/t/detail"))["status"] == "queued"


# --- fork ---------------------------------------------------------------------------------------------------


def test_a_fork_is_a_thread_of_its_own(facade: httpx.Client, thread: str) -> None:
    run(facade, thread)
    fork = data(facade.post(f"/v1/jobs/{thread}/fork"))
    assert (fork["thread_id"], fork["status"], fork["interrupts"]) == (
        f"{thread}/fork/1",
        "interrupted",
        ["approve?"],
    )
    facade.post(f"/v1/jobs/{thread}%2Ffork%2F1/resume", json={"value": "fork"})
    assert contents(result(facade, f"{thread}%2Ffork%2F1")["values"])[-1] == 'approved="fork"'
    assert result(facade, thread)["status"] == "interrupted"


def test_a_fork_from_a_checkpoint_with_an_update_and_a_name(facade: httpx.Client, thread: str) -> None:
    run(facade, thread)
    facade.post(f"/v1/jobs/{thread}/resume", json={"value": 1})
    first = data(facade.get(f"/v1/jobs/{thread}/history"))["history"][0]["checkpoint_id"]
    body = {
        "checkpoint_id": first,
        "new_thread_id": f"{thread}-b",
        "update": {"messages": [{"content": "and", "message_type": "human"}]},
    }
    assert data(facade.post(f"/v1/jobs/{thread}/fork", json=body))["thread_id"] == f"{thread}-b"
    facade.post(f"/v1/jobs/{thread}-b/resume", json={"value": 2})
    assert contents(result(facade, f"{thread}-b")["values"]) == ["hello", "and", "approved=2"]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"checkpoint_id": "nothing"}, 404, "(checkpoint_id: nothing)"),
        ({"update": {"nonsense": 1}}, 400, "nonsense"),
        ({"as_node": "nobody"}, 400, "nobody"),
        ({"new_thread_id": " "}, 400, "new_thread_id must not be empty"),
        ({"update": "text"}, 422, "update"),
    ],
)
def test_a_fork_that_cannot_be(
    facade: httpx.Client, thread: str, body: dict[str, Any], status: int, message: str
) -> None:
    run(facade, thread)
    response = facade.post(f"/v1/jobs/{thread}/fork", json=body)
    assert response.status_code == status
    assert message in error_of(response)["message"]


def test_a_fork_to_a_thread_that_exists_is_409(facade: httpx.Client, thread: str) -> None:
    run(facade, thread)
    assert facade.post(f"/v1/jobs/{thread}/fork", json={"new_thread_id": thread}).status_code == 409


def test_a_fork_to_a_cancelled_thread_is_409(facade: httpx.Client, thread: str) -> None:
    run(facade, thread)
    facade.post(f"/v1/jobs/{thread}-never/cancel")
    response = facade.post(f"/v1/jobs/{thread}/fork", json={"new_thread_id": f"{thread}-never"})
    assert response.status_code == 409
    assert error_of(response)["message"] == f"thread '{thread}-never' is cancelled"


def test_a_fork_of_an_unknown_thread_is_404(facade: httpx.Client) -> None:
    assert facade.post("/v1/jobs/unknown/fork").status_code == 404


def test_a_cancelled_thread_may_be_forked(facade: httpx.Client, thread: str) -> None:
    run(facade, thread)
    facade.post(f"/v1/jobs/{thread}/cancel")
    assert data(facade.post(f"/v1/jobs/{thread}/fork"))["status"] == "interrupted"


# --- state --------------------------------------------------------------------------------------------------


def test_the_state_of_a_waiting_run_is_changed(facade: httpx.Client, thread: str) -> None:
    run(facade, thread)
    said = {"messages": [{"content": "by the way", "message_type": "human"}]}
    edited = data(facade.post(f"/v1/jobs/{thread}/state", json={"values": said}))
    state = data(facade.get(f"/v1/jobs/{thread}/state"))
    assert edited == {"thread_id": thread, "checkpoint_id": state["checkpoint_id"]}
    assert contents(state["values"]) == ["hello", "by the way"]


def test_as_node_decides_what_runs_next(facade: httpx.Client, thread: str) -> None:
    run(facade, thread, "eff")
    data(facade.post(f"/v1/jobs/{thread}/state", json={"values": {}, "as_node": "prepare"}))
    assert result(facade, thread)["status"] == "interrupted"
    answer = facade.post(f"/v1/jobs/{thread}/resume", json={"value": None})
    assert data(answer)["interrupts"] == ["confirm replay"]


def test_a_change_that_has_to_wait_for_a_node(
    facade: httpx.Client, thread: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oris_temporal.api.services.control.EDIT_SECONDS", 0.3)
    run(facade, thread, "sleepy", wait_ms=100)
    assert data(facade.post(f"/v1/jobs/{thread}/state", json={"values": {}})) == {
        "thread_id": thread,
        "checkpoint_id": None,
    }


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"values": {"nonsense": 1}}, 400, "nonsense"),
        ({"values": {}, "as_node": "nobody"}, 400, "nobody"),
        ({"values": [1]}, 422, "values: invalid type: an array, expected an object"),
        ({}, 422, "missing field `values`"),
    ],
)
def test_a_change_that_cannot_be(
    facade: httpx.Client, thread: str, body: dict[str, Any], status: int, message: str
) -> None:
    run(facade, thread)
    response = facade.post(f"/v1/jobs/{thread}/state", json=body)
    assert response.status_code == status
    assert message in error_of(response)["message"]


def test_the_state_of_a_run_that_is_over_is_409_and_says_what_to_do(facade: httpx.Client, thread: str) -> None:
    run(facade, thread, "plain")
    response = facade.post(f"/v1/jobs/{thread}/state", json={"values": {}})
    assert response.status_code == 409
    assert error_of(response)["message"].endswith("so its state cannot be edited. Fork it with an update.")


def test_the_state_of_a_cancelled_or_unknown_thread(facade: httpx.Client, thread: str) -> None:
    assert facade.post("/v1/jobs/unknown/state", json={"values": {}}).status_code == 404
    run(facade, thread)
    facade.post(f"/v1/jobs/{thread}/cancel")
    response = facade.post(f"/v1/jobs/{thread}/state", json={"values": {}})
    assert error_of(response)["message"] == f"thread '{thread}' is cancelled"
