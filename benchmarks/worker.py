"""A worker in a process of its own, which answers questions about itself: ``python -m benchmarks.worker NAME ADDRESS TASK_QUEUE``.

Questions arrive as JSON lines on standard input, answers leave on standard output. The process ends when its input does.
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import os
import resource
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

from temporalio.client import Client, WorkflowHistory

from .implementation import Implementation, load


def cpu_seconds() -> float:
    """CPU time of this process, of all its threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def replay_seconds(implementation: Implementation, client: Client, ids: list[str]) -> float:
    """Time to replay the histories of workflows, each."""
    histories = [await client.get_workflow_handle(id).fetch_history() for id in ids]

    async def one_after_the_other() -> AsyncIterator[WorkflowHistory]:
        for history in histories:
            yield history

    began = time.perf_counter()
    await implementation.replayer().replay_workflows(one_after_the_other())
    return (time.perf_counter() - began) / len(ids)


async def serve(name: str, address: str, task_queue: str) -> None:
    """Work until the standard input ends."""
    implementation = load(name)
    client = await Client.connect(address)
    questions = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(questions), sys.stdin)
    async with implementation.worker(client, task_queue):
        print(json.dumps("ready"), flush=True)
        async for line in questions:
            question: dict[str, Any] = json.loads(line)
            if question["ask"] == "cpu":
                answer = cpu_seconds()
            else:
                answer = await replay_seconds(implementation, client, question["ids"])
            print(json.dumps(answer), flush=True)


def main() -> None:
    """Run the worker, under a profile if ``BENCH_PROFILE`` names a directory."""
    profiler = cProfile.Profile(builtins=False) if os.environ.get("BENCH_PROFILE") else None
    if profiler is not None:
        profiler.enable()
    asyncio.run(serve(*sys.argv[1:4]))
    if profiler is not None:
        profiler.disable()
        profiler.dump_stats(f"{os.environ['BENCH_PROFILE']}/{sys.argv[1]}.prof")
    os._exit(0)  # the SDK may abort a plain exit of a process that ran a worker (CPython 3.11)


if __name__ == "__main__":
    main()
