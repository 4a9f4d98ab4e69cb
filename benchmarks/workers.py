"""The worker processes, seen from the process that measures."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from zlib import crc32

_ROOT = Path(__file__).resolve().parent.parent
_START_SECONDS = 60.0
_STOP_SECONDS = 15.0


class WorkerProcess:
    """The worker of one implementation in a process of its own, as an async context manager.

    Args:
        name: Name of the implementation.
        address: Address of the Temporal server.
    """

    def __init__(self, name: str, address: str) -> None:
        self.task_queue = f"bench-{crc32(name.encode()):08x}"  # equally long for all, as it is in every history
        self._arguments = [name, address, self.task_queue]
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "benchmarks.worker",
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=_ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")},
        )
        await asyncio.wait_for(self._answer(), _START_SECONDS)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        process = self._running
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def cpu_seconds(self) -> float:
        """CPU time it has used so far."""
        return float(await self._ask({"ask": "cpu"}))

    async def replay_seconds(self, ids: list[str]) -> float:
        """Time it takes to replay workflows, each."""
        return float(await self._ask({"ask": "replay", "ids": ids}))

    async def _ask(self, question: dict[str, Any]) -> Any:
        stdin = self._running.stdin
        assert stdin is not None
        stdin.write(json.dumps(question).encode() + b"\n")
        await stdin.drain()
        return await self._answer()

    async def _answer(self) -> Any:
        stdout = self._running.stdout
        assert stdout is not None
        line = await stdout.readline()
        if not line:
            raise RuntimeError(f"The worker process {self._arguments[0]} ended; what it printed says why.")
        return json.loads(line)

    @property
    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError("The worker process was not started; use it in `async with`.")
        return self._process
