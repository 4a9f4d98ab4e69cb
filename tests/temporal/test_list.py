"""Listing threads: those updated last first, each once, however many wait."""

from __future__ import annotations

from questions import asking
from temporal_support import Serve, eventually

from oris_temporal import OrisClient


async def test_runs_that_wait_do_not_hide_those_that_ended(client: OrisClient, serve: Serve, thread: str) -> None:
    tenant = thread
    async with serve(asking("left")):
        for number in range(4):
            await client.run("asking", f"{thread}-waits-{number}", {"answers": []}, tenant=tenant)
        for number in range(4):
            await client.run("asking", f"{thread}-ends-{number}", {"answers": []}, tenant=tenant)
            await client.resume(f"{thread}-ends-{number}", "yes")
        newest = [f"{thread}-{name}-{number}" for name in ("ends", "waits") for number in (3, 2, 1, 0)]

        async def listed() -> bool:
            return [run.thread_id for run in await client.list(tenant=tenant)] == newest

        await eventually(listed)
        for size in (1, 3):
            pages = [
                run.thread_id
                for offset in range(0, 8, size)
                for run in await client.list(tenant=tenant, limit=size, offset=offset)
            ]
            assert pages == newest
        completed = await client.list(tenant=tenant, status="completed", limit=2)
        assert [run.thread_id for run in completed] == newest[:2]


async def test_of_a_shared_namespace_only_the_own_threads_are_listed(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    mine = OrisClient(client.temporal, task_queue=client.task_queue, id_prefix=f"{thread}-mine/")
    theirs = OrisClient(client.temporal, task_queue=client.task_queue, id_prefix=f"{thread}-theirs/")
    async with serve(asking("left")):
        await mine.run("asking", "a", {"answers": []})
        await theirs.run("asking", "b", {"answers": []})

        async def listed() -> bool:
            return [run.thread_id for run in await theirs.list()] == ["b"]

        await eventually(listed)
        assert [run.thread_id for run in await mine.list()] == ["a"]
        assert [item.id for item in await mine.interrupts()] == ["int-a-0"]
