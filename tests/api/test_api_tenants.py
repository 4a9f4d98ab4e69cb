"""A key that has a tenant sees and touches only that tenant's jobs; what others have is to it as if it were not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from facade_store import enqueue

from oris_temporal.api.control_store import StoreSettings
from oris_temporal.api.security import StaticKey

Serve = Callable[..., httpx.Client]
KEYS = {
    "acme": StaticKey("s", tenant="acme"),
    "globex": StaticKey("s", tenant="globex"),
    "all": StaticKey("s", "admin"),
}


def headers(key: str) -> dict[str, str]:
    return {"x-api-key-id": key, "x-api-key": "s"}


class As:
    """The API as the holder of a key sees it."""

    def __init__(self, api: httpx.Client, key: str) -> None:
        self._api, self._headers = api, headers(key)

    def get(self, path: str) -> httpx.Response:
        return self._api.get(path, headers=self._headers)

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self._api.post(path, json=body, headers=self._headers)

    def run(self, thread: str, **body: Any) -> httpx.Response:
        return self.post("/v1/jobs/run", thread_id=thread, input="hello", **body)


@pytest.fixture
def api(serve: Serve, tmp_path: Path) -> httpx.Client:
    return serve(StoreSettings(sqlite_path=str(tmp_path / "c.db")), static_keys=KEYS)


@pytest.fixture
def acme(api: httpx.Client) -> As:
    return As(api, "acme")


@pytest.fixture
def globex(api: httpx.Client) -> As:
    return As(api, "globex")


@pytest.fixture
def thread(acme: As) -> str:
    """A job of acme's that waits for an answer."""
    thread = f"acme-{uuid4().hex[:8]}"
    assert acme.run(thread).status_code == 200
    return thread


def test_a_job_is_of_its_callers_tenant(
    acme: As, api: httpx.Client, thread: str, eventually: Callable[..., Any]
) -> None:
    assert acme.get(f"/v1/jobs/{thread}").status_code == 200
    assert As(api, "all").get(f"/v1/jobs/{thread}").status_code == 200
    assert eventually(lambda: thread in acme.get("/v1/jobs").text)


@pytest.mark.parametrize(
    "path",
    [
        *("", "/state", "/detail", "/history", "/timeline", "/timeline/export", "/checkpoints/0001-000001"),
        *("/stream", "/result"),
    ],
)
def test_what_others_have_cannot_be_read(globex: As, thread: str, path: str) -> None:
    mine, nobodys = globex.get(f"/v1/jobs/{thread}{path}"), globex.get(f"/v1/jobs/no-{thread}{path}")
    assert mine.status_code == nobodys.status_code == 404
    assert mine.json()["error"]["message"] == f"thread not found: {thread}"
    assert nobodys.json()["error"]["message"] == f"thread not found: no-{thread}"


@pytest.mark.parametrize("verb", ["resume", "replay", "cancel", "fork", "state"])
def test_what_others_have_cannot_be_steered(acme: As, globex: As, thread: str, verb: str) -> None:
    assert globex.post(f"/v1/jobs/{thread}/{verb}", value=True, values={}).status_code == 404
    assert acme.get(f"/v1/jobs/{thread}/detail").json()["data"]["status"] == "interrupted"


def test_a_thread_that_there_is_not_cannot_be_blocked_for_others(acme: As, globex: As) -> None:
    thread = f"later-{uuid4().hex[:8]}"
    assert globex.post(f"/v1/jobs/{thread}/cancel").status_code == 404
    assert acme.run(thread).status_code == 200


def test_interrupts(acme: As, globex: As, thread: str, eventually: Callable[..., Any]) -> None:
    id = f"int-{thread}-0"
    assert globex.get(f"/v1/interrupts/{id}").status_code == 404
    assert globex.post(f"/v1/interrupts/{id}/resume", value=True).status_code == 404
    assert globex.post(f"/v1/interrupts/{id}/reject").status_code == 404
    for query in ("?status=pending", "", f"?run_id={thread}"):
        assert eventually(lambda query=query: id in acme.get(f"/v1/interrupts{query}").text)
        assert id not in globex.get(f"/v1/interrupts{query}").text
    assert acme.post(f"/v1/interrupts/{id}/resume", value=True).status_code == 200


