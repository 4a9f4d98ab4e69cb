"""A worker as a program of its own: ``worker_process.py <address> <task queue> <module:graph> ...``."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from datetime import timedelta

from oris_temporal import CompiledGraph, OrisClient, Worker


def load(spec: str) -> CompiledGraph:
    module, _, name = spec.partition(":")
    found = getattr(importlib.import_module(module), name)
    return found if isinstance(found, CompiledGraph) else found()


async def main(address: str, task_queue: str, *specs: str) -> None:
    client = await OrisClient.connect(address, task_queue=task_queue)
    worker = Worker(
        client,
        [load(spec) for spec in specs],
        max_concurrent_activities=int(os.environ.get("ORIS_TEST_SLOTS", "100")),
        deployment=os.environ.get("ORIS_TEST_DEPLOYMENT"),
        # How long the server waits for a worker that has the run in memory, before any other gets it: 10 s by default.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
    )
    async with worker:
        print("ready", os.getpid(), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
