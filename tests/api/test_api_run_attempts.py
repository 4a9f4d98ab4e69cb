"""The attempt that a run has for HTTP workers: cases 59-64 of the specification's section 20, and that it lives as long as its job."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any
from uuid import uuid4

import httpx
import pytest
from facade_store import on_store, rows, rows_of
from test_api_workers import Serve, ack, data, heartbeat, poll, refusal

from oris_temporal.api.control_store import ControlStore, StoreSettings
from oris_temporal.api.control_store.attempts import NewAttempt
from oris_temporal.api.control_store.tables import attempts, leases
from oris_temporal.api.services.run_attempts import RunAttempts
from oris_temporal.client import OrisClient
from oris_temporal.devserver import DevServer

TRACE_ID = "0123456789abcdef0123456789abcdef"
TRACEPARENT = f"00-{TRACE_ID}-1111111111111111-01"


@pytest.fixture
def api(serve: Serve, store: StoreSettings) -> httpx.Client:
    return serve(store)


@pytest.fixture
def thread() -> str:
    return f"attempts-{uuid4().hex[:8]}"


def run(api: httpx.Client, thread: str, graph: str = "int", **body: Any) -> dict[str, Any]:
    return data(api.post("/v1/jobs/run", json={"thread_id": thread, "input": "hello", "graph": graph, **body}))


def statuses(store: StoreSettings) -> list[str]:
    return [row["status"] for row in rows(store, attempts)]


class TestTrace:
    def test_59_to_63_from_the_run_to_the_ack(self, api: httpx.Client, store: StoreSettings, thread: str) -> None:
        body = {"thread_id": thread, "input": "hello"}
        spans = [data(api.post("/v1/jobs/run", json=body, headers={"traceparent": TRACEPARENT}))["trace"]]
        assert spans[0]["parent_span_id"] == "1111111111111111"
        polled = poll(api, "trace-worker-1")
        assert polled["attempt_id"].startswith(f"attempt-{thread}-")
        spans.append(polled["trace"])
        spans.append(data(heartbeat(api, "trace-worker-1", polled["lease_id"], lease_ttl_seconds=10))["trace"])
        step = {"attempt_id": polled["attempt_id"], "action_id": "a", "status": "s", "dedupe_token": "t"}
        reports = [api.post("/v1/workers/trace-worker-1/report-step", json=step) for _ in range(2)]  # one is a repeat
        spans += [data(reported)["trace"] for reported in reports]
        spans.append(data(ack(api, "trace-worker-1", polled["attempt_id"]))["trace"])
        for above, below in itertools.pairwise(spans):
            assert below["trace_id"] == TRACE_ID
            assert below["parent_span_id"] == above["span_id"]
            assert below["traceparent"] == f"00-{TRACE_ID}-{below['span_id']}-01"
        assert len({span["span_id"] for span in spans}) == len(spans)
        assert data(api.get(f"/v1/jobs/{thread}/detail"))["trace"] == spans[-1]
        assert data(api.get(f"/v1/jobs/{thread}"))["trace"] == spans[-1]
        stored = on_store(store, lambda control: control.attempts.trace_of(thread))
        assert (stored.span_id, stored.parent_span_id) == (spans[-1]["span_id"], spans[-2]["span_id"])

    def test_64_a_header_that_is_none(self, api: httpx.Client, store: StoreSettings, thread: str) -> None:
        body = {"thread_id": thread, "graph": "plain"}
        answer = api.post("/v1/jobs/run", json=body, headers={"traceparent": "00-invalid"})
        assert answer.status_code == 400
        assert rows(store, attempts) == []


class TestLife:
    def test_it_has_what_the_request_says(self, api: httpx.Client, store: StoreSettings, thread: str) -> None:
        timeout = {"timeout_ms": 600_000, "on_timeout_status": "Cancelled"}
        run(api, thread, priority=7, tenant_id=" acme ", timeout_policy=timeout)
        (row,) = rows(store, attempts)
        told = {name: row[name] for name in ("run_id", "status", "attempt_no", "priority", "tenant_id")}
        assert told == {"run_id": thread, "status": "queued", "attempt_no": 1, "priority": 7, "tenant_id": "acme"}
        assert (row["timeout_ms"], row["on_timeout_status"]) == (600_000, "cancelled")

    def test_a_run_that_completes_leaves_nothing_to_do(
        self, api: httpx.Client, store: StoreSettings, thread: str
    ) -> None:
        trace = run(api, thread, "plain")["trace"]
        assert statuses(store) == ["completed"]
        assert poll(api)["decision"] == "noop"
        assert data(api.get(f"/v1/jobs/{thread}/detail"))["trace"] == trace

    def test_a_run_that_fails_leaves_nothing(self, api: httpx.Client, store: StoreSettings, thread: str) -> None:
        assert api.post("/v1/jobs/run", json={"thread_id": thread, "graph": "failing"}).status_code == 500
        assert rows(store, attempts) == []

    def test_a_repeated_request_has_no_second_one(self, api: httpx.Client, store: StoreSettings, thread: str) -> None:
        for _ in range(2):
            run(api, thread, idempotency_key=f"key-{thread}")
        assert statuses(store) == ["queued"]

    @pytest.mark.parametrize("by_id", [True, False])
    def test_it_ends_with_the_job(self, api: httpx.Client, store: StoreSettings, thread: str, by_id: bool) -> None:
        run(api, thread)
        polled = poll(api)
        resumed = f"interrupts/int-{thread}-0" if by_id else f"jobs/{thread}"
        data(api.post(f"/v1/{resumed}/resume", json={"value": True}))
        assert statuses(store) == ["completed"]
        assert rows(store, leases) == []
        assert heartbeat(api, "w1", polled["lease_id"]).status_code == 404
        assert data(ack(api, "w1", polled["attempt_id"]))["status"] == "completed"
        assert ack(api, "w1", polled["attempt_id"], "failed").status_code == 409

    def test_it_stays_open_while_the_job_waits(self, api: httpx.Client, store: StoreSettings, thread: str) -> None:
        run(api, thread, "twice")
        data(api.post(f"/v1/jobs/{thread}/resume", json={"value": 1}))
        assert statuses(store) == ["queued"]
        data(api.post(f"/v1/jobs/{thread}/resume", json={"value": 2}))
        assert statuses(store) == ["completed"]

    @pytest.mark.parametrize("path", ["jobs/{}/cancel", "interrupts/int-{}-0/reject"])
    def test_it_is_cancelled_with_the_job(
        self, api: httpx.Client, store: StoreSettings, thread: str, path: str
    ) -> None:
        run(api, thread)
        poll(api)
        data(api.post(f"/v1/{path.format(thread)}", json={}))
        assert statuses(store) == ["cancelled"]
        assert rows(store, leases) == []

    def test_a_new_run_takes_the_place_of_one_that_waits(
        self, api: httpx.Client, store: StoreSettings, thread: str
    ) -> None:
        run(api, thread)
        run(api, thread)
        assert statuses(store) == ["cancelled", "queued"]

    def test_a_replay_ends_what_it_replaces(self, api: httpx.Client, store: StoreSettings, thread: str) -> None:
        run(api, thread, "eff")
        data(api.post(f"/v1/jobs/{thread}/replay"))
        assert statuses(store) == ["queued"]
        data(api.post(f"/v1/jobs/{thread}/resume", json={"value": 1}))
        assert statuses(store) == ["completed"]

    def test_a_dead_letter_is_settled_with_the_job(self, api: httpx.Client, store: StoreSettings, thread: str) -> None:
        run(api, thread)
        attempt_id = poll(api)["attempt_id"]
        data(ack(api, "w1", attempt_id, "failed"))
        data(api.post(f"/v1/jobs/{thread}/resume", json={"value": True}))
        assert data(api.get(f"/v1/dlq/{attempt_id}"))["replay_status"] == "settled"
        refused = (409, f"Driver error: dead letter already replayed for attempt: {attempt_id}")
        assert refusal(api.post(f"/v1/dlq/{attempt_id}/replay")) == refused
        assert poll(api)["decision"] == "noop"

    def test_an_acknowledgement_does_not_touch_the_job(
        self, api: httpx.Client, store: StoreSettings, thread: str
    ) -> None:
        run(api, thread)
        data(ack(api, "w1", poll(api)["attempt_id"]))
        assert data(api.get(f"/v1/jobs/{thread}/detail"))["status"] == "interrupted"
        data(api.post(f"/v1/jobs/{thread}/resume", json={"value": True}))
        assert statuses(store) == ["completed"]


async def test_attempts_of_jobs_that_ended_unseen_are_closed(
    dev_server: DevServer, served_queue: str, store: StoreSettings, thread: str
) -> None:
    client = OrisClient(await dev_server.connect(), task_queue=served_queue)
    async with ControlStore.opened(store) as control:
        for id, run_id in (("mine", thread), ("another", f"{thread}-never-ran")):
            await control.attempts.enqueue(NewAttempt(id, run_id), 0)
        run_attempts = RunAttempts(client, control.attempts)
        await client.run("int", thread, "hello")
        await run_attempts.catch_up()
        assert [row["status"] for row in await rows_of(control, attempts)] == ["queued", "queued"]
        await client.resume(thread, True)
        for _ in range(2):  # the threads after those of the first time, then all again
            await run_attempts.catch_up()
        assert [row["status"] for row in await rows_of(control, attempts)] == ["completed", "queued"]


async def test_a_later_attempt_than_the_one_that_was_looked_at_stays_open(store: StoreSettings) -> None:
    async with ControlStore.opened(store) as control:
        await control.attempts.enqueue(NewAttempt("first", "t"), 0)
        ((thread, last),) = await control.attempts.open_runs()
        await control.attempts.enqueue(NewAttempt("second", "t"), 0)
        await control.attempts.close(thread, "completed", last=last)
        assert await control.attempts.open_runs() == [("t", last + 1)]


async def test_an_attempt_begins_once(store: StoreSettings) -> None:
    async with ControlStore.opened(store) as control:
        await control.attempts.enqueue(NewAttempt("earlier", "t"), 0)
        again = [control.attempts.begin(NewAttempt("new", "t"), 0) for _ in range(8)]
        assert sorted(await asyncio.gather(*again)) == [False] * 7 + [True]
        assert [row["status"] for row in await rows_of(control, attempts)] == ["cancelled", "queued"]
