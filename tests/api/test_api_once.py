"""What is done once, however often it is asked for: runs with a key, replays, cancelling; on both kinds of database.

Cases 20-27 and 104 of the specification's section 20, its sections 7, 13 and 14, and what remains when a server dies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from facade_graphs import effects
from sqlalchemy import text

from oris_temporal.api.control_store import ControlStore, ReplayEffects, StoreSettings
from oris_temporal.api.errors import ApiError
from oris_temporal.api.models.jobs import RunJob
from oris_temporal.api.security import StaticKey
from oris_temporal.api.services.idempotency import RunKeys, payload_hash
from oris_temporal.api.services.replays import ReplayGuard, fingerprint_of
from oris_temporal.client import OrisClient
from oris_temporal.devserver import DevServer

Serve = Callable[..., httpx.Client]


@pytest.fixture
def thread() -> str:
    return f"once-{uuid4().hex[:8]}"


def run(api: httpx.Client, thread: str, graph: str = "int", **body: Any) -> httpx.Response:
    return api.post("/v1/jobs/run", json={"thread_id": thread, "graph": graph, "input": thread, **body})


def data(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    result: dict[str, Any] = response.json()["data"]
    return result


def refused(response: httpx.Response) -> str:
    assert response.status_code == 409, response.text
    message: str = response.json()["error"]["message"]
    return message


def on_store(store: StoreSettings, work: Callable[[ControlStore], Awaitable[Any]]) -> Any:
    async def opened() -> Any:
        async with ControlStore.opened(store) as control:
            return await work(control)

    return asyncio.run(opened())


class TestKeysOfRuns:
    def test_20_the_first_answer_again(self, serve: Serve, store: StoreSettings, thread: str) -> None:
        api = serve(store)
        first = data(run(api, thread, idempotency_key="k"))
        data(api.post(f"/v1/jobs/{thread}/resume", json={"value": True}))
        data(run(api, thread, "plain"))
        assert data(run(api, thread, idempotency_key="k")) == {**first, "idempotent_replay": True}

    def test_21_to_23_another_payload(self, serve: Serve, store: StoreSettings, thread: str) -> None:
        api = serve(store)
        data(run(api, thread, idempotency_key="k"))
        for other in ({"input": "other"}, {"thread_id": f"{thread}-2"}):
            answer = run(api, thread, idempotency_key="k", **other)
            assert refused(answer) == "idempotency_key already exists with different request payload"
            assert answer.json()["error"]["details"] == {"idempotency_key": "k", "operation": "run"}
        assert api.get(f"/v1/jobs/{thread}-2").status_code == 404

    def test_the_answer_outlives_the_server(self, serve: Serve, store: StoreSettings, thread: str) -> None:
        first = data(run(serve(store), thread, idempotency_key="k"))
        assert data(run(serve(store), thread, idempotency_key="k")) == {**first, "idempotent_replay": True}

    def test_a_run_that_failed_gives_its_key_free(self, serve: Serve, store: StoreSettings, thread: str) -> None:
        api = serve(store)
        assert run(api, thread, "failing", idempotency_key="k").status_code == 500
        assert not data(run(api, thread, "plain", idempotency_key="k"))["idempotent_replay"]

    def test_requests_at_once_start_one_run(self, serve: Serve, store: StoreSettings, thread: str) -> None:
        apis = [serve(store), serve(store)]
        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(lambda n: data(run(apis[n % 2], thread, idempotency_key="k")), range(50)))
        assert [answer["idempotent_replay"] for answer in answers].count(False) == 1
        assert {answer["trace"]["trace_id"] for answer in answers} == {answers[0]["trace"]["trace_id"]}
        assert len(data(apis[0].get(f"/v1/interrupts?run_id={thread}"))["interrupts"]) == 1

    def test_a_server_that_died_before_the_start(self, serve: Serve, store: StoreSettings, thread: str) -> None:
        payload = payload_hash(thread, thread, None, 0, None, "int")
        on_store(store, lambda control: control.run_keys.reserve("k", thread, payload))
        api = serve(store)
        assert data(run(api, thread, idempotency_key="k"))["status"] == "interrupted"
        assert data(run(api, thread, idempotency_key="k"))["idempotent_replay"]
        assert len(data(api.get(f"/v1/interrupts?run_id={thread}"))["interrupts"]) == 1

    def test_a_server_that_died_before_its_answer(self, serve: Serve, store: StoreSettings, thread: str) -> None:
        async def forget(control: ControlStore) -> None:
            change = f"UPDATE {_table(control, 'oris_idempotency_keys')} SET response = NULL, completed_at = NULL"
            await control.database.write(lambda connection: connection.execute(text(change)))

        api = serve(store)
        data(run(api, thread, idempotency_key="k"))
        on_store(store, forget)
        assert data(run(api, thread, idempotency_key="k"))["interrupts"] == ["approve?"]
        assert len(data(api.get(f"/v1/interrupts?run_id={thread}"))["interrupts"]) == 1

    @pytest.mark.parametrize("key", ["ключ", "k" * 100_000, "a\nb"])
    def test_any_text_is_a_key(self, serve: Serve, store: StoreSettings, thread: str, key: str) -> None:
        api = serve(store)
        assert data(run(api, thread, idempotency_key=key))["idempotency_key"] == key
        assert data(run(api, thread, idempotency_key=key))["idempotent_replay"]


def job(status: str = "completed") -> RunJob:
    return RunJob.model_validate({"thread_id": "t", "status": status, "interrupts": []})


class TestWorkThatMayGoOn:
    """An answer that Temporal cannot be reached, or that the work takes longer, leaves it under the key that it has."""

    async def test_a_run(self, store: StoreSettings) -> None:
        seen: list[str] = []

        async def unavailable(key: str) -> RunJob:
            seen.append(key)
            raise ApiError(503, "no answer")

        async def failed(key: str) -> RunJob:
            seen.append(key)
            raise ApiError(500, "run failed")

        async def fine(key: str) -> RunJob:
            seen.append(key)
            return job()

        async with ControlStore.opened(store) as control:
            keys = RunKeys(control.run_keys)
            for work in (unavailable, failed, fine):
                with suppress(ApiError):
                    await keys.once("k", "t", "payload", work)
            again = await keys.once("k", "t", "payload", failed)
        assert again.idempotent_replay
        assert seen[0] == seen[1]
        assert len(seen) == 3

    async def test_a_replay(self, store: StoreSettings) -> None:
        seen: list[str] = []

        async def unavailable(key: str) -> RunJob:
            seen.append(key)
            raise ApiError(503, "no answer")

        async def slow(key: str) -> RunJob:
            seen.append(key)
            return job("running")

        async def fine(key: str) -> RunJob:
            seen.append(key)
            return job()

        async with ControlStore.opened(store) as control:
            guard = ReplayGuard(control.replays)
            for work in (unavailable, slow, fine):
                with suppress(ApiError):
                    await guard.once("t", "checkpoint:1", work)
            again = await guard.once("t", "checkpoint:1", slow)
        assert again.idempotent_replay
        assert len(seen) == 3
        assert len(set(seen)) == 1


class TestReplays:
    def test_24_to_27_a_target_is_replayed_once(self, serve: Serve, store: StoreSettings, thread: str) -> None:
        api = serve(store)
        data(run(api, thread, "eff"))
        first = data(api.post(f"/v1/jobs/{thread}/replay", json={}))
        assert (first["idempotent_replay"], effects[thread]) == (False, 2)
        again = data(api.post(f"/v1/jobs/{thread}/replay", json={}))
        assert again == {**first, "idempotent_replay": True}
        assert effects[thread] == 2
        (record,) = on_store(store, lambda control: control.replays.of_thread(thread))
        assert record.target.startswith("latest_state:")
        assert (record.status, record.execution_count) == ("completed", 1)

    def test_a_checkpoint_is_a_target_of_its_own(self, serve: Serve, store: StoreSettings, thread: str) -> None:
        api = serve(store)
        data(run(api, thread, "eff"))
        history = data(api.get(f"/v1/jobs/{thread}/history"))["history"]
        body = {"checkpoint_id": history[0]["checkpoint_id"]}
        assert not data(api.post(f"/v1/jobs/{thread}/replay", json=body))["idempotent_replay"]
        assert data(api.post(f"/v1/jobs/{thread}/replay", json=body))["idempotent_replay"]
        assert not data(api.post(f"/v1/jobs/{thread}/replay", json={}))["idempotent_replay"]

    def test_the_fingerprint(self) -> None:
        expected = "c082411e1521ec0210353e5b3d184040b65e65ae71f1fcf3b93637dc3650b8fc"
        assert fingerprint_of("t1", "checkpoint:cp-1") == expected

    def test_a_replay_that_goes_on_is_a_conflict(self, serve: Serve, store: StoreSettings, thread: str) -> None:
        api = serve(store)
        data(run(api, thread, "eff"))
        checkpoint = data(api.get(f"/v1/jobs/{thread}/history"))["history"][0]["checkpoint_id"]
        target = f"checkpoint:{checkpoint}"
        fingerprint = fingerprint_of(thread, target)
        on_store(store, lambda control: control.replays.claim(fingerprint, thread, target))
        body = {"checkpoint_id": checkpoint}
        assert refused(api.post(f"/v1/jobs/{thread}/replay", json=body)) == "replay already in progress for this target"
        on_store(store, lambda control: control.replays.release(fingerprint))
        assert data(api.post(f"/v1/jobs/{thread}/replay", json=body))["idempotent_replay"] is False

    def test_a_replay_that_failed_may_be_repeated(self, serve: Serve, store: StoreSettings, thread: str) -> None:
        api = serve(store)
        assert run(api, thread, "failing").status_code == 500
        for _ in range(2):
            assert api.post(f"/v1/jobs/{thread}/replay", json={}).status_code == 500
        assert on_store(store, lambda control: control.replays.of_thread(thread)) == []

    def test_a_stored_answer_is_not_given_for_a_cancelled_thread(
        self, serve: Serve, store: StoreSettings, thread: str
    ) -> None:
        api = serve(store)
        data(run(api, thread, "eff"))
        data(api.post(f"/v1/jobs/{thread}/replay", json={}))
        data(api.post(f"/v1/jobs/{thread}/cancel", json={}))
        assert refused(api.post(f"/v1/jobs/{thread}/replay", json={})) == f"thread '{thread}' is cancelled"

    async def test_104_of_many_claims_one_is_acquired(self, store: StoreSettings) -> None:
        async with ControlStore.opened(store) as control:
            claims = await asyncio.gather(*(control.replays.claim("f", "t", "latest_state:abc123") for _ in range(20)))
            assert sorted(claim.outcome for claim in claims) == ["acquired"] + ["busy"] * 19
            await control.replays.complete("f", {"answer": 1})
            claim = await control.replays.claim("f", "t", "latest_state:abc123")
            assert (claim.outcome, claim.response) == ("completed", {"answer": 1})

    async def test_a_claim_of_a_server_that_died_is_taken_over_once(self, store: StoreSettings) -> None:
        async with ControlStore.opened(store) as control:
            effects_of_dead = ReplayEffects(control.database, patience=timedelta(seconds=-1))
            dead = await effects_of_dead.claim("f", "t", "x")
            claims = await asyncio.gather(*(control.replays.claim("f", "t", "x") for _ in range(5)))
            assert sorted(claim.outcome for claim in claims) == ["acquired"] + ["busy"] * 4
            assert {claim.claimed_at for claim in claims} == {dead.claimed_at}


class TestCancelling:
    def test_9_10_an_unknown_thread(self, serve: Serve, store: StoreSettings, thread: str) -> None:
        answer = data(serve(store).post(f"/v1/jobs/{thread}/cancel", json={"reason": "no"}))
        assert answer == {"thread_id": thread, "status": "cancelled", "reason": "no"}
        assert refused(run(serve(store), thread)) == f"thread '{thread}' is cancelled"

    def test_a_completed_thread(self, serve: Serve, store: StoreSettings, thread: str) -> None:
        api = serve(store)
        data(run(api, thread, "plain"))
        data(api.post(f"/v1/jobs/{thread}/cancel", json={}))
        assert refused(run(api, thread, "plain")) == f"thread '{thread}' is cancelled"
        assert data(api.get(f"/v1/jobs/{thread}/detail"))["status"] == "cancelled"
        assert data(api.get(f"/v1/jobs/{thread}/history"))["history"]

    def test_a_rejected_question_cancels_its_thread(self, serve: Serve, store: StoreSettings, thread: str) -> None:
        api = serve(store)
        data(run(api, thread))
        data(api.post(f"/v1/interrupts/int-{thread}-0/reject", json={}))
        assert on_store(store, lambda control: control.cancelled.has(thread))

    @pytest.mark.parametrize("id", ["x" * 10_000, "a%00b"])
    def test_an_id_that_no_thread_can_have(self, serve: Serve, store: StoreSettings, id: str) -> None:
        assert serve(store).post(f"/v1/jobs/{id}/cancel", json={}).status_code == 400


class TestWhoDidIt:
    """Who steered a run is visible in the run."""

    @pytest.fixture
    def api(self, serve: Serve, tmp_path: Any) -> httpx.Client:
        api = serve(StoreSettings(sqlite_path=str(tmp_path / "c.db")), static_keys={"ann": StaticKey("s")})
        api.headers.update({"x-api-key-id": "ann", "x-api-key": "s"})
        return api

    @pytest.mark.parametrize("path", ["/v1/jobs/{thread}/resume", "/v1/interrupts/int-{thread}-0/resume"])
    async def test_answers(self, api: httpx.Client, dev_server: DevServer, thread: str, path: str) -> None:
        data(run(api, thread))
        data(api.post(path.format(thread=thread), json={"value": True}))
        (asked,) = await OrisClient(await dev_server.connect()).interrupts(thread, all=True)
        assert (asked.status, asked.author) == ("resumed", "ann")

    async def test_rejections(self, api: httpx.Client, dev_server: DevServer, thread: str) -> None:
        data(run(api, thread))
        data(api.post(f"/v1/interrupts/int-{thread}-0/reject", json={}))
        (asked,) = await OrisClient(await dev_server.connect()).interrupts(thread, all=True)
        assert (asked.status, asked.author) == ("rejected", "ann")

    async def test_cancelling(self, api: httpx.Client, dev_server: DevServer, thread: str) -> None:
        data(run(api, thread))
        data(api.post(f"/v1/jobs/{thread}/cancel", json={"reason": "too late"}))
        assert (await OrisClient(await dev_server.connect()).inspect(thread)).reason == "too late, by ann"


def _table(control: ControlStore, name: str) -> str:
    settings = control.database.settings
    return name if settings.backend == "sqlite" else f"{settings.schema}.{name}"
