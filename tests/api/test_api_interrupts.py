"""Interrupts over HTTP: list, inspect, answer by id, refuse."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from facade_graphs import all_graphs
from facade_server import serving
from fastapi import FastAPI

from oris_temporal import OrisClient, Worker
from oris_temporal.api import create_app
from oris_temporal.config import Settings
from oris_temporal.devserver import DevServer


def data(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    result: dict[str, Any] = response.json()["data"]
    return result


def conflict(response: httpx.Response) -> str:
    """Message of a 409."""
    assert response.status_code == 409, response.text
    error = response.json()["error"]
    assert (error["code"], error["details"]) == ("conflict", None)
    message: str = error["message"]
    return message


@pytest.fixture
def thread() -> str:
    return f"ask-{uuid4().hex[:8]}"


def start(api: httpx.Client, thread_id: str, graph: str = "int") -> None:
    assert data(api.post("/v1/jobs", json={"thread_id": thread_id, "graph": graph}))["status"] == "interrupted"


def resume(api: httpx.Client, thread_id: str, value: Any, number: int = 0) -> httpx.Response:
    return api.post(f"/v1/interrupts/int-{thread_id}-{number}/resume", json={"value": value})


def reject(api: httpx.Client, thread_id: str) -> httpx.Response:
    return api.post(f"/v1/interrupts/int-{thread_id}-0/reject", json={"reason": "not this way"})


def listed(api: httpx.Client, query: str) -> list[str]:
    return [item["interrupt_id"] for item in data(api.get(f"/v1/interrupts?{query}"))["interrupts"]]


def test_tools_say_which_call_asks_and_are_answered_in_any_order(facade: httpx.Client, thread: str) -> None:
    start(facade, thread, "clerk")
    asked = data(facade.get(f"/v1/interrupts?run_id={thread}"))["interrupts"]
    assert {(item["value"], item["tool"], item["tool_call_id"]) for item in asked} == {
        ("Send it to ada?", "send", "call-ada"),
        ("Send it to bob?", "send", "call-bob"),
    }
    numbers = {item["tool_call_id"]: int(item["interrupt_id"].rpartition("-")[2]) for item in asked}
    assert data(resume(facade, thread, "no", numbers["call-bob"]))["status"] == "interrupted"
    assert data(resume(facade, thread, "yes", numbers["call-ada"]))["status"] == "completed"
    messages = data(facade.get(f"/v1/jobs/{thread}"))["values"]["messages"]
    assert [item["content"] for item in messages if item["message_type"] == "tool"] == ["ada: yes", "bob: no"]


def test_get(facade: httpx.Client, thread: str) -> None:
    start(facade, thread)
    interrupt = data(facade.get(f"/v1/interrupts/int-{thread}-0"))
    assert interrupt.pop("created_at").endswith("+00:00")
    assert interrupt == {
        "interrupt_id": f"int-{thread}-0",
        "thread_id": thread,
        "run_id": thread,
        "attempt_id": f"attempt-{thread}-main",
        "value": "approve?",
        "status": "pending",
    }


@pytest.mark.parametrize("id", ["int-unknown-0", "nothing", "%20", "int--0", "int-t-x"])
def test_unknown_interrupts_are_404(facade: httpx.Client, id: str) -> None:
    for response in (
        facade.get(f"/v1/interrupts/{id}"),
        facade.post(f"/v1/interrupts/{id}/resume", json={"value": 1}),
        facade.post(f"/v1/interrupts/{id}/reject", json={}),
    ):
        assert response.status_code == 404
        assert response.json()["error"] == {
            "code": "not_found",
            "message": "interrupt not found",
            "details": None,
        }


def test_an_unknown_number_of_a_known_thread_is_404(facade: httpx.Client, thread: str) -> None:
    start(facade, thread)
    assert facade.get(f"/v1/interrupts/int-{thread}-1").status_code == 404
    assert resume(facade, thread, 1, number=1).status_code == 404


def test_ids_count_per_thread(facade: httpx.Client, thread: str) -> None:
    start(facade, thread, "twice")
    answer = data(resume(facade, thread, "a"))
    assert (answer["status"], answer["interrupts"]) == ("interrupted", ["second?"])
    assert data(facade.get(f"/v1/interrupts/int-{thread}-1"))["value"] == "second?"
    assert data(resume(facade, thread, "b", number=1))["status"] == "completed"
    assert data(resume(facade, thread, "a")) == data(resume(facade, thread, "a"))


def test_several_are_answered_by_id_in_any_order(facade: httpx.Client, thread: str) -> None:
    start(facade, thread, "both")
    assert data(resume(facade, thread, "second", number=1))["interrupts"] == ["left?"]
    assert data(resume(facade, thread, "first", number=0))["status"] == "completed"
    texts = [m["content"] for m in data(facade.get(f"/v1/jobs/{thread}"))["values"]["messages"]]
    assert texts[1:] == ['left="first"', 'right="second"']


def test_the_place_of_a_question_in_the_answer_is_the_number_of_its_id(facade: httpx.Client, thread: str) -> None:
    """Clients of Oris make the ids themselves; they must not answer another question than they saw."""
    asked = data(facade.post("/v1/jobs", json={"thread_id": thread, "graph": "out_of_turn"}))["interrupts"]
    by_id = [data(facade.get(f"/v1/interrupts/int-{thread}-{number}"))["value"] for number in range(2)]
    assert asked == by_id == ["right?", "late?"]


def test_list_filters(facade: httpx.Client, thread: str, eventually: Callable[..., Any]) -> None:
    start(facade, thread)
    id = f"int-{thread}-0"
    assert eventually(lambda: id in listed(facade, "status=pending&limit=200"))
    assert listed(facade, f"run_id={thread}") == [id]
    assert listed(facade, f"run_id={thread}&status=resumed") == []
    assert listed(facade, f"run_id={thread}&status=") == []
    assert listed(facade, f"run_id={thread}&status=Pending") == []
    assert listed(facade, f"run_id={thread}&limit=0") == []
    assert listed(facade, f"run_id={thread}x") == []


def test_answered_ones_leave_the_pending_list(facade: httpx.Client, thread: str) -> None:
    start(facade, thread)
    data(resume(facade, thread, 1))
    assert listed(facade, f"run_id={thread}&status=pending") == []
    assert listed(facade, f"run_id={thread}&status=resumed") == [f"int-{thread}-0"]
    assert listed(facade, f"run_id={thread}") == [f"int-{thread}-0"]


def test_the_newest_come_first(facade: httpx.Client, thread: str) -> None:
    start(facade, thread, "both")
    assert len(listed(facade, f"run_id={thread}")) == 2
    assert len(listed(facade, f"run_id={thread}&limit=1")) == 1


def test_answer_through_the_job_then_by_id(facade: httpx.Client, thread: str) -> None:
    """Case 136."""
    start(facade, thread)
    data(facade.post(f"/v1/jobs/{thread}/resume", json={"value": True}))
    assert conflict(resume(facade, thread, True)) == "interrupt already resumed with different payload"


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (1, True), ("1", 1), (None, False), ({"a": 1}, {"a": 2})])
def test_values_are_compared_as_json(facade: httpx.Client, thread: str, one: Any, other: Any) -> None:
    start(facade, thread)
    first = data(resume(facade, thread, one))
    assert conflict(resume(facade, thread, other)) == "interrupt already resumed with different payload"
    assert data(resume(facade, thread, one)) == first


def test_key_order_does_not_matter(facade: httpx.Client, thread: str) -> None:
    start(facade, thread)
    assert data(resume(facade, thread, {"a": 1, "b": 2})) == data(resume(facade, thread, {"b": 2, "a": 1}))


def test_concurrent_equal_answers_apply_once(facade: httpx.Client, thread: str) -> None:
    start(facade, thread)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: data(resume(facade, thread, True)), range(8)))
    assert all(answer == answers[0] for answer in answers)


def test_reject_cancels_the_thread(facade: httpx.Client, thread: str) -> None:
    start(facade, thread)
    assert data(reject(facade, thread)) == {
        "thread_id": thread,
        "status": "cancelled",
        "reason": "interrupt rejected",
    }
    assert data(facade.get(f"/v1/interrupts/int-{thread}-0"))["status"] == "rejected"
    assert data(facade.get(f"/v1/jobs/{thread}/detail"))["status"] == "cancelled"
    response = facade.post("/v1/jobs", json={"thread_id": thread, "graph": "int"})
    assert conflict(response) == f"thread '{thread}' is cancelled"


def test_reject_twice(facade: httpx.Client, thread: str) -> None:
    start(facade, thread)
    data(reject(facade, thread))
    assert conflict(reject(facade, thread)) == "interrupt already rejected"


def test_resume_after_reject_and_reject_after_resume(facade: httpx.Client, thread: str) -> None:
    start(facade, thread)
    data(reject(facade, thread))
    assert conflict(resume(facade, thread, 1)) == "interrupt already rejected"
    start(facade, thread + "b")
    data(resume(facade, thread + "b", 1))
    assert conflict(reject(facade, thread + "b")) == "interrupt already resumed"


def test_a_stored_answer_is_served_after_cancel_and_a_pending_one_refused(facade: httpx.Client, thread: str) -> None:
    """Case 139."""
    start(facade, thread, "twice")
    first = data(resume(facade, thread, "a"))
    data(facade.post(f"/v1/jobs/{thread}/cancel"))
    assert data(resume(facade, thread, "a")) == first
    assert conflict(resume(facade, thread, "b", number=1)) == f"thread '{thread}' is cancelled"


def test_what_nobody_answered_before_a_cancel_is_rejected_everywhere(facade: httpx.Client, thread: str) -> None:
    start(facade, thread, "both")
    data(facade.post(f"/v1/jobs/{thread}/cancel"))
    listing = data(facade.get(f"/v1/interrupts?run_id={thread}"))["interrupts"]
    assert [item["status"] for item in listing] == ["rejected", "rejected"]
    assert data(facade.get(f"/v1/interrupts/int-{thread}-0"))["status"] == "rejected"
    assert data(facade.get(f"/v1/jobs/{thread}/detail"))["pending_interrupt"] is None
    for _ in range(2):
        assert conflict(reject(facade, thread)) == "interrupt already rejected"


def test_a_rejected_questions_sibling_is_rejected_with_it(facade: httpx.Client, thread: str) -> None:
    start(facade, thread, "both")
    data(reject(facade, thread))
    assert data(facade.get(f"/v1/interrupts/int-{thread}-1"))["status"] == "rejected"
    assert conflict(facade.post(f"/v1/interrupts/int-{thread}-1/reject", json={})) == "interrupt already rejected"


def test_questions_of_replaced_runs_stay_rejected(facade: httpx.Client, thread: str) -> None:
    for _ in range(3):
        start(facade, thread)
    assert listed(facade, f"run_id={thread}&status=pending") == [f"int-{thread}-2"]
    data(facade.post(f"/v1/jobs/{thread}/cancel"))
    assert listed(facade, f"run_id={thread}&status=pending") == []
    assert len(listed(facade, f"run_id={thread}&status=rejected")) == 3


@pytest.mark.parametrize("blank", ["", "%20"])
def test_no_interrupt_has_a_blank_run(facade: httpx.Client, blank: str) -> None:
    assert listed(facade, f"run_id={blank}") == []


def test_answered_ones_are_listed_however_many_threads_changed_since(
    facade: httpx.Client, thread: str, eventually: Callable[..., Any]
) -> None:
    start(facade, thread)
    data(resume(facade, thread, 1))
    with ThreadPoolExecutor(8) as pool:
        bodies = [{"thread_id": f"{thread}-later-{number}", "graph": "plain"} for number in range(60)]
        assert all(pool.map(lambda body: facade.post("/v1/jobs", json=body).status_code == 200, bodies))
    assert eventually(lambda: f"int-{thread}-0" in listed(facade, "status=resumed&limit=200"))
    assert eventually(lambda: f"int-{thread}-0" in listed(facade, "limit=200"))


def test_of_a_reject_and_resumes_at_the_same_time_the_losers_hear_what_won(facade: httpx.Client, thread: str) -> None:
    start(facade, thread)
    with ThreadPoolExecutor(9) as pool:
        rejecting = pool.submit(reject, facade, thread)
        resuming = [pool.submit(resume, facade, thread, number) for number in range(8)]
    answers = [item.result() for item in resuming]
    if rejecting.result().status_code == 200:
        assert {conflict(answer) for answer in answers} <= {
            "interrupt already rejected",
            f"thread '{thread}' is cancelled",
        }
    else:
        assert conflict(rejecting.result()) == "interrupt already resumed"
        lost = [answer for answer in answers if answer.status_code != 200]
        assert {conflict(answer) for answer in lost} == {"interrupt already resumed with different payload"}
        assert len(lost) == 7


def test_of_a_run_that_something_else_started_under_a_prefix(dev_server: DevServer, thread: str) -> None:
    @asynccontextmanager
    async def stack() -> AsyncIterator[FastAPI]:
        client = OrisClient(await dev_server.connect(), task_queue=thread, id_prefix=f"{thread}/")
        async with Worker(client, graphs=all_graphs()):
            await client.temporal.start_workflow("int", "hello", id=f"{thread}/plain", task_queue=thread)
            await client.result("plain")
            yield create_app(client, settings=Settings(default_graph="int"))

    with serving(stack) as api:
        [item] = data(api.get("/v1/interrupts?run_id=plain"))["interrupts"]
        assert (item["interrupt_id"], item["thread_id"]) == ("int-plain-0", "plain")
        assert data(api.get("/v1/interrupts/int-plain-0"))["status"] == "pending"
        assert data(resume(api, "plain", True))["status"] == "completed"
        assert data(api.get("/v1/jobs/plain"))["thread_id"] == "plain"
