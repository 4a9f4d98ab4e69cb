"""Nodes that HTTP workers do: Temporal activities behind the worker protocol, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import pytest
from facade_probe import error_of
from facade_store import age, on_store, rows

from oris_temporal.api.control_store import ControlStore, StoreSettings
from oris_temporal.api.control_store.acks import Ack
from oris_temporal.api.control_store.attempts import NewAttempt
from oris_temporal.api.control_store.remote_tasks import Activity, RemoteTask
from oris_temporal.api.control_store.retries import RetryPolicy
from oris_temporal.api.control_store.tables import remote_tasks
from oris_temporal.api.control_store.times import now_millis
from oris_temporal.client import OrisClient
from oris_temporal.devserver import DevServer

T = TypeVar("T")
Serve = Callable[..., httpx.Client]
Eventually = Callable[[Callable[[], T]], T]


@pytest.fixture
def api(serve: Serve, store: StoreSettings) -> httpx.Client:
    return serve(store)


@pytest.fixture
def thread() -> str:
    return f"scan-{uuid4().hex[:8]}"


def data(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found


def start(api: httpx.Client, thread: str, **body: Any) -> dict[str, Any]:
    given = {"thread_id": thread, "graph": "scan", "input": {"image": "page-1.png"}, "wait_ms": 0, **body}
    return data(api.post("/v1/jobs/run", json=given))


def job(api: httpx.Client, thread: str, **query: Any) -> dict[str, Any]:
    return data(api.get(f"/v1/jobs/{thread}", params=query))


def with_node(polled: dict[str, Any]) -> dict[str, Any] | None:
    """What a poll got, if it is for a node."""
    return polled if polled["node"] else None


@pytest.fixture
def take(api: httpx.Client, eventually: Eventually[dict[str, Any] | None]) -> Callable[..., dict[str, Any]]:
    """Polls until there is work for a node."""

    def poll(worker: str = "w1") -> dict[str, Any]:
        def ask() -> dict[str, Any] | None:
            return with_node(data(api.post("/v1/workers/poll", json={"worker_id": worker})))

        found = eventually(ask)
        assert found is not None
        return found

    return poll


@pytest.fixture
def ended(api: httpx.Client, eventually: Eventually[dict[str, Any] | None]) -> Callable[[str], dict[str, Any]]:
    """A job once it has ended."""

    def wait_for(thread: str) -> dict[str, Any]:
        def ask() -> dict[str, Any] | None:
            found = data(api.get(f"/v1/jobs/{thread}"))
            return found if found["status"] in ("completed", "failed", "cancelled") else None

        found = eventually(ask)
        assert found is not None
        return found

    return wait_for


Steer = Callable[[Callable[[OrisClient], Awaitable[None]]], None]


@pytest.fixture
def temporal(dev_server: DevServer) -> Steer:
    """Does something to runs without any facade."""

    async def steer(work: Callable[[OrisClient], Awaitable[None]]) -> None:
        await work(OrisClient(await dev_server.connect()))

    return lambda work: asyncio.run(steer(work))


def ack(api: httpx.Client, task: dict[str, Any], status: str = "completed", worker: str = "w1", **body: Any) -> Any:
    given = {"attempt_id": task["attempt_id"], "terminal_status": status, **body}
    return api.post(f"/v1/workers/{worker}/ack", json=given)


Take = Callable[..., dict[str, Any]]
Ended = Callable[[str], dict[str, Any]]


def test_a_worker_gets_the_input_and_its_output_moves_the_graph_on(
    api: httpx.Client, thread: str, take: Take, ended: Ended
) -> None:
    assert start(api, thread, tenant_id="acme")["status"] == "running"
    task = take()
    assert (task["thread_id"], task["graph"], task["node"]) == (thread, "scan", "ocr")
    assert task["tenant_id"] == "acme"
    assert task["input"] == {"image": "page-1.png"}
    assert task["attempt_no"] == 1
    assert 50 < (datetime.fromisoformat(task["deadline"]) - datetime.now(UTC)).total_seconds() <= 60
    assert data(ack(api, task, output={"text": "What the page says"}))["status"] == "completed"
    assert ended(thread)["status"] == "completed"
    assert job(api, thread)["values"]["words"] == 4


def test_a_worker_that_fails_fails_the_node(api: httpx.Client, thread: str, take: Take, ended: Ended) -> None:
    start(api, thread)
    assert data(ack(api, take(), "failed", error="the page is blank"))["status"] == "failed"
    failed = ended(thread)
    assert failed["status"] == "failed"
    result = api.get(f"/v1/jobs/{thread}/result")
    assert "scan.ocr" in result.text
    assert "the page is blank" in result.text


class TestRetries:
    def test_the_worker_says_when_to_try_again(self, api: httpx.Client, thread: str, take: Take, ended: Ended) -> None:
        start(api, thread)
        policy = {"strategy": "fixed", "backoff_ms": 1, "max_retries": 1}
        first = take()
        assert data(ack(api, first, "failed", retry_policy=policy))["status"] == "retry_scheduled"
        second = take()
        assert (second["attempt_id"], second["attempt_no"]) == (first["attempt_id"], 2)
        ack(api, second, output={"text": "at last"})
        assert ended(thread)["status"] == "completed"

    def test_a_lost_lease_is_given_to_another_worker(
        self, api: httpx.Client, store: StoreSettings, thread: str, take: Take, ended: Ended
    ) -> None:
        start(api, thread)
        first = take("w1")
        age(store, expiry=40_000)
        second = take("w2")
        assert second["attempt_id"] == first["attempt_id"]
        assert ack(api, first, worker="w1", output={"text": "too late"}).status_code == 409
        data(ack(api, second, worker="w2", output={"text": "in time"}))
        assert ended(thread)["status"] == "completed"
        assert job(api, thread)["values"]["text"] == "in time"

    def test_a_worker_that_takes_too_long_fails_the_node(
        self, api: httpx.Client, store: StoreSettings, thread: str, take: Take, ended: Ended
    ) -> None:
        start(api, thread)
        take()
        age(store, timeout=61_000)
        assert ended(thread)["status"] == "failed"
        assert "60 s" in api.get(f"/v1/jobs/{thread}/result").text


class TestDeadLetters:
    def test_a_replay_revives_the_node_and_its_job(
        self, api: httpx.Client, thread: str, take: Take, ended: Ended, eventually: Eventually[bool]
    ) -> None:
        start(api, thread)
        dead = take()
        ack(api, dead, "failed", error="out of toner")
        ended(thread)
        assert data(api.get(f"/v1/dlq/{dead['attempt_id']}"))["replay_status"] == "pending"
        assert data(api.post(f"/v1/dlq/{dead['attempt_id']}/replay"))["replay_count"] == 1
        again = take()
        assert again["attempt_id"] == dead["attempt_id"]
        assert again["run_id"] != dead["run_id"]
        data(ack(api, again, output={"text": "two words"}))
        assert eventually(lambda: job(api, thread)["status"] == "completed")
        assert job(api, thread)["values"]["words"] == 2

    def test_what_cannot_run_again_stays_a_dead_letter(
        self, api: httpx.Client, thread: str, take: Take, ended: Ended
    ) -> None:
        start(api, thread)
        dead = take()
        ack(api, dead, "failed")
        ended(thread)
        data(api.post(f"/v1/jobs/{thread}/cancel", json={}))
        refused = api.post(f"/v1/dlq/{dead['attempt_id']}/replay")
        assert refused.status_code == 409


class TestCancel:
    def test_a_cancelled_job_takes_its_work_back(
        self, api: httpx.Client, thread: str, take: Take, ended: Ended
    ) -> None:
        start(api, thread)
        task = take()
        data(api.post(f"/v1/jobs/{thread}/cancel", json={}))
        assert ended(thread)["status"] == "cancelled"
        heartbeat = {"lease_id": task["lease_id"]}
        assert api.post("/v1/workers/w1/heartbeat", json=heartbeat).status_code == 404
        assert ack(api, task, output={"text": "nobody hears"}).status_code == 409

    @pytest.mark.parametrize("how", ["cancel", "terminate"])
    def test_the_next_heartbeat_says_so_when_it_ended_elsewhere(
        self, api: httpx.Client, temporal: Steer, thread: str, take: Take, eventually: Eventually[bool], how: str
    ) -> None:
        start(api, thread)
        task = take()
        temporal(lambda client: getattr(client.temporal.get_workflow_handle(thread), how)())
        heartbeat = {"lease_id": task["lease_id"]}
        assert eventually(lambda: api.post("/v1/workers/w1/heartbeat", json=heartbeat).status_code == 404)
        assert ack(api, task, output={"text": "nobody hears"}).status_code == 409
        assert eventually(lambda: job(api, thread)["status"] == "cancelled")


class TestBadOutput:
    def test_of_no_node(self, api: httpx.Client, thread: str) -> None:
        start(api, thread, graph="int", input="hello", wait_ms=5_000)
        task = data(api.post("/v1/workers/poll", json={"worker_id": "w1"}))
        refused = ack(api, task, output={"text": "for whom?"})
        assert (refused.status_code, "no node waits" in error_of(refused)["message"]) == (400, True)

    def test_a_graph_that_is_known_is_asked_first(
        self, serve: Serve, store: StoreSettings, thread: str, eventually: Eventually[Any]
    ) -> None:
        api = serve(store, graphs=("facade_graphs:all_graphs",))
        start(api, thread)
        task = eventually(lambda: with_node(data(api.post("/v1/workers/poll", json={"worker_id": "w1"}))))
        assert ack(api, task, worker="w2", output={"text": 5}).status_code == 409  # says nothing of the graph
        refused = ack(api, task, output={"text": 5})
        assert (refused.status_code, "'text'" in error_of(refused)["message"]) == (400, True)
        assert data(ack(api, task, output={"text": "a page"}))["status"] == "completed"

    def test_a_graph_that_does_not_take_it_fails(
        self, api: httpx.Client, thread: str, take: Take, ended: Ended
    ) -> None:
        start(api, thread)
        data(ack(api, take(), output={"text": 5}))
        assert ended(thread)["status"] == "failed"
        assert "scan.ocr" in api.get(f"/v1/jobs/{thread}/result").text


def test_the_worker_of_the_examples(
    api: httpx.Client, thread: str, ended: Ended, eventually: Eventually[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    from examples import http_worker

    def work() -> bool:
        http_worker.work(str(api.base_url), "w1")
        return bool(job(api, thread)["status"] == "completed")

    start(api, thread, graph="scan-example")
    assert eventually(work)
    assert ended(thread)["values"]["words"] == 6


class TestFacadesThatDie:
    def test_before_the_run_hears_of_an_ack(
        self, api: httpx.Client, store: StoreSettings, thread: str, take: Take, ended: Ended
    ) -> None:
        start(api, thread)
        task = take()
        said = Ack(task["attempt_id"], "w1", "completed", None, "0" * 16, output={"text": "kept"})
        on_store(store, lambda control: control.acks.ack(said, now_millis()))
        assert ended(thread)["status"] == "completed"
        assert job(api, thread)["values"]["text"] == "kept"

    async def test_while_a_worker_is_at_it(self, store: StoreSettings) -> None:
        """Temporal, which heard nothing for long, asks the next one; the worker that has it goes on."""
        async with ControlStore.opened(store) as control:
            assert await _take(control, b"first", "attempt-1") == "attempt-1"
            assert await _take(control, b"second", "attempt-2") == "attempt-1"
            assert [task.activity.task_token for task in await control.remote_tasks.open()] == [b"second"]

    async def test_after_it_said_how_the_work_ended(self, store: StoreSettings) -> None:
        async with ControlStore.opened(store) as control:
            await _take(control, b"first", "attempt-1")
            [task] = await control.remote_tasks.open()
            await control.attempts.close("run-1", "completed")
            await control.remote_tasks.told(task)
            assert await _take(control, b"second", "attempt-2") == "attempt-1"
            assert [item.activity.task_token for item in await control.remote_tasks.untold()] == [b"second"]

    async def test_the_same_node_of_another_run_is_new_work(self, store: StoreSettings) -> None:
        async with ControlStore.opened(store) as control:
            await _take(control, b"first", "attempt-1")
            assert await _take(control, b"second", "attempt-2", run="another") == "attempt-2"


async def _take(control: ControlStore, token: bytes, attempt_id: str, run: str = "temporal-run") -> str:
    activity = Activity("workflow", run, "1/ocr/0", token)
    task = RemoteTask(attempt_id, activity, "scan", "ocr", {"image": "page.png"})
    policy = RetryPolicy("fixed", 1, None, 1.0, 0)
    return await control.remote_tasks.take(task, NewAttempt(attempt_id, "run-1"), policy, now_millis())


def test_what_ends_is_told_once(api: httpx.Client, store: StoreSettings, thread: str, take: Take, ended: Ended) -> None:
    start(api, thread)
    task = take()
    for _ in range(3):
        data(ack(api, task, output={"text": "once"}))
    assert ended(thread)["status"] == "completed"
    assert [row["state"] for row in rows(store, remote_tasks)] == ["told"]
