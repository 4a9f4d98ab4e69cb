"""HTTP workers over HTTP, on both databases: cases 65-87, 113, 134 and 135 of the specification's section 20, and its sections 6 to 9."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from facade_probe import error_of
from facade_store import age, enqueue, rows

from oris_temporal.api.control_store import StoreSettings
from oris_temporal.api.control_store.tables import attempts, leases, step_reports

Serve = Callable[..., httpx.Client]
ID = "attempt-1"


@pytest.fixture
def api(serve: Serve, store: StoreSettings) -> httpx.Client:
    return serve(store)


def data(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, error_of(answer)["message"]


def poll(api: httpx.Client, worker: str = "w1", **body: Any) -> dict[str, Any]:
    return data(api.post("/v1/workers/poll", json={"worker_id": worker, **body}))


def heartbeat(api: httpx.Client, worker: str, lease_id: str, **body: Any) -> httpx.Response:
    return api.post(f"/v1/workers/{worker}/heartbeat", json={"lease_id": lease_id, **body})


def ack(
    api: httpx.Client, worker: str = "w1", attempt_id: str = ID, status: str = "completed", **body: Any
) -> httpx.Response:
    return api.post(f"/v1/workers/{worker}/ack", json={"attempt_id": attempt_id, "terminal_status": status, **body})


def report(api: httpx.Client, worker: str = "w1", **body: Any) -> httpx.Response:
    given = {"attempt_id": ID, "action_id": "action-1", "status": "succeeded", "dedupe_token": "tok-1", **body}
    return api.post(f"/v1/workers/{worker}/report-step", json=given)


def seconds_until(moment: str) -> float:
    return (datetime.fromisoformat(moment) - datetime.now(UTC)).total_seconds()


class TestFlow:
    def test_65_66_67_poll_heartbeat_ack(self, api: httpx.Client, store: StoreSettings) -> None:
        enqueue(store, ID)
        polled = poll(api)
        assert polled == {
            "decision": "dispatched",
            "attempt_id": ID,
            "lease_id": polled["lease_id"],
            "lease_expires_at": polled["lease_expires_at"],
            "reason": None,
            "worker_active_leases": 0,
            "worker_limit": 8,
            "tenant_id": None,
            "tenant_active_leases": None,
            "tenant_limit": None,
            "trace": None,
            "thread_id": "run-1",
            "run_id": None,
            "graph": None,
            "node": None,
            "input": None,
            "attempt_no": 1,
            "deadline": None,
        }
        assert polled["lease_id"].startswith("lease-")
        assert 25 < seconds_until(polled["lease_expires_at"]) <= 30
        kept = data(heartbeat(api, "w1", polled["lease_id"], lease_ttl_seconds=10))
        assert kept.keys() == {"worker_id", "lease_id", "lease_expires_at", "trace"}
        assert 5 < seconds_until(kept["lease_expires_at"]) <= 10
        ended = {"status": "completed", "next_retry_at": None, "next_attempt_no": 1, "trace": None}
        assert data(ack(api)) == {"attempt_id": ID, **ended}
        assert poll(api)["decision"] == "noop"

    def test_nothing_to_do(self, api: httpx.Client) -> None:
        polled = poll(api, max_active_leases=0, tenant_max_active_leases=10**19)
        told = {"decision": "noop", "worker_active_leases": 0, "worker_limit": 1, "tenant_limit": 1_000}
        assert polled == dict.fromkeys(polled) | told

    def test_extend_lease_is_heartbeat(self, api: httpx.Client, store: StoreSettings) -> None:
        enqueue(store, ID)
        lease = {"lease_id": poll(api)["lease_id"]}
        for given, least, most in ((None, 25, 30), (-5, 0, 1), (3600, 3590, 3600)):
            body = {**lease, "lease_ttl_seconds": given}
            kept = data(api.post("/v1/workers/w1/extend-lease", json=body))
            assert least <= seconds_until(kept["lease_expires_at"]) <= most

    def test_a_worker_called_poll(self, api: httpx.Client, store: StoreSettings) -> None:
        enqueue(store, ID)
        assert heartbeat(api, "poll", poll(api, "poll")["lease_id"]).status_code == 200


class TestOrder:
    def test_76_higher_priority_first(self, api: httpx.Client, store: StoreSettings) -> None:
        enqueue(store, "attempt-priority-low", priority=5)
        enqueue(store, "attempt-priority-high", priority=80)
        assert poll(api, "w1")["attempt_id"] == "attempt-priority-high"
        assert poll(api, "w2")["attempt_id"] == "attempt-priority-low"

    def test_first_in_first_out_within_a_priority(self, api: httpx.Client, store: StoreSettings) -> None:
        ids = ["c", "a", "d", "b"]
        enqueue(store, *ids)
        assert [poll(api)["attempt_id"] for _ in ids] == ids


class TestLimits:
    def test_77_to_80_worker_limit_foreign_heartbeat_and_failover(
        self, api: httpx.Client, store: StoreSettings
    ) -> None:
        enqueue(store, "a", "b")
        first = poll(api, "w2", max_active_leases=1)
        assert first["lease_id"]
        held_back = poll(api, "w2", max_active_leases=1)
        told = {"decision": "backpressure", "reason": "worker_limit", "worker_active_leases": 1, "worker_limit": 1}
        assert held_back == dict.fromkeys(held_back) | told
        refused = heartbeat(api, "w-other", first["lease_id"])
        assert refused.status_code == 409
        assert error_of(refused) == {
            "code": "conflict",
            "message": "lease ownership mismatch",
            "details": {"expected_worker_id": "w2", "actual_worker_id": "w-other"},
        }
        age(store, expiry=20_000)
        again = poll(api, "w2", max_active_leases=1)
        assert (again["decision"], again["attempt_id"]) == ("dispatched", "a")
        assert again["lease_id"] != first["lease_id"]

    def test_81_82_tenant_limit(self, api: httpx.Client, store: StoreSettings) -> None:
        enqueue(store, "a", "b", tenant_id="tenant-1")
        assert poll(api, "w1", tenant_max_active_leases=1)["tenant_id"] == "tenant-1"
        held_back = poll(api, "w2", tenant_max_active_leases=1)
        assert held_back == dict.fromkeys(held_back) | {
            "decision": "backpressure",
            "reason": "tenant_limit",
            "worker_active_leases": 0,
            "worker_limit": 8,
            "tenant_id": "tenant-1",
            "tenant_active_leases": 1,
            "tenant_limit": 1,
        }

    def test_the_last_tenant_that_was_passed_over_is_told(self, api: httpx.Client, store: StoreSettings) -> None:
        for tenant in ("t1", "t2"):
            enqueue(store, f"{tenant}-a", f"{tenant}-b", tenant_id=tenant)
        assert [poll(api, f"w{n}", tenant_max_active_leases=1)["attempt_id"] for n in (1, 2)] == ["t1-a", "t2-a"]
        assert poll(api, "w3", tenant_max_active_leases=1)["tenant_id"] == "t2"

    def test_no_tenant_starves_another(self, api: httpx.Client, store: StoreSettings) -> None:
        enqueue(store, *(f"big-{n:02}" for n in range(40)), tenant_id="big", priority=100)
        enqueue(store, "small", tenant_id="small")
        enqueue(store, "nobodys")
        assert poll(api, tenant_max_active_leases=1)["tenant_id"] == "big"
        assert poll(api, tenant_max_active_leases=1)["tenant_id"] == "small"
        assert poll(api, tenant_max_active_leases=1)["attempt_id"] == "nobodys"


class TestLeases:
    def test_134_unknown_lease(self, api: httpx.Client) -> None:
        assert refusal(heartbeat(api, "w1", "lease-nope")) == (404, "lease not found")

    def test_within_the_grace_a_lease_is_its_workers(self, api: httpx.Client, store: StoreSettings) -> None:
        enqueue(store, ID)
        lease = poll(api)["lease_id"]
        age(store, expiry=1_000)
        assert poll(api, "w2")["decision"] == "noop"
        assert heartbeat(api, "w1", lease).status_code == 200

    def test_after_the_grace_it_is_lost(self, api: httpx.Client, store: StoreSettings) -> None:
        enqueue(store, ID)
        lease = poll(api)["lease_id"]
        age(store, expiry=6_000)
        assert refusal(heartbeat(api, "w1", lease)) == (404, "lease not found")
        refused = ack(api, "w1")
        assert refusal(refused) == (409, "lease ownership mismatch")
        assert error_of(refused)["details"] == {"expected_worker_id": None, "actual_worker_id": "w1"}
        assert poll(api, "w2")["attempt_id"] == ID


class TestTimeouts:
    def test_74_75_an_attempt_that_takes_too_long(self, api: httpx.Client, store: StoreSettings) -> None:
        enqueue(store, ID, timeout_ms=1_000)
        poll(api)
        age(store, timeout=5_000)
        assert poll(api, "w2")["decision"] == "noop"
        assert rows(store, leases) == []
        assert rows(store, attempts)[0]["status"] == "failed"
        assert data(api.get(f"/v1/dlq/{ID}"))["reason"] == "execution_timeout"

    def test_one_that_is_late_and_lost_ends(self, api: httpx.Client, store: StoreSettings) -> None:
        enqueue(store, ID, timeout_ms=1_000, on_timeout_status="cancelled")
        poll(api)
        age(store, timeout=5_000, expiry=20_000)
        assert poll(api, "w2")["decision"] == "noop"
        assert rows(store, attempts)[0]["status"] == "cancelled"
        assert api.get(f"/v1/dlq/{ID}").status_code == 404

    def test_both_happen_without_a_poll(
        self, api: httpx.Client, store: StoreSettings, eventually: Callable[..., Any]
    ) -> None:
        enqueue(store, "late", timeout_ms=1_000)
        enqueue(store, "lost")
        assert [poll(api)["attempt_id"] for _ in range(2)] == ["late", "lost"]
        age(store, timeout=5_000, expiry=20_000)
        assert eventually(lambda: rows(store, leases) == [])
        assert [row["status"] for row in rows(store, attempts)] == ["failed", "queued"]


class TestReports:
    def test_68_69_70_each_token_once(self, api: httpx.Client, store: StoreSettings) -> None:
        first = data(report(api, "w3"))
        assert first == {
            "attempt_id": ID,
            "status": "reported",
            "trace": None,
            "next_retry_at": None,
            "next_attempt_no": None,
        }
        assert data(report(api, "w3"))["status"] == "reported_idempotent"
        assert data(report(api, "w4"))["status"] == "reported_idempotent"
        for other in ({"status": "failed"}, {"action_id": "action-2"}):
            assert refusal(report(api, "w3", **other)) == (
                409,
                f"Driver error: dedupe_token 'tok-1' already used with different payload for attempt '{ID}'",
            )
        assert len(rows(store, step_reports)) == 1

    def test_an_attempt_that_is_known_is_its_workers(self, api: httpx.Client, store: StoreSettings) -> None:
        enqueue(store, ID)
        poll(api, "w1")
        refused = report(api, "w2")
        assert refusal(refused) == (409, "lease ownership mismatch")
        assert error_of(refused)["details"] == {"expected_worker_id": "w1", "actual_worker_id": "w2"}
        assert data(report(api, "w1"))["status"] == "reported"


class TestAcks:
    def test_71_72_73_a_retry(self, api: httpx.Client, store: StoreSettings) -> None:
        enqueue(store, ID)
        poll(api)
        policy = {"strategy": "fixed", "backoff_ms": 60_000, "max_retries": 2}
        failed = data(ack(api, status="failed", retry_policy=policy))
        assert (failed["status"], failed["next_attempt_no"]) == ("retry_scheduled", 2)
        assert 50 < seconds_until(failed["next_retry_at"]) <= 60
        assert poll(api)["decision"] == "noop"
        told = data(api.get(f"/v1/attempts/{ID}/retries"))
        (retry,) = told.pop("history")
        assert told == {"attempt_id": ID, "current_attempt_no": 2, "current_status": "retry_backoff"}
        assert retry.pop("scheduled_at") == failed["next_retry_at"]
        assert retry == {
            "retry_no": 1,
            "attempt_no": 2,
            "strategy": "fixed",
            "backoff_ms": 60_000,
            "max_retries": 2,
        }

    def test_an_attempt_that_is_not_known(self, api: httpx.Client) -> None:
        assert refusal(ack(api)) == (404, f"Driver error: attempt not found for ack: {ID}")
        assert refusal(api.get(f"/v1/attempts/{ID}/retries")) == (404, "attempt not found")

    def test_only_who_holds_the_lease(self, api: httpx.Client, store: StoreSettings) -> None:
        enqueue(store, ID)
        refused = ack(api, "w2")
        assert refusal(refused) == (409, "lease ownership mismatch")
        assert error_of(refused)["details"] == {"expected_worker_id": None, "actual_worker_id": "w2"}
        poll(api, "w1")
        assert error_of(ack(api, "w2"))["details"] == {"expected_worker_id": "w1", "actual_worker_id": "w2"}
        assert ack(api, "w1").status_code == 200

    @pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
    def test_saying_the_same_again_changes_nothing(self, api: httpx.Client, store: StoreSettings, status: str) -> None:
        enqueue(store, ID)
        poll(api)
        first = data(ack(api, status=status))
        assert data(ack(api, status=status)) == first
        for other in {"completed", "failed", "cancelled"} - {status}:
            assert refusal(ack(api, status=other)) == (409, f"attempt already {status}: {ID}")
        assert rows(store, attempts)[0]["status"] == status

    def test_a_retry_that_is_scheduled_is_not_scheduled_again(self, api: httpx.Client, store: StoreSettings) -> None:
        enqueue(store, ID)
        poll(api)
        policy = {"strategy": "fixed", "backoff_ms": 60_000, "max_retries": 2}
        first = data(ack(api, status="failed", retry_policy=policy))
        assert data(ack(api, status="failed", retry_policy=policy)) == first
        assert refusal(ack(api, status="completed")) == (409, "lease ownership mismatch")


class TestMessages:
    """Case 135: what is wrong with a request is told in the order of the specification."""

    GOOD: dict[str, Any] = {"strategy": "fixed", "backoff_ms": 10, "max_backoff_ms": 10, "max_retries": 1}  # noqa: RUF012

    @pytest.fixture
    def api(self, serve: Serve, tmp_path: Any) -> httpx.Client:
        return serve(StoreSettings(sqlite_path=str(tmp_path / "c.db")))

    def test_workers(self, api: httpx.Client) -> None:
        blank = (400, "worker_id must not be empty")
        assert refusal(api.post("/v1/workers/poll", json={"worker_id": " "})) == blank
        for verb, body in (
            ("heartbeat", {"lease_id": "x", "lease_ttl_seconds": 10**9}),
            ("extend-lease", {"lease_id": "x"}),
            ("report-step", dict.fromkeys(("attempt_id", "action_id", "status", "dedupe_token"), "")),
            ("ack", {"attempt_id": "", "terminal_status": "x"}),
        ):
            for worker in ("", "%20"):
                assert refusal(api.post(f"/v1/workers/{worker}/{verb}", json=body)) == blank

    def test_reports(self, api: httpx.Client) -> None:
        given = dict.fromkeys(("attempt_id", "action_id", "status", "dedupe_token"), " ")
        for name in given:
            answer = api.post("/v1/workers/w/report-step", json=given)
            assert refusal(answer) == (400, f"{name} must not be empty")
            given[name] = "x"

    def test_acks(self, api: httpx.Client) -> None:
        bad = {"strategy": "random", "backoff_ms": 0, "max_backoff_ms": 0, "multiplier": 1, "max_retries": 0}
        steps: list[tuple[dict[str, Any], str]] = [
            ({}, "backoff_ms must be > 0"),
            ({"backoff_ms": 10**18}, "backoff_ms must be <= 315360000000"),
            ({"backoff_ms": 100}, "strategy must be one of: fixed|exponential"),
            ({"strategy": " Exponential "}, "max_backoff_ms must be > 0"),
            ({"max_backoff_ms": 99}, "max_backoff_ms must be >= retry_policy.backoff_ms"),
            ({"max_backoff_ms": 10**18}, "max_backoff_ms must be <= 315360000000"),
            ({"max_backoff_ms": 100}, "multiplier must be > 1.0 for exponential backoff"),
        ]
        assert refusal(ack(api, attempt_id=" ", retry_policy=bad)) == (400, "attempt_id must not be empty")
        for change, message in steps:
            bad |= change
            assert refusal(ack(api, status="done", retry_policy=bad)) == (400, f"retry_policy.{message}")
        wrong_status = (400, "terminal_status must be one of: completed|failed|cancelled")
        for status in ("done", "Completed", " failed"):
            assert refusal(ack(api, status=status, retry_policy=self.GOOD)) == wrong_status
        assert refusal(ack(api, retry_policy={**self.GOOD, "multiplier": 0.5}))[0] == 404  # ignored for fixed

    def test_paths(self, api: httpx.Client) -> None:
        blank = (400, "attempt_id must not be empty")
        assert refusal(api.get("/v1/attempts/%20/retries")) == blank
        assert refusal(api.get("/v1/dlq/%20")) == blank
        assert refusal(api.post("/v1/dlq/%20/replay")) == blank

    def test_leases_end_some_day(self, api: httpx.Client) -> None:
        refused = heartbeat(api, "w", "x", lease_ttl_seconds=86_401)
        assert refusal(refused) == (400, "lease_ttl_seconds must be <= 86400")

    @pytest.mark.parametrize(
        ("verb", "body", "problem"),
        [
            ("poll", {}, "missing field `worker_id`"),
            ("poll", {"worker_id": "w", "limit": -1}, "limit: invalid value"),
            ("poll", {"worker_id": "w", "max_active_leases": 2**64}, "max_active_leases: invalid value"),
            ("poll", {"worker_id": "w", "limit": "5"}, "limit: invalid type"),
            ("w/heartbeat", {"lease_id": "x", "lease_ttl_seconds": 1.5}, "lease_ttl_seconds: invalid type"),
            ("w/report-step", {"attempt_id": "x"}, "missing field `action_id`"),
            ("w/ack", {"attempt_id": "x", "terminal_status": None}, "terminal_status: invalid type"),
            (
                "w/ack",
                {
                    "attempt_id": "x",
                    "terminal_status": "failed",
                    "retry_policy": {"strategy": "fixed", "backoff_ms": 1},
                },
                "retry_policy: missing field `max_retries`",
            ),
            (
                "w/ack",
                {"attempt_id": "x", "terminal_status": "failed", "retry_policy": {**GOOD, "max_retries": -1}},
                "retry_policy.max_retries: invalid value",
            ),
        ],
    )
    def test_shapes(self, api: httpx.Client, verb: str, body: dict[str, Any], problem: str) -> None:
        status, message = refusal(api.post(f"/v1/workers/{verb}", json=body))
        assert status == 422
        assert f"Failed to deserialize the JSON body into the target type: {problem}" in message

    def test_null_is_absent(self, api: httpx.Client) -> None:
        body = {"worker_id": "w", "limit": None, "max_active_leases": None, "tenant_max_active_leases": None, "x": 1}
        assert data(api.post("/v1/workers/poll", json=body))["decision"] == "noop"


class TestStrangeIds:
    @pytest.mark.parametrize("id", ["é/ü?#", "x" * 1_200, "'; DROP TABLE oris_leases; --", "\x01\t"])
    def test_ids_come_back_as_they_are(self, api: httpx.Client, store: StoreSettings, id: str) -> None:
        enqueue(store, id)
        assert poll(api, id)["attempt_id"] == id
        assert data(ack(api, "%" + "%".join(f"{byte:02X}" for byte in id.encode()), id))["attempt_id"] == id

    def test_ids_that_cannot_be_kept(self, api: httpx.Client) -> None:
        too_long = api.post("/v1/workers/poll", json={"worker_id": "x" * 1_201})
        assert refusal(too_long) == (400, "worker_id must be 1200 bytes or fewer")
        for answer in (report(api, action_id="\0"), heartbeat(api, "w", "\0"), api.get("/v1/dlq/%00")):
            assert answer.status_code in (200, 400, 404), answer.text


class TestRaces:
    def test_113_eight_pollers_never_share_a_lease(self, serve: Serve, store: StoreSettings) -> None:
        """Two facades on one database, four pollers each."""
        facades = [serve(store), serve(store)]
        ids = {f"attempt-{n:02}" for n in range(48)}
        enqueue(store, *sorted(ids), tenant_id="t")

        def work(number: int) -> list[str]:
            done = []
            api = facades[number % 2]
            while (polled := poll(api, f"w{number}"))["decision"] == "dispatched":
                done.append(polled["attempt_id"])
                assert data(ack(api, f"w{number}", polled["attempt_id"]))["status"] == "completed"
            assert polled["decision"] in ("noop", "backpressure")
            return done

        with ThreadPoolExecutor(8) as pool:
            done = [id for ids in pool.map(work, range(8)) for id in ids]
        assert sorted(done) == sorted(ids)

    def test_limits_hold_for_pollers_at_once(self, serve: Serve, store: StoreSettings) -> None:
        facades = [serve(store), serve(store)]
        enqueue(store, *(f"attempt-{n:02}" for n in range(20)), tenant_id="t")

        def work(number: int) -> str:
            polled = poll(facades[number % 2], f"w{number % 4}", max_active_leases=1, tenant_max_active_leases=3)
            return str(polled["reason"] or polled["decision"])

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(work, range(8))).count("dispatched") == 3

    def test_of_several_acks_one_counts(self, serve: Serve, store: StoreSettings) -> None:
        api = serve(store)
        enqueue(store, ID)
        poll(api)
        statuses = ["completed", "failed", "cancelled"] * 3
        with ThreadPoolExecutor(9) as pool:
            answers = list(pool.map(lambda status: ack(api, status=status), statuses))
        kept = rows(store, attempts)[0]["status"]
        assert [answer.status_code for answer in answers] == [200 if status == kept else 409 for status in statuses]


def test_83_to_87_stress(api: httpx.Client, store: StoreSettings) -> None:
    """Two tenants, four workers, foreign heartbeats, and every third lease lost."""
    for tenant in range(2):
        enqueue(store, *(f"attempt-{tenant}-{n:02}" for n in range(12)), tenant_id=f"tenant-{tenant}")
    recovered = 0
    for n in range(24):
        worker = f"w{n % 4}"
        polled = poll(api, worker, max_active_leases=8, tenant_max_active_leases=2)
        assert polled["decision"] == "dispatched"
        assert heartbeat(api, "foreign", polled["lease_id"], lease_ttl_seconds=5).status_code == 409
        if n % 3 == 0:
            age(store, expiry=20_000)
            worker = "recovery"
            again = poll(api, worker)
            assert (again["decision"], again["attempt_id"]) == ("dispatched", polled["attempt_id"])
            assert again["lease_id"] != polled["lease_id"]
            recovered += 1
        assert ack(api, worker, polled["attempt_id"]).status_code == 200
    text = api.get("/metrics").text
    assert f"oris_runtime_recovery_latency_ms_count {recovered}\n" in text
    assert "oris_runtime_dispatch_latency_ms_count 32\n" in text
