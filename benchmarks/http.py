"""An HTTP client that costs little itself: one connection, kept alive, one request at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self


class Http:
    """A connection to the facade, as an async context manager.

    Args:
        host: Where it is.
        port: Its port.
        token: Bearer token of every request.
    """

    def __init__(self, host: str, port: int, token: str) -> None:
        self._place = host, port
        self._token = token

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(*self._place)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._writer.close()

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The data of an answer; anything but 200 is an error."""
        status, length = await self._send(method, path, body)
        text = await self._reader.readexactly(length)
        if status != 200:
            raise RuntimeError(f"{method} {path}: {status} {text.decode()}")
        return json.loads(text).get("data") if text.startswith(b"{") else text

    async def events(self, path: str) -> AsyncIterator[str]:
        """The names of server-sent events, as they come."""
        await self._send("GET", path, None)
        while line := await self._reader.readline():
            if line.startswith(b"event:"):
                yield line.decode().partition(":")[2].strip()

    async def _send(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, int]:
        content = b"" if body is None else json.dumps(body).encode()
        kind = "" if body is None else "content-type: application/json\r\n"
        who = f"host: facade\r\nauthorization: Bearer {self._token}\r\n"
        head = f"{method} {path} HTTP/1.1\r\n{who}{kind}content-length: {len(content)}\r\n\r\n"
        self._writer.write(head.encode() + content)
        status = int((await self._reader.readline()).split()[1])
        length = 0
        while (line := await self._reader.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode().partition(":")
            if name.lower() == "content-length":
                length = int(value)
        return status, length
