"""What the control store forgets, and what stays however old it is, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from facade_store import rows_of
from sqlalchemy import Connection, insert, update

from oris_temporal.api.control_store import ControlStore, StoreSettings
from oris_temporal.api.control_store.acks import Ack
from oris_temporal.api.control_store.attempts import NewAttempt
from oris_temporal.api.control_store.audit import AuditRecord
from oris_temporal.api.control_store.dispatch import Poll
from oris_temporal.api.control_store.remote_tasks import Activity, RemoteTask
from oris_temporal.api.control_store.retries import RetryPolicy
from oris_temporal.api.control_store.step_reports import StepReport
from oris_temporal.api.control_store.tables import (
    attempts,
    audit_log,
    cancelled_threads,
    dead_letters,
    idempotency_keys,
    remote_tasks,
    replay_effects,
    retries,
    step_reports,
)
from oris_temporal.graph.errors import ConfigurationError

LONG_AGO = 1_700_000_000_000
DAY = 24 * 60 * 60 * 1_000
SPAN = "4" * 16


@pytest.fixture
async def control(store: StoreSettings) -> AsyncIterator[ControlStore]:
    async with ControlStore.opened(replace(store, retention_days=30)) as control:
        yield control


async def ended(control: ControlStore, id: str, status: Any = "completed", policy: RetryPolicy | None = None) -> None:
    """An attempt that a worker had and acknowledged."""
    await control.attempts.enqueue(NewAttempt(id, f"run-{id}"), LONG_AGO)
    await control.dispatcher.poll(Poll("w1", 8, 8, 16, SPAN), LONG_AGO)
    await control.acks.ack(Ack(id, "w1", status, policy, SPAN), LONG_AGO)


async def remote(control: ControlStore, id: str) -> RemoteTask:
    """An attempt that a node waited for, and a worker has acknowledged."""
    task = RemoteTask(id, Activity(f"run-{id}", "r1", "1", b"token"), "scan", "read", {"image": "page.png"})
    await control.remote_tasks.take(task, NewAttempt(id, f"run-{id}"), RetryPolicy("fixed", 1, None, 2.0, 0), LONG_AGO)
    await control.dispatcher.poll(Poll("w1", 8, 8, 16, SPAN), LONG_AGO)
    await control.acks.ack(Ack(id, "w1", "completed", None, SPAN, output={"text": "two words"}), LONG_AGO)
    return task


async def ids(control: ControlStore, table: Any) -> list[str]:
    return [row["attempt_id"] for row in await rows_of(control, table)]


async def test_what_has_ended_goes_with_all_that_belongs_to_it(control: ControlStore) -> None:
    await ended(control, "done")
    await ended(control, "retried", "failed", RetryPolicy("fixed", 0, None, 2.0, 1))
    await control.dispatcher.poll(Poll("w1", 8, 8, 16, SPAN), LONG_AGO + 1)
    await control.acks.ack(Ack("retried", "w1", "completed", None, SPAN), LONG_AGO + 1)
    await control.remote_tasks.told(await remote(control, "scanned"))
    await control.step_reports.add(StepReport("w1", "done", "step", "succeeded", "t1"), SPAN, LONG_AGO)
    assert await control.retention.forget(LONG_AGO + 29 * DAY) == 0
    assert len(await ids(control, attempts)) == 3
    assert await control.retention.forget(LONG_AGO + 31 * DAY) == 3
    for table in (attempts, retries, remote_tasks, step_reports):
        assert await rows_of(control, table) == []


async def test_what_goes_on_or_may_go_on_stays(control: ControlStore) -> None:
    await ended(control, "dead", "failed")
    await remote(control, "untold")
    await control.attempts.enqueue(NewAttempt("queued", "run-1"), LONG_AGO)
    assert await control.retention.forget(LONG_AGO + 900 * DAY) == 0
    assert set(await ids(control, attempts)) == {"queued", "dead", "untold"}
    assert await ids(control, dead_letters) == ["dead"]


async def test_a_dead_letter_that_was_replayed_goes_once_its_attempt_has_ended(control: ControlStore) -> None:
    await ended(control, "dead", "failed")
    await control.dead_letters.replay("dead", LONG_AGO)
    assert await control.retention.forget(LONG_AGO + 31 * DAY) == 0
    await control.dispatcher.poll(Poll("w1", 8, 8, 16, SPAN), LONG_AGO)
    await control.acks.ack(Ack("dead", "w1", "completed", None, SPAN), LONG_AGO)
    assert await control.retention.forget(LONG_AGO + 31 * DAY) == 1
    assert await rows_of(control, dead_letters) == []


async def test_answers_to_repeated_requests_go_and_who_did_what_stays(control: ControlStore) -> None:
    key = {"operation": "run", "thread_id": "t", "payload_hash": "p", "reserved_at": LONG_AGO}
    effect = {"thread_id": "t", "target": "latest", "effect_type": "job_replay", "execution_count": 1}
    claimed = {"claimed_at": LONG_AGO, "claimed_until": LONG_AGO}

    def fill(connection: Connection) -> None:
        for name, completed_at in (("open", None), ("done", LONG_AGO)):
            connection.execute(insert(idempotency_keys).values(key_hash=name, completed_at=completed_at, **key))
            made = {"fingerprint": name, "status": name, "completed_at": completed_at}
            connection.execute(insert(replay_effects).values(**made, **effect, **claimed))

    await control.database.write(fill)
    await control.cancelled.add("t")
    await control.audit.add(
        AuditRecord("anonymous", None, None, None, "job.run", "thread", None, "success", "r1", {"path": "/v1/jobs"})
    )
    await control.database.write(lambda connection: connection.execute(update(audit_log).values(created_at=1)))
    await control.retention.forget(LONG_AGO + 31 * DAY)
    assert [row["key_hash"] for row in await rows_of(control, idempotency_keys)] == ["open"]
    assert [row["fingerprint"] for row in await rows_of(control, replay_effects)] == ["open"]
    assert len(await rows_of(control, audit_log)) == len(await rows_of(control, cancelled_threads)) == 1


async def test_many_go_in_one_call(control: ControlStore) -> None:
    def fill(connection: Connection) -> None:
        row = {"run_id": "r", "status": "completed", "priority": 1, "attempt_no": 1, "first_attempt_no": 1}
        rows = [{**row, "attempt_id": f"a{number}", "created_at": LONG_AGO} for number in range(1_203)]
        connection.execute(insert(attempts), rows)

    await control.database.write(fill)
    assert await control.retention.forget(LONG_AGO + 31 * DAY) == 1_203


async def test_without_a_number_of_days_everything_stays(store: StoreSettings) -> None:
    async with ControlStore.opened(store) as control:
        await ended(control, "done")
        assert await control.retention.forget(LONG_AGO + 9_000 * DAY) == 0
        assert await ids(control, attempts) == ["done"]


@pytest.mark.parametrize(("given", "days"), [({}, None), ({"ORIS_RETENTION_DAYS": " 90 "}, 90)])
def test_the_days_of_the_environment(given: Mapping[str, str], days: int | None) -> None:
    assert StoreSettings.from_env(given).retention_days == days


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "a week"])
def test_what_is_no_number_of_days_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"ORIS_RETENTION_DAYS='{text}'"):
        StoreSettings.from_env({"ORIS_RETENTION_DAYS": text})