def test_lists(acme: As, globex: As, thread: str, eventually: Callable[..., Any]) -> None:
    assert eventually(lambda: thread in acme.get("/v1/jobs").text)
    assert thread not in globex.get("/v1/jobs").text
    assert thread not in globex.get("/v1/jobs?status=interrupted").text


def test_running(acme: As, globex: As, api: httpx.Client, thread: str) -> None:
    assert acme.run(f"{thread}-2", tenant_id="acme").status_code == 200
    assert acme.run(f"{thread}-3", tenant_id="globex").status_code == 403
    assert As(api, "all").run(f"{thread}-4", tenant_id="globex").status_code == 200
    assert globex.get(f"/v1/jobs/{thread}-4").status_code == 200
    taken = globex.run(thread)
    assert taken.status_code == 409
    assert taken.json()["error"]["message"] == f"thread '{thread}' is not free: choose another thread_id"


def test_the_audit_log(acme: As, globex: As, api: httpx.Client, thread: str) -> None:
    assert [entry["actor_id"] for entry in acme.get("/v1/audit/logs").json()["data"]["logs"]] == ["acme"]
    assert globex.get("/v1/audit/logs").json()["data"]["logs"] == []
    assert len(As(api, "all").get("/v1/audit/logs").json()["data"]["logs"]) == 1


class TestWorkers:
    """Attempts, their leases and dead letters are their tenant's."""

    @pytest.fixture
    def api(self, serve: Serve, store: StoreSettings) -> httpx.Client:
        workers = {f"{tenant}-worker": StaticKey("s", "worker", tenant=tenant) for tenant in ("acme", "globex")}
        enqueue(store, "acme-1", "acme-2", tenant_id="acme")
        enqueue(store, "globex-1", tenant_id="globex", priority=100)
        return serve(store, static_keys={**KEYS, **workers})

    def test_a_worker_gets_the_attempts_of_its_tenant(self, api: httpx.Client) -> None:
        worker = As(api, "acme-worker")
        got = [worker.post("/v1/workers/poll", worker_id="w").json()["data"]["attempt_id"] for _ in range(3)]
        assert got == ["acme-1", "acme-2", None]

    def test_of_the_limits_of_others_it_learns_nothing(self, api: httpx.Client) -> None:
        As(api, "globex-worker").post("/v1/workers/poll", worker_id="g")
        worker = As(api, "acme-worker")
        for expected in ("dispatched", "backpressure"):
            polled = worker.post("/v1/workers/poll", worker_id="w", tenant_max_active_leases=1).json()["data"]
            assert polled["decision"] == expected
        assert polled["tenant_id"] == "acme"

    def test_what_others_have_is_not_there(self, api: httpx.Client) -> None:
        owner, other = As(api, "globex-worker"), As(api, "acme-worker")
        lease = owner.post("/v1/workers/poll", worker_id="w").json()["data"]["lease_id"]
        assert other.post("/v1/workers/w/heartbeat", lease_id=lease).status_code == 404
        failed = {"attempt_id": "globex-1", "terminal_status": "failed"}
        assert other.post("/v1/workers/w/ack", **failed).status_code == 404
        step = {"attempt_id": "globex-1", "action_id": "a", "status": "s", "dedupe_token": "t"}
        assert other.post("/v1/workers/w/report-step", **step).status_code == 404
        assert owner.post("/v1/workers/w/report-step", **step).status_code == 200
        assert owner.post("/v1/workers/w/ack", **failed).status_code == 200

        mine, others = As(api, "globex"), As(api, "acme")
        assert others.get("/v1/dlq").json()["data"]["entries"] == []
        assert [entry["attempt_id"] for entry in mine.get("/v1/dlq").json()["data"]["entries"]] == ["globex-1"]
        for path in ("/v1/dlq/globex-1", "/v1/attempts/globex-1/retries"):
            assert others.get(path).status_code == 404
            assert mine.get(path).status_code == 200
        assert others.post("/v1/dlq/globex-1/replay").status_code == 404
        assert mine.post("/v1/dlq/globex-1/replay").status_code == 200
