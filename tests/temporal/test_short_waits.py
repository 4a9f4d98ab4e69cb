"""However short a caller waits, what it asked for is done."""

from __future__ import annotations

import pytest
from review_graph import review
from temporal_support import Serve

from oris_temporal import OrisClient
from oris_temporal.graph.errors import NotInterruptedError

BLINK = "1ms"


async def test_a_run_is_started(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(review):
        result = await client.run("review", thread, "storks", wait=BLINK)
        assert result.status in ("running", "interrupted")
        assert (await client.result(thread)).status == "interrupted"


async def test_a_run_is_started_also_while_no_worker_is_there(client: OrisClient, serve: Serve, thread: str) -> None:
    result = await client.run("review", thread, "storks", wait=BLINK)
    assert (result.thread_id, result.status) == (thread, "running")
    async with serve(review):
        assert (await client.result(thread)).status == "interrupted"


async def test_a_run_is_started_once_per_key(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(review):
        first = await client.run("review", thread, "storks", wait=BLINK, idempotency_key="k")
        again = await client.run("review", thread, "storks", wait=BLINK, idempotency_key="k")
        assert again.run_id == first.run_id


async def test_an_answer_is_given(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(review):
        await client.run("review", thread, "storks")
        assert (await client.resume(thread, {"ok": True}, wait=BLINK)).status in ("running", "completed")
        assert (await client.result(thread)).status == "completed"
        with pytest.raises(NotInterruptedError):
            await client.resume(thread, {"ok": True}, wait=BLINK)


async def test_an_answer_at_a_checkpoint_is_given(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(review):
        asked = await client.run("review", thread, "storks")
        await client.resume(thread, {"ok": True})
        await client.resume(thread, {"ok": False}, checkpoint_id=asked.checkpoint_id, wait=BLINK)
        assert "approved=False" in str((await client.result(thread)).values)


async def test_a_fork_is_started(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(review):
        await client.run("review", thread, "storks")
        fork = await client.fork(thread, wait=BLINK)
        assert (await client.result(fork.thread_id)).status == "interrupted"
