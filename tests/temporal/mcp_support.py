"""MCP servers in processes of their own."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from oris_temporal.devserver import ChildProcess
from oris_temporal.devserver.ports import free_ports
from oris_temporal.tools import McpServer, Runtime, Tool

PROGRAM = str(Path(__file__).parent / "mcp_server.py")
RUNTIME = Runtime(state=None, config={"configurable": {}}, tool_call_id="c-1", thread_id="t", write=print)


def stdio(directory: Path, **options: Any) -> McpServer:
    return McpServer.stdio(sys.executable, [PROGRAM, str(directory)], name="demo", **options)


class HttpServer:
    """One that listens on a port, which may be killed and started again."""

    def __init__(self, directory: Path, **variables: str) -> None:
        [self._port] = free_ports(1)
        self.url = f"http://127.0.0.1:{self._port}/mcp"
        self._directory = directory
        self._environment = {**os.environ, **variables}
        self._process: ChildProcess | None = None

    async def start(self) -> None:
        arguments = [sys.executable, PROGRAM, str(self._directory), str(self._port)]
        with (self._directory / "server.log").open("ab") as log:
            self._process = ChildProcess(arguments, env=self._environment, output=log)
        async with asyncio.timeout(30):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    return

    async def kill(self) -> None:
        assert self._process is not None
        await self._process.kill()


@asynccontextmanager
async def http_server(directory: Path, **variables: str):
    server = HttpServer(directory, **variables)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()


def by_name(tools: list[Tool]) -> dict[str, Tool]:
    return {tool.name: tool for tool in tools}


async def appears(path: Path) -> str:
    """Text of a file, once it is there."""
    async with asyncio.timeout(20):
        while not path.exists() or (path.name == "started" and not path.read_text()):
            await asyncio.sleep(0.02)
    return path.read_text()
