"""Dead letters over HTTP, on both databases: cases 88-94 and 138 of the specification's section 20, and its section 10."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from facade_store import age, enqueue
from test_api_workers import Serve, ack, data, poll, refusal

from oris_temporal.api.control_store import StoreSettings

ID = "attempt-dlq-api-1"


@pytest.fixture
def api(serve: Serve, store: StoreSettings) -> httpx.Client:
    return serve(store)


def die(api: httpx.Client, attempt_id: str = ID, **body: Any) -> dict[str, Any]:
    """Poll an attempt, and have it fail."""
    assert poll(api)["attempt_id"] == attempt_id
    return data(ack(api, "w1", attempt_id, "failed", **body))


def letter(api: httpx.Client, attempt_id: str = ID) -> dict[str, Any]:
    return data(api.get(f"/v1/dlq/{attempt_id}"))


def test_88_to_94_from_death_to_a_second_life(api: httpx.Client, store: StoreSettings) -> None:
    enqueue(store, ID, run_id="run-dlq")
    assert die(api)["status"] == "failed"
    (entry,) = data(api.get("/v1/dlq?status=pending"))["entries"]
    assert entry == letter(api)
    assert entry == {
        "attempt_id": ID,
        "run_id": "run-dlq",
        "attempt_no": 1,
        "terminal_status": "failed",
        "reason": "terminal_failed",
        "dead_at": entry["dead_at"],
        "replay_status": "pending",
        "replay_count": 0,
        "last_replayed_at": None,
    }
    replayed = api.post(f"/v1/dlq/{ID}/replay")
    assert data(replayed) == {"attempt_id": ID, "status": "requeued", "replay_count": 1}
    refused = (409, f"Driver error: dead letter already replayed for attempt: {ID}")
    assert refusal(api.post(f"/v1/dlq/{ID}/replay", content=b"ignored")) == refused
    assert poll(api, "w2")["attempt_id"] == ID
    after = letter(api)
    assert (after["replay_status"], after["replay_count"]) == ("replayed", 1)
    assert after["last_replayed_at"] is not None
    assert data(ack(api, "w2", ID))["status"] == "completed"
    assert letter(api) == after


def test_138_a_second_death(api: httpx.Client, store: StoreSettings) -> None:
    enqueue(store, ID)
    die(api)
    data(api.post(f"/v1/dlq/{ID}/replay"))
    die(api)
    entry = letter(api)
    assert (entry["replay_status"], entry["replay_count"]) == ("pending", 1)
    assert data(api.post(f"/v1/dlq/{ID}/replay"))["replay_count"] == 2


def test_unknown_ones(api: httpx.Client) -> None:
    assert refusal(api.get("/v1/dlq/nope")) == (404, "dead letter not found")
    unknown = (404, "Driver error: dead letter not found for attempt: nope")
    assert refusal(api.post("/v1/dlq/nope/replay")) == unknown
    assert data(api.get("/v1/dlq")) == {"entries": []}


def test_an_attempt_that_lives_cannot_be_replayed(api: httpx.Client, store: StoreSettings) -> None:
    enqueue(store, ID)
    assert api.post(f"/v1/dlq/{ID}/replay").status_code == 404


def test_a_replayed_one_has_all_its_retries_again(api: httpx.Client, store: StoreSettings) -> None:
    enqueue(store, ID)
    policy = {"strategy": "fixed", "backoff_ms": 1, "max_retries": 0}
    assert die(api, retry_policy=policy)["status"] == "failed"
    data(api.post(f"/v1/dlq/{ID}/replay"))
    once = {**policy, "max_retries": 1, "backoff_ms": 60_000}
    assert die(api, retry_policy=once)["status"] == "retry_scheduled"


def test_newest_first_and_filtered(api: httpx.Client, store: StoreSettings) -> None:
    ids = ["a", "b", "c"]
    enqueue(store, *ids)
    for id in ids:
        die(api, id)
    data(api.post("/v1/dlq/b/replay"))

    def listed(query: str = "") -> set[str]:
        return {entry["attempt_id"] for entry in data(api.get(f"/v1/dlq{query}"))["entries"]}

    assert listed() == listed("?status=%20") == set(ids)
    assert listed("?status=%20pending%20") == {"a", "c"}
    assert listed("?status=replayed") == {"b"}
    assert listed("?status=PENDING") == set()
    assert [len(listed(f"?limit={limit}")) for limit in (0, 2, 10**6)] == [1, 2, 3]
    dead_at = [entry["dead_at"] for entry in data(api.get("/v1/dlq"))["entries"]]
    assert dead_at == sorted(dead_at, reverse=True)


def test_a_timeout_is_a_death(api: httpx.Client, store: StoreSettings) -> None:
    enqueue(store, ID, timeout_ms=1_000)
    poll(api)
    age(store, timeout=5_000)
    poll(api)
    assert letter(api)["reason"] == "execution_timeout"
    assert refusal(ack(api, "w1", ID)) == (409, f"attempt already failed: {ID}")


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_other_ends_are_none(api: httpx.Client, store: StoreSettings, status: str) -> None:
    enqueue(store, ID)
    poll(api)
    data(ack(api, "w1", ID, status))
    assert api.get(f"/v1/dlq/{ID}").status_code == 404


def test_of_several_replays_one_counts(api: httpx.Client, store: StoreSettings) -> None:
    enqueue(store, ID)
    die(api)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: api.post(f"/v1/dlq/{ID}/replay").status_code, range(8)))
    assert sorted(answers) == [200] + [409] * 7
