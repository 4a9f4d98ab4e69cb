"""A run belongs to the cluster, not to the process that started it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from review_graph import review, texts
from temporal_support import Serve

from oris_temporal import OrisClient
from oris_temporal.devserver import DevServer

RESUME = """
import asyncio, json, sys
from oris_temporal import OrisClient

async def main():
    client = await OrisClient.connect()  # TEMPORAL_ADDRESS
    [question] = await client.interrupts(sys.argv[1])
    result = await client.resume(question.thread_id, {"ok": True}, author="somebody else")
    print(json.dumps({"status": result.status, "values": result.values}))

asyncio.run(main())
"""


async def test_a_run_is_resumed_from_another_process(
    client: OrisClient, dev_server: DevServer, serve: Serve, thread: str
) -> None:
    async with serve(review):
        await client.run("review", thread, "storks")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", RESUME, thread),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **dev_server.environment, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        output, _ = await process.communicate()
        answer = json.loads(output)
        assert answer["status"] == "completed"
        assert texts(answer["values"])[-2:] == ["approved=True", "published"]
        [asked] = await client.interrupts(thread, all=True)
        assert (asked.status, asked.author) == ("resumed", "somebody else")
