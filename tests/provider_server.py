"""A local HTTP server that answers as a test scripts it: byte for byte, chunk by chunk, and if need be by hanging up."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self


@dataclass
class Asked:
    """A request that came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Answer:
    """A response to give.

    Attributes:
        status: HTTP status.
        headers: Headers besides those of the transfer.
        chunks: Body, chunk by chunk; an `asyncio.Event` among them is waited for, a number is slept for (seconds).
        hang_up: Whether to close the connection in place of ending the body.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: Sequence[bytes | float | asyncio.Event] = ()
    hang_up: bool = False

    @classmethod
    def json(cls, body: Any, status: int = 200, **headers: str) -> Self:
        """A JSON body. Underscores of header names become hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, {"content-type": "application/json", **named}, [json.dumps(body).encode()])

    @classmethod
    def events(cls, *events: Any, hang_up: bool = False, done: bool = False) -> Self:
        """Server-sent events: ``(name, data)`` pairs, or data alone; with ``done``, OpenAI's ``[DONE]`` at the end."""
        chunks = [_event(item) for item in events]
        if done:
            chunks.append(b"data: [DONE]\n\n")
        return cls(200, {"content-type": "text/event-stream"}, chunks, hang_up)


def _event(item: Any) -> bytes:
    if isinstance(item, bytes):
        return item
    name, data = item if isinstance(item, tuple) else (None, item)
    text = f"data: {json.dumps(data)}\n\n"
    return (f"event: {name}\n{text}" if name else text).encode()


class ProviderServer:
    """Serves scripted answers, in order; the last one again and again. In place of an answer there may be what makes it.

    Attributes:
        asked: Requests so far.
        hung_up: Set when a client closed its connection before the answer was complete.
    """

    def __init__(self, *answers: Answer | Callable[[Asked], Answer]) -> None:
        self.answers = list(answers)
        self.asked: list[Asked] = []
        self.hung_up = asyncio.Event()
        self.connections: set[asyncio.Task[Any]] = set()

    @property
    def url(self) -> str:
        """Base address, without a slash at the end."""
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self.connections:
            task.cancel()
        await asyncio.gather(*self.connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections.add(task)
        try:
            while (asked := await _read(reader)) is not None:
                answer = self.answers[min(len(self.asked), len(self.answers) - 1)]
                self.asked.append(asked)
                made = answer if isinstance(answer, Answer) else answer(asked)
                if not await self._answer(made, reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            self.hung_up.set()
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            self.connections.discard(task)
            writer.close()

    async def _answer(self, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Write a response; whether the connection goes on."""
        head = [f"HTTP/1.1 {answer.status} Scripted", "transfer-encoding: chunked"]
        head += [f"{name}: {value}" for name, value in answer.headers.items()]
        writer.write(("\r\n".join(head) + "\r\n\r\n").encode("latin-1"))
        gone = asyncio.ensure_future(reader.read(1))  # a client that has its answer to come says nothing, or goes away
        try:
            for chunk in answer.chunks:
                if isinstance(chunk, bytes):
                    writer.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
                    await writer.drain()
                    continue
                pause = asyncio.ensure_future(
                    chunk.wait() if isinstance(chunk, asyncio.Event) else asyncio.sleep(chunk)
                )
                await asyncio.wait({gone, pause}, return_when=asyncio.FIRST_COMPLETED)
                pause.cancel()
                if gone.done():
                    self.hung_up.set()
                    return False
        finally:
            gone.cancel()
            await asyncio.wait({gone})  # the next request is read after it
        if answer.hang_up:
            writer.transport.abort()
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    line = await reader.readline()
    if not line:
        return None
    method, path, _ = line.decode("latin-1").split(" ", 2)
    headers: dict[str, str] = {}
    while (line := await reader.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    raw = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(method, path, headers, json.loads(raw) if raw else None)


@contextmanager
def serving_aside(*answers: Answer | Callable[[Asked], Answer]) -> Iterator[ProviderServer]:
    """A `ProviderServer` in a thread of its own, for tests that have no event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = ProviderServer(*answers)
    try:
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result()
        yield server
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
