"""Running graphs on threads over HTTP: what a run answers, in which order it checks, what is listed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

TRACEPARENT = "00-0123456789abcdef0123456789abcdef-1111111111111111-01"


@pytest.fixture
def thread() -> str:
    return f"job-{uuid4().hex[:8]}"


def run(api: httpx.Client, thread_id: str, graph: str = "int", **body: Any) -> httpx.Response:
    return api.post("/v1/jobs/run", json={"thread_id": thread_id, "input": "hello", "graph": graph} | body)


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


# --- run ----------------------------------------------------------------------------------------------------


def test_a_run_that_completes(facade: httpx.Client, thread: str) -> None:
    answer = data(run(facade, thread, "plain"))
    trace = answer.pop("trace")
    assert answer == {
        "thread_id": thread,
        "status": "completed",
        "interrupts": [],
        "idempotency_key": None,
        "idempotent_replay": False,
    }
    assert trace == {**trace, "parent_span_id": None}
    assert contents(facade, thread) == ["hello", "ok"]


def test_a_run_that_interrupts(facade: httpx.Client, thread: str) -> None:
    answer = data(run(facade, thread))
    assert (answer["status"], answer["interrupts"]) == ("interrupted", ["approve?"])


def test_the_default_input_is_api_run(facade: httpx.Client, thread: str) -> None:
    data(run(facade, thread, "plain", input=None))
    assert contents(facade, thread) == ["API run", "ok"]


def test_an_empty_input_is_kept(facade: httpx.Client, thread: str) -> None:
    data(run(facade, thread, "plain", input=""))
    assert contents(facade, thread) == ["", "ok"]


def test_an_object_is_the_initial_state(facade: httpx.Client, thread: str) -> None:
    data(run(facade, thread, "report", input={"topic": "tides"}))
    assert data(facade.get(f"/v1/jobs/{thread}"))["values"] == {"topic": "tides", "text": "all about tides"}


def test_an_object_with_messages(facade: httpx.Client, thread: str) -> None:
    data(run(facade, thread, "plain", input={"messages": [{"content": "hi", "message_type": "human"}]}))
    assert contents(facade, thread) == ["hi", "ok"]


def test_an_input_that_does_not_fit_the_state_is_400(facade: httpx.Client, thread: str) -> None:
    status, code, message = error(run(facade, thread, "report", input={"topc": "tides"}))
    assert (status, code) == (400, "invalid_argument")
    assert "topc" in message


def test_values_have_the_message_wire_form(facade: httpx.Client, thread: str) -> None:
    data(run(facade, thread, "plain"))
    values = data(facade.get(f"/v1/jobs/{thread}"))["values"]
    assert values["messages"][0] == {
        "content": "hello",
        "message_type": "human",
        "id": None,
        "tool_calls": None,
        "images": None,
    }


def test_a_run_that_fails_is_500_with_the_cause(facade: httpx.Client, thread: str) -> None:
    status, code, message = error(run(facade, thread, "failing"))
    assert (status, code) == (500, "internal")
    assert message.startswith("run failed: ")
    assert "failing.fail" in message
    assert "no tides today" in message


def test_an_unknown_graph_is_404(facade: httpx.Client, thread: str) -> None:
    status, code, message = error(run(facade, thread, "nothing"))
    assert (status, code) == (404, "not_found")
    assert "nothing" in message


def test_a_thread_runs_again_from_a_fresh_state(facade: httpx.Client, thread: str) -> None:
    data(run(facade, thread, "plain", input="one"))
    data(run(facade, thread, "plain", input="two"))
    assert contents(facade, thread) == ["two", "ok"]


def test_a_thread_that_waits_runs_again(facade: httpx.Client, thread: str) -> None:
    data(run(facade, thread))
    assert data(run(facade, thread))["status"] == "interrupted"
    listed = data(facade.get(f"/v1/interrupts?run_id={thread}&status=pending"))["interrupts"]
    assert [item["interrupt_id"] for item in listed] == [f"int-{thread}-1"]


def test_trace_of_a_run(facade: httpx.Client, thread: str) -> None:
    trace = data(facade.post("/v1/jobs", json={"thread_id": thread}, headers={"traceparent": TRACEPARENT}))["trace"]
    assert (trace["trace_id"], trace["parent_span_id"]) == (TRACEPARENT[3:35], TRACEPARENT[36:52])
    assert trace["traceparent"] == f"00-{trace['trace_id']}-{trace['span_id']}-01"


def test_ids_may_have_any_characters(facade: httpx.Client, thread: str) -> None:
    for id, path in [
        (f"{thread}/a b", f"{thread}%2Fa%20b"),
        (f" {thread} ", f"%20{thread}%20"),
        (f"{thread}é\U0001f600?#%", f"{thread}%C3%A9%F0%9F%98%80%3F%23%25"),
    ]:
        assert data(run(facade, id))["thread_id"] == id
        assert data(facade.get(f"/v1/jobs/{path}"))["thread_id"] == id
        assert data(facade.post(f"/v1/interrupts/int-{path}-0/resume", json={"value": 1}))["thread_id"] == id


def test_a_thread_may_be_called_run(facade: httpx.Client) -> None:
    data(run(facade, "run"))
    assert facade.get("/v1/jobs/run").status_code == 405
    assert data(facade.get("/v1/jobs/run/detail"))["thread_id"] == "run"
    assert data(facade.get("/v1/jobs/%72un"))["thread_id"] == "run"


# --- the order of checks ------------------------------------------------------------------------------------

BAD: list[tuple[dict[str, Any], str]] = [
    ({"thread_id": " \t"}, "thread_id must not be empty"),
    ({"priority": 101}, "priority must be between 0 and 100"),
    ({"tenant_id": "x" * 129}, "tenant_id must be 128 characters or fewer"),
    ({"tenant_id": "a b"}, "tenant_id contains unsupported characters"),
    ({"idempotency_key": " "}, "idempotency_key must not be empty"),
    (
        {"traceparent": "00-invalid"},
        "traceparent must use format 00-<32 hex trace_id>-<16 hex span_id>-<2 hex flags>",
    ),
    (
        {"timeout_policy": {"timeout_ms": 0, "on_timeout_status": "x"}},
        "timeout_policy.timeout_ms must be > 0",
    ),
    (
        {"timeout_policy": {"timeout_ms": 1, "on_timeout_status": "x"}},
        "timeout_policy.on_timeout_status must be one of: failed|cancelled",
    ),
]


@pytest.mark.parametrize("first", range(len(BAD)))
def test_values_are_checked_in_order(facade: httpx.Client, thread: str, first: int) -> None:
    """Case 135: each message verbatim, and ahead of everything that is checked later."""
    body: dict[str, Any] = {"thread_id": thread, "graph": "plain"}
    for bad, _ in reversed(BAD[first:]):
        body |= bad
    headers = {"traceparent": body.pop("traceparent")} if "traceparent" in body else {}
    response = facade.post("/v1/jobs/run", json=body, headers=headers)
    assert error(response) == (400, "invalid_argument", BAD[first][1])
    assert facade.get(f"/v1/jobs/{thread}").status_code == 404  # nothing was started


@pytest.mark.parametrize(
    "body",
    [
        {"priority": -1},
        {"tenant_id": "é" * 65},
        {"tenant_id": "a/b"},
        {"timeout_policy": {"timeout_ms": -5, "on_timeout_status": "failed"}},
        {"timeout_policy": {"timeout_ms": 2**62, "on_timeout_status": "failed"}},
        {"graph": " "},
    ],
)
def test_more_bad_values(facade: httpx.Client, thread: str, body: dict[str, Any]) -> None:
    assert error(run(facade, thread, **body))[:2] == (400, "invalid_argument")


@pytest.mark.parametrize(
    "body",
    [
        {"priority": 0},
        {"priority": 100},
        {"tenant_id": "  "},
        {"tenant_id": f" {'x' * 64} "},
        {"tenant_id": "x" * 128},
        {"tenant_id": "A-z_0.9:x"},
        {"timeout_policy": {"timeout_ms": 60_000, "on_timeout_status": " Cancelled "}},
        {"idempotency_key": " k "},
    ],
)
def test_good_values(facade: httpx.Client, thread: str, body: dict[str, Any]) -> None:
    assert data(run(facade, thread, "plain", **body))["idempotency_key"] == body.get("idempotency_key")


def test_cancelled_is_checked_before_other_values(facade: httpx.Client, thread: str) -> None:
    data(run(facade, thread))
    data(facade.post(f"/v1/jobs/{thread}/cancel"))
    assert error(run(facade, thread, priority=101)) == (409, "conflict", f"thread '{thread}' is cancelled")


# --- list ---------------------------------------------------------------------------------------------------


def test_list_by_status(facade: httpx.Client, thread: str, eventually: Callable[..., Any]) -> None:
    data(run(facade, thread, "plain"))

    def listed(query: str) -> list[dict[str, Any]]:
        jobs = data(facade.get(f"/v1/jobs?{query}"))["jobs"]
        return [job for job in jobs if job["thread_id"] == thread]

    (job,) = eventually(lambda: listed("status=completed&limit=200"))
    assert job.keys() == {"thread_id", "status", "updated_at"}
    assert job["updated_at"].endswith("+00:00")
    assert listed("status=interrupted&limit=200") == []


@pytest.mark.parametrize("query", ["status=", "status=Completed", "status=nothing", "status='", "limit=0"])
def test_lists_that_match_nothing(facade: httpx.Client, query: str) -> None:
    assert data(facade.get(f"/v1/jobs?{query}")) == {"jobs": []}


def test_pages(fresh_facade: httpx.Client, eventually: Callable[..., Any]) -> None:
    for number in range(5):
        data(run(fresh_facade, f"t{number}", "plain"))

    def page(query: str) -> list[str]:
        return [job["thread_id"] for job in data(fresh_facade.get(f"/v1/jobs?{query}"))["jobs"]]

    eventually(lambda: len(page("")) == 5)
    assert page("") == ["t4", "t3", "t2", "t1", "t0"]
    assert page("limit=2") == ["t4", "t3"]
    assert page("limit=2&offset=3") == ["t1", "t0"]
    assert page("offset=5") == []
    assert len(page("limit=18446744073709551615")) == 5


# --- a facade that knows its graphs -------------------------------------------------------------------------


def test_a_refused_run_leaves_the_one_that_waits(knowing_facade: httpx.Client, thread: str) -> None:
    data(run(knowing_facade, thread))
    refused = run(knowing_facade, thread, input={"nonsense": 1})
    assert error(refused)[:2] == (400, "invalid_argument")
    detail = data(knowing_facade.get(f"/v1/jobs/{thread}/detail"))
    assert detail["status"] == "interrupted"
    assert detail["pending_interrupt"]["interrupt_id"] == f"int-{thread}-0"
    assert data(knowing_facade.post(f"/v1/jobs/{thread}/resume", json={"value": 1}))["status"] == "completed"


def test_a_refused_run_of_a_new_thread_leaves_nothing(knowing_facade: httpx.Client, thread: str) -> None:
    assert run(knowing_facade, thread, input={"nonsense": 1}).status_code == 400
    assert knowing_facade.get(f"/v1/jobs/{thread}/detail").status_code == 404


def test_an_unknown_graph_is_refused_before_anything_starts(knowing_facade: httpx.Client, thread: str) -> None:
    status, code, message = error(run(knowing_facade, thread, "no-such-graph"))
    assert (status, code) == (404, "not_found")
    assert message.startswith("graph not found: no-such-graph; it has plain, int, ")
    assert knowing_facade.get(f"/v1/jobs/{thread}").status_code == 404
    assert data(run(knowing_facade, thread))["status"] == "interrupted"


def test_a_job_of_an_unknown_graph_reads_as_cancelled_once_it_is(facade: httpx.Client, thread: str) -> None:
    assert run(facade, thread, "no-such-graph").status_code == 404
    data(facade.post(f"/v1/jobs/{thread}/cancel"))
    assert facade.get(f"/v1/jobs/{thread}").status_code == 404
    assert data(facade.get(f"/v1/jobs/{thread}/history"))["history"] == []
    assert facade.get(f"/v1/jobs/{thread}/timeline").status_code == 404
    assert data(facade.get(f"/v1/jobs/{thread}/detail"))["status"] == "cancelled"


# --- why a job ended ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["failed", "Cancelled"])
def test_a_timeout_ends_a_job_with_the_status_it_was_given(facade: httpx.Client, thread: str, status: str) -> None:
    answer = run(facade, thread, "sleepy", timeout_policy={"timeout_ms": 300, "on_timeout_status": status})
    assert answer.status_code == {"failed": 500, "Cancelled": 409}[status]
    detail = data(facade.get(f"/v1/jobs/{thread}/detail"))
    assert detail["status"] == status.lower()
    assert detail["reason"] == "The run did not end within its execution timeout."


def test_a_job_says_why_it_was_cancelled(facade: httpx.Client, thread: str) -> None:
    assert "reason" not in data(run(facade, thread)) | data(facade.get(f"/v1/jobs/{thread}/detail"))
    data(facade.post(f"/v1/interrupts/int-{thread}-0/reject", json={"reason": "too long"}))
    detail = data(facade.get(f"/v1/jobs/{thread}/detail"))
    assert detail["reason"] == f"interrupt int-{thread}-0 rejected: too long"


def test_a_job_says_why_it_failed(facade: httpx.Client, thread: str) -> None:
    assert run(facade, thread, "failing").status_code == 500
    assert "no tides today" in data(facade.get(f"/v1/jobs/{thread}/detail"))["reason"]


def test_messages_name_requests_and_not_arguments(facade: httpx.Client, thread: str) -> None:
    data(run(facade, thread, "both"))
    ambiguous = error(facade.post(f"/v1/jobs/{thread}/resume", json={"value": 1}))[2]
    assert ambiguous.endswith("Answer each by its id under /v1/interrupts.")
