"""Who may call, and for what: cases 34-58 of the specification's section 20, and what follows from its sections 2 and 3."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, ClassVar
from uuid import uuid4

import httpx
import pytest
from facade_probe import error_of
from facade_store import enqueue, on_store

from oris_temporal.api.control_store import ControlStore, StoreSettings
from oris_temporal.api.control_store.tables import api_keys, audit_log, metadata
from oris_temporal.api.security import StaticKey, hash_secret

Serve = Callable[..., httpx.Client]


@pytest.fixture
def thread() -> str:
    return f"auth-{uuid4().hex[:8]}"


def run(api: httpx.Client, thread: str, **headers: str) -> httpx.Response:
    wire = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.post("/v1/jobs/run", json={"thread_id": thread, "input": "hello"}, headers=wire)


def keyed(key_id: str, secret: str) -> dict[str, str]:
    return {"x_api_key_id": key_id, "x_api_key": secret}


def keep(store: StoreSettings, key_id: str, secret: str, role: str = "operator", tenant: str | None = None) -> None:
    on_store(store, lambda control: control.keys.create(key_id, hash_secret(secret), role, tenant))


class TestCredentials:
    def test_34_without_credentials(self, serve: Serve, store: StoreSettings, thread: str) -> None:
        api = serve(store, api_key="test-api-key")
        answer = run(api, thread, x_request_id="req-auth-1")
        assert answer.status_code == 401
        assert answer.json()["request_id"] == "req-auth-1"
        assert error_of(answer) == {
            "code": "unauthorized",
            "message": "missing or invalid credentials",
            "details": {"supported_auth": ["x-api-key"]},
        }

    def test_35_bearer(self, serve: Serve, store: StoreSettings, thread: str) -> None:
        assert run(serve(store, bearer_token="t-1"), thread, authorization="Bearer t-1").status_code == 200

    def test_36_api_key(self, serve: Serve, store: StoreSettings, thread: str) -> None:
        api = serve(store, api_key="key-1")
        assert run(api, thread, x_api_key="key-1").status_code == 200
        assert run(api, thread, x_api_key="key-1", x_api_key_id="whatever").status_code == 200

    @pytest.mark.parametrize(
        ("active", "secret", "status"), [(True, "secret-1", 200), (False, "secret-1", 401), (True, "secret-wrong", 401)]
    )
    def test_37_38_39_static_keys(
        self, serve: Serve, store: StoreSettings, thread: str, active: bool, secret: str, status: int
    ) -> None:
        api = serve(store, static_keys={"ops-key-1": StaticKey("secret-1", active=active)})
        assert run(api, thread, **keyed("ops-key-1", secret)).status_code == status

    def test_40_41_kept_keys(self, serve: Serve, store: StoreSettings, thread: str) -> None:
        keep(store, "db-key-1", "db-secret-1")
        api = serve(store)
        assert run(api, thread, **keyed("db-key-1", "db-secret-1")).status_code == 200
        assert run(api, thread, **keyed("db-key-1", "db-secret-2")).status_code == 401
        assert run(api, thread, **keyed("db-key-2", "db-secret-1")).status_code == 401
        on_store(store, lambda control: control.keys.set_status("db-key-1", "disabled"))
        assert run(api, thread, **keyed("db-key-1", "db-secret-1")).status_code == 401

    def test_42_a_key_that_is_disabled_still_asks_for_credentials(
        self, serve: Serve, store: StoreSettings, thread: str
    ) -> None:
        api = serve(store)
        assert run(api, thread).status_code == 200
        keep(store, "off", "secret")
        on_store(store, lambda control: control.keys.set_status("off", "disabled"))
        refused = run(api, thread)
        assert refused.status_code == 401
        assert error_of(refused)["details"] == {"supported_auth": ["sqlite:x-api-key-id+x-api-key"]}

    def test_47_several_wrong_ones(self, serve: Serve, store: StoreSettings, thread: str) -> None:
        api = serve(store, static_keys={"ops": StaticKey("secret")})
        assert run(api, thread, authorization="Bearer nope", **keyed("ops", "wrong")).status_code == 401

    def test_a_wrong_one_does_not_veto_a_right_one(self, serve: Serve, store: StoreSettings, thread: str) -> None:
        api = serve(store, bearer_token="t-1", static_keys={"ops": StaticKey("secret")})
        assert run(api, thread, authorization="Bearer nope", **keyed("ops", "secret")).status_code == 200

    @pytest.mark.parametrize("header", ["bearer t-1", "Bearer", "Basic t-1", "Bearer t-2", "t-1", "Bearer\tt-1"])
    def test_other_forms_of_a_bearer_token(self, serve: Serve, thread: str, header: str, tmp_path: Any) -> None:
        api = serve(StoreSettings(sqlite_path=str(tmp_path / "c.db")), bearer_token="t-1")
        assert run(api, thread, authorization=header).status_code == 401

    def test_140_what_is_accepted_is_listed_in_order(self, serve: Serve, store: StoreSettings, thread: str) -> None:
        keep(store, "kept", "secret")
        api = serve(store, bearer_token="t", api_key="k", static_keys={"static": StaticKey("s")})
        listed = error_of(run(api, thread))["details"]["supported_auth"]
        assert listed == ["bearer", "x-api-key", "x-api-key-id+x-api-key", "sqlite:x-api-key-id+x-api-key"]

    def test_the_key_of_the_environment_is_kept_as_an_operator(
        self, serve: Serve, store: StoreSettings, thread: str
    ) -> None:
        api = serve(store, api_key="secret", api_key_id="ops")
        assert run(api, thread, **keyed("ops", "secret")).status_code == 200
        assert run(api, thread, x_api_key="secret").status_code == 401
        found = on_store(store, lambda control: control.keys.find("ops"))
        assert (found.role, found.status) == ("operator", "active")
        assert "secret" not in found.secret_hash

    def test_a_rotated_secret_ends_at_once(self, serve: Serve, store: StoreSettings, thread: str) -> None:
        keep(store, "ops", "old")
        api = serve(store)
        assert run(api, thread, **keyed("ops", "old")).status_code == 200
        on_store(store, lambda control: control.keys.set_secret("ops", hash_secret("new")))
        assert run(api, thread, **keyed("ops", "old")).status_code == 401
        assert run(api, thread, **keyed("ops", "new")).status_code == 200


class TestTiming:
    def test_an_id_that_is_not_known_takes_as_long_as_a_wrong_secret(
        self, serve: Serve, store: StoreSettings, thread: str
    ) -> None:
        keep(store, "known", "secret")
        api = serve(store)

        def quickest(key_id: str) -> float:
            refusals = [run(api, thread, **keyed(key_id, f"wrong-{number}")) for number in range(7)]
            assert {refusal.status_code for refusal in refusals} == {401}
            return min(refusal.elapsed.total_seconds() for refusal in refusals)

        known, unknown = quickest("known"), quickest("unknown")
        assert 0.5 < unknown / known < 2  # the slow hash is most of either


class TestRoles:
    @pytest.fixture
    def api(self, serve: Serve, tmp_path: Any) -> httpx.Client:
        roles = ("admin", "operator", "worker")
        keys = {role: StaticKey("secret", role=role) for role in roles}
        return serve(StoreSettings(sqlite_path=str(tmp_path / "c.db")), static_keys=keys)

    ALLOWED: ClassVar[dict[str, dict[str, set[str]]]] = {
        "/v1/jobs": {"operator": {"GET", "HEAD", "POST", "DELETE"}},
        "/v1/jobs/x/resume": {"operator": {"GET", "HEAD", "POST", "DELETE"}},
        "/v1/interrupts/x": {"operator": {"GET", "HEAD", "POST", "DELETE"}},
        "/v1/dlq/x/replay": {"operator": {"GET", "HEAD", "POST", "DELETE"}},
        "/v1/audit/logs": {"operator": {"GET"}},
        "/v1/attempts/x/retries": {"operator": {"GET"}},
        "/v1/graphs": {"operator": {"GET", "HEAD"}},
        "/v1/workers/poll": {"worker": {"HEAD", "POST", "DELETE"}},
        "/v1/evolution/publish": {},
        "/v1/elsewhere": {},
        "/v1": {},
    }

    @pytest.mark.parametrize("path", ALLOWED)
    def test_43_to_46_the_matrix(self, api: httpx.Client, path: str) -> None:
        for role, method in itertools.product(("admin", "operator", "worker"), ("GET", "HEAD", "POST", "DELETE")):
            answer = api.request(method, path, headers={"x-api-key-id": role, "x-api-key": "secret"})
            allowed = role == "admin" or method in self.ALLOWED[path].get(role, set())
            assert (answer.status_code != 403) is allowed, (role, method, path, answer.status_code)

    def test_43_to_46_50_to_52_what_workers_and_operators_get(
        self, serve: Serve, store: StoreSettings, thread: str
    ) -> None:
        roles = ("admin", "operator", "worker")
        api = serve(store, static_keys={role: StaticKey("secret", role=role) for role in roles})
        headers = {role: {"x-api-key-id": role, "x-api-key": "secret"} for role in roles}
        enqueue(store, "attempt-dlq-rbac")
        assert run(api, thread, **keyed("worker", "secret")).status_code == 403
        poll = {"worker_id": "worker-rbac-1"}
        statuses = {role: api.post("/v1/workers/poll", json=poll, headers=headers[role]).status_code for role in roles}
        assert statuses == {"admin": 200, "operator": 403, "worker": 200}
        failed = {"attempt_id": "attempt-dlq-rbac", "terminal_status": "failed"}
        assert api.post("/v1/workers/worker-rbac-1/ack", json=failed, headers=headers["worker"]).status_code == 200
        for method, path in (
            ("GET", "/v1/dlq"),
            ("GET", "/v1/attempts/attempt-dlq-rbac/retries"),
            ("POST", "/v1/dlq/attempt-dlq-rbac/replay"),
        ):
            assert api.request(method, path, headers=headers["worker"]).status_code == 403
            assert api.request(method, path, headers=headers["operator"]).status_code == 200

    def test_48_a_header_gives_no_role(self, api: httpx.Client, thread: str) -> None:
        refused = run(api, thread, x_oris_role="admin", **keyed("worker", "secret"))
        assert refused.status_code == 403
        assert error_of(refused) == {
            "code": "forbidden",
            "message": "role is not allowed to access this endpoint",
            "details": {"role": "worker", "method": "POST", "path": "/v1/jobs/run"},
        }

    def test_49_a_request_id_that_is_not_well_formed(self, api: httpx.Client, thread: str) -> None:
        request_id = run(api, thread, x_request_id="req injected value").json()["request_id"]
        assert request_id != "req injected value"
        assert " " not in request_id

    def test_130_who_is_not_known_learns_nothing_of_what_is_there(self, api: httpx.Client) -> None:
        assert api.get("/v1/nowhere").status_code == 401
        assert api.delete("/v1/jobs").status_code == 401
        assert api.post("/v1/jobs/run", content=b"{", headers={"content-type": "text/plain"}).status_code == 401

    @pytest.mark.parametrize("path", ["/healthz", "/docs", "/openapi.json", "/metrics"])
    def test_what_everybody_may_see(self, api: httpx.Client, path: str) -> None:
        assert api.get(path).status_code == 200


class TestAudit:
    def entries(self, api: httpx.Client, query: str = "", **headers: str) -> list[dict[str, Any]]:
        wire = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = api.get(f"/v1/audit/logs{query}", headers=wire)
        assert answer.status_code == 200, answer.text
        logs: list[dict[str, Any]] = answer.json()["data"]["logs"]
        return logs

    def test_53_54_runs_and_cancels(self, serve: Serve, store: StoreSettings, thread: str) -> None:
        api = serve(store)
        assert run(api, thread, x_request_id="req-audit-run").status_code == 200
        cancel = api.post(f"/v1/jobs/{thread}/cancel", json={}, headers={"x-request-id": "req-audit-cancel"})
        assert cancel.status_code == 200
        cancelled, ran = self.entries(api)
        assert ran == {
            "audit_id": ran["audit_id"],
            "created_at": ran["created_at"],
            "actor_type": "anonymous",
            "actor_id": None,
            "actor_role": None,
            "action": "job.run",
            "resource_type": "thread",
            "resource_id": None,
            "result": "success",
            "request_id": "req-audit-run",
            "details": {"method": "POST", "path": "/v1/jobs/run", "status_code": 200},
        }
        assert cancelled["audit_id"] > ran["audit_id"]
        assert (cancelled["action"], cancelled["resource_id"]) == ("job.cancel", thread)
        assert cancelled["request_id"] == "req-audit-cancel"

    def test_55_who_was_refused(self, serve: Serve, store: StoreSettings, thread: str) -> None:
        api = serve(store, bearer_token="boss", static_keys={"w": StaticKey("s", role="worker")})
        assert run(api, thread, x_request_id="req-audit-forbidden", **keyed("w", "s")).status_code == 403
        assert run(api, thread, x_request_id="req-unknown").status_code == 401
        unknown, forbidden = self.entries(api, authorization="Bearer boss")
        assert (forbidden["action"], forbidden["result"]) == ("job.run", "error")
        assert (forbidden["actor_type"], forbidden["actor_id"], forbidden["actor_role"]) == ("api_key", "w", "worker")
        assert (unknown["actor_type"], unknown["actor_role"], unknown["result"]) == ("anonymous", None, "error")

    def test_56_filters(self, serve: Serve, store: StoreSettings, thread: str) -> None:
        api = serve(store, static_keys={"ops": StaticKey("s")})
        headers = {"x-api-key-id": "ops", "x-api-key": "s"}
        assert run(api, thread, x_request_id="req-read-run", **keyed("ops", "s")).status_code == 200
        api.post(f"/v1/jobs/{thread}/cancel", json={}, headers={**headers, "x-request-id": "req-read-cancel"})
        query = "?action=job.cancel&request_id=req-read-cancel&limit=5"
        (found,) = self.entries(api, query, **keyed("ops", "s"))
        assert (found["action"], found["actor_role"]) == ("job.cancel", "operator")
        assert len(self.entries(api, "?action=%20&request_id=", **keyed("ops", "s"))) == 2
        assert len(self.entries(api, "?limit=0", **keyed("ops", "s"))) == 1
        assert self.entries(api, "?to_ms=1", **keyed("ops", "s")) == []
        assert len(self.entries(api, "?from_ms=1", **keyed("ops", "s"))) == 2

    def test_57_58_who_may_read_and_what_is_refused(self, serve: Serve, store: StoreSettings) -> None:
        api = serve(store, static_keys={"ops": StaticKey("s"), "w": StaticKey("s", role="worker")})
        ops, worker = ({"x-api-key-id": key, "x-api-key": "s"} for key in ("ops", "w"))
        assert api.get("/v1/audit/logs", headers=worker).status_code == 403
        refused = api.get("/v1/audit/logs?from_ms=10&to_ms=1", headers=ops)
        assert refused.status_code == 400
        assert error_of(refused)["message"] == "from_ms must be less than or equal to to_ms"
        assert api.get("/v1/audit/logs?from_ms=x", headers=ops).status_code == 400
        assert api.get("/v1/audit/logs?from_ms=-5", headers=ops).status_code == 200

    @pytest.mark.parametrize(
        ("path", "recorded"),
        [
            ("/v1/jobs", ("job.run", "thread", None)),
            ("/v1/jobs/a%2Fb/resume", ("job.resume", "thread", "a%2Fb")),
            ("/v1/jobs/t/replay", ("job.replay", "thread", "t")),
            ("/v1/interrupts/int-t-0/resume", ("interrupt.resume", "interrupt", "int-t-0")),
            ("/v1/interrupts/int-t-0/reject", ("interrupt.reject", "interrupt", "int-t-0")),
            ("/v1/dlq/a/replay", ("dlq.replay", "attempt", "a")),
        ],
    )
    def test_131_what_is_recorded_whatever_the_answer(
        self, serve: Serve, tmp_path: Any, path: str, recorded: tuple[str, str, str | None]
    ) -> None:
        api = serve(StoreSettings(sqlite_path=str(tmp_path / "c.db")))
        answer = api.post(path, content=b"{", headers={"content-type": "text/plain"})
        assert answer.status_code in (404, 415)
        (entry,) = self.entries(api)
        assert (entry["action"], entry["resource_type"], entry["resource_id"]) == recorded
        assert entry["result"] == "error"
        assert entry["details"] == {"method": "POST", "path": path, "status_code": answer.status_code}

    def test_reads_are_not_recorded(self, serve: Serve, tmp_path: Any) -> None:
        api = serve(StoreSettings(sqlite_path=str(tmp_path / "c.db")))
        api.get("/v1/jobs")
        api.get("/v1/jobs/x/cancel")
        api.post("/v1/workers/poll", json={"worker_id": "w"})
        assert self.entries(api) == []


class TestStoreThatFails:
    def test_nobody_gets_in_who_would_need_it(self, serve: Serve, store: StoreSettings, thread: str) -> None:
        keep(store, "ops", "secret")
        api = serve(store, bearer_token="boss")
        on_store(store, _drop_tables)
        for headers in (keyed("ops", "secret"), {}, {"authorization": "Bearer wrong"}):
            refused = run(api, thread, **headers)
            assert refused.status_code == 503, refused.text
            assert refused.headers["retry-after"]
            assert "secret" not in refused.text
        assert run(api, thread, authorization="Bearer boss").status_code == 200


async def _drop_tables(control: ControlStore) -> None:
    await control.database.write(lambda connection: metadata.drop_all(connection, [api_keys, audit_log]))
