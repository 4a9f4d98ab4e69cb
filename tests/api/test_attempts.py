"""The queue of attempts itself, on both databases, with times of the test's own: cases 72, 105-112, 115 and 116 of section 20."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from facade_store import rows_of

from oris_temporal.api.control_store import ControlStore, StoreSettings
from oris_temporal.api.control_store.acks import Ack, Acked
from oris_temporal.api.control_store.attempts import NewAttempt
from oris_temporal.api.control_store.dispatch import Decision, Poll
from oris_temporal.api.control_store.leases import Lease, LeaseNotFoundError, LeaseOwnershipError, LeaseVersionError
from oris_temporal.api.control_store.retries import MAX_DELAY_MS, RetryPolicy
from oris_temporal.api.control_store.tables import attempts, leases
from oris_temporal.api.control_store.ticks import Ticked
from oris_temporal.api.control_store.trace_context import TraceContext

NOW = 1_700_000_000_000
SPAN = "4" * 16
LATER = NOW + 60_000


@pytest.fixture
async def control(store: StoreSettings) -> AsyncIterator[ControlStore]:
    async with ControlStore.opened(store) as control:
        yield control


async def enqueue(control: ControlStore, id: str = "a", **options: Any) -> None:
    await control.attempts.enqueue(NewAttempt(id, f"run-{id}", **options), NOW)


async def poll(control: ControlStore, worker: str = "w1", now: int = NOW) -> Decision:
    return await control.dispatcher.poll(Poll(worker, 8, 8, 16, SPAN), now)


async def fail(control: ControlStore, policy: RetryPolicy | None = None, now: int = NOW) -> Acked:
    return await control.acks.ack(Ack("a", "w1", "failed", policy, SPAN), now)


async def held(control: ControlStore, worker: str = "w1", now: int = NOW) -> Lease:
    (lease,) = await rows_of(control, leases)
    return await control.leases.held(lease["lease_id"], worker, now)


async def status(control: ControlStore, id: str = "a") -> str | None:
    found = await control.attempts.find(id)
    return found and found.status


async def test_enqueueing_again_changes_nothing(control: ControlStore) -> None:
    await enqueue(control, priority=5)
    await enqueue(control, priority=9)
    (row,) = await rows_of(control, attempts)
    assert row["priority"] == 5


async def test_72_a_retry_is_dispatched_when_it_is_due(control: ControlStore) -> None:
    await enqueue(control)
    await poll(control)
    await fail(control, RetryPolicy("fixed", 1_000, None, 2.0, 2))
    assert await control.attempts.waiting(NOW + 999) == 0
    assert (await poll(control, now=NOW + 999)).decision == "noop"
    assert await control.attempts.waiting(NOW + 2_000) == 1
    assert (await poll(control, now=NOW + 2_000)).attempt_id == "a"


async def test_105_traces_advance(control: ControlStore) -> None:
    await enqueue(control, trace=TraceContext("0" * 31 + "1", "2" * 16, "1" * 16, "01"))
    polled = await poll(control)
    assert polled.trace == TraceContext("0" * 31 + "1", SPAN, "2" * 16, "01")
    assert await control.attempts.trace_of("run-a") == polled.trace


async def test_106_exponential_delays(control: ControlStore) -> None:
    await enqueue(control)
    answers = []
    for n, policy in enumerate([RetryPolicy("exponential", 100, 250, 3.0, 2), None, None]):
        now = NOW + n * 1_000
        await poll(control, now=now)
        acked = await fail(control, policy, now)
        answers.append((acked.status, acked.attempt_no, acked.retry_at and acked.retry_at - now))
    assert answers == [("retry_scheduled", 2, 100), ("retry_scheduled", 3, 250), ("failed", 3, None)]
    history = await control.retries.of("a")
    assert [(retry.attempt_no, retry.backoff_ms) for retry in history] == [(2, 100), (3, 250)]
    assert await status(control) == "failed"


@pytest.mark.parametrize(
    ("policy", "failures", "delay"),
    [
        (RetryPolicy("fixed", 500, None, 9.0, 9), 5, 500),
        (RetryPolicy("exponential", 1, None, 1.5, 9), 2, 2),  # 1.5, rounded
        (RetryPolicy("exponential", 1, None, 1e300, 9), 3, MAX_DELAY_MS),
        (RetryPolicy("exponential", 1, None, 2.0, 9), 1_000, MAX_DELAY_MS),
    ],
)
def test_delays(policy: RetryPolicy, failures: int, delay: int) -> None:
    assert policy.delay_ms(failures) == delay


async def test_a_policy_comes_with_any_ack_and_counts_for_later_ones(control: ControlStore) -> None:
    await enqueue(control)
    await poll(control)
    await fail(control, RetryPolicy("fixed", 10, None, 2.0, 5))
    await poll(control, now=LATER)
    assert (await fail(control, RetryPolicy("fixed", 20, None, 2.0, 1), LATER)).status == "failed"


async def test_107_a_timeout_to_cancelled(control: ControlStore) -> None:
    await enqueue(control, timeout_ms=1_000, on_timeout_status="cancelled")
    await poll(control)
    assert await control.ticks.tick(NOW + 999) == Ticked(0, 0)
    assert await control.ticks.tick(NOW + 1_000) == Ticked(1, 0)
    assert await rows_of(control, leases) == []
    assert (await status(control), await control.dead_letters.find("a")) == ("cancelled", None)


async def test_the_clock_of_a_timeout_runs_on_across_failovers(control: ControlStore) -> None:
    await enqueue(control, timeout_ms=50_000)
    await poll(control)
    again = NOW + 40_000
    assert (await poll(control, "w2", again)).lost_at == NOW + 30_000
    assert await control.ticks.tick(NOW + 50_000) == Ticked(1, 0)


async def test_108_a_dead_letter_and_its_replay(control: ControlStore) -> None:
    await enqueue(control)
    await poll(control)
    await fail(control)
    letter = await control.dead_letters.find("a")
    assert letter is not None
    assert (letter.run_id, letter.reason, letter.replay_status) == ("run-a", "terminal_failed", "pending")
    assert await control.dead_letters.replay("a", NOW) == 1
    assert await status(control) == "queued"


async def test_110_a_heartbeat_with_the_version_it_saw(control: ControlStore) -> None:
    await enqueue(control)
    await poll(control, "worker-a")
    with pytest.raises(LeaseOwnershipError):
        await held(control, "worker-b")
    lease = await held(control, "worker-a")
    assert lease.version == 1
    await control.leases.extend(lease, LATER, SPAN)
    assert (await held(control, "worker-a")).version == 2
    with pytest.raises(LeaseVersionError) as caught:
        await control.leases.extend(lease, LATER, SPAN)
    assert caught.value.message == f"Driver error: lease heartbeat version conflict for lease: {lease.lease_id}"


async def test_of_heartbeats_at_once_each_counts_or_is_refused(control: ControlStore) -> None:
    await enqueue(control)
    await poll(control)
    lease = await held(control)
    extended = await asyncio.gather(
        *(control.leases.extend(lease, LATER + n, SPAN) for n in range(8)), return_exceptions=True
    )
    assert len([answer for answer in extended if answer is None]) == 1
    assert len([answer for answer in extended if isinstance(answer, LeaseVersionError)]) == 7


async def test_111_115_only_what_is_past_the_grace_is_lost(control: ControlStore) -> None:
    await enqueue(control)
    await poll(control)
    expired = NOW + 31_000
    assert await control.ticks.tick(expired) == Ticked(0, 0)
    assert await control.ticks.tick(expired, grace_ms=7_000) == Ticked(0, 0)
    assert await control.ticks.tick(expired, grace_ms=0) == Ticked(0, 1)
    assert await status(control) == "queued"


async def test_114_a_lease_is_held_to_the_end_of_its_grace(control: ControlStore) -> None:
    await enqueue(control)
    await poll(control)
    assert (await held(control, now=NOW + 35_000)).worker_id == "w1"
    with pytest.raises(LeaseNotFoundError):
        await held(control, now=NOW + 35_001)


async def test_112_hidden_while_leased(control: ControlStore) -> None:
    await enqueue(control)
    assert await control.attempts.waiting(NOW) == 1
    await poll(control)
    assert await control.attempts.waiting(NOW) == 0
    assert (await poll(control, "w2")).decision == "noop"
    await control.ticks.tick(LATER)
    assert await control.attempts.waiting(LATER) == 1


async def test_116_what_is_leased_is_passed_over_in_order(control: ControlStore) -> None:
    for id in "abc":
        await enqueue(control, id)
    await poll(control)
    assert [(await poll(control)).attempt_id for _ in range(3)] == ["b", "c", None]


async def test_a_requeued_attempt_keeps_its_place(control: ControlStore) -> None:
    await enqueue(control, "a")
    await poll(control)
    await enqueue(control, "b")
    assert (await poll(control, now=LATER)).attempt_id == "a"


async def test_an_attempt_that_was_tried_more_often_comes_later(control: ControlStore) -> None:
    await enqueue(control, "a")
    await poll(control)
    await enqueue(control, "b")
    await fail(control, RetryPolicy("fixed", 1, None, 2.0, 1))
    assert [(await poll(control, now=LATER)).attempt_id for _ in range(2)] == ["b", "a"]
