"""Server-sent events: their text, and the response that sends them for as long as somebody reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ..context import context_of

HEARTBEAT_SECONDS = 15.0
"""Silence after which a comment is sent: proxies close what says nothing for a minute."""

RETRY_MS = 2000
"""Time after which a browser connects again."""

HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
"""Nobody on the way is to keep events back."""


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event.

    Attributes:
        event: Its name.
        data: JSON text, on one line.
        id: What a client that connects again says as ``Last-Event-ID``.
    """

    event: str
    data: str
    id: str | None = None

    def encode(self) -> bytes:
        """The event as it is sent."""
        id = "" if self.id is None else f"id: {self.id}\n"
        return f"{id}event: {self.event}\ndata: {self.data}\n\n".encode()


Events = AsyncGenerator[ServerSentEvent, None]


class OpenStreams:
    """The streams that are being sent, so that all of them can be ended."""

    def __init__(self) -> None:
        self._endings: set[asyncio.Future[None]] = set()
        self._ended = False

    def __len__(self) -> int:
        return len(self._endings)

    def end(self) -> None:
        """End all streams, and any that is still to be opened: the server is about to stop."""
        self._ended = True
        for ending in self._endings:
            if not ending.done():
                ending.set_result(None)

    @contextmanager
    def one(self) -> Iterator[asyncio.Future[None]]:
        """One more stream; what it gets is done once the stream is to end."""
        ending = asyncio.get_running_loop().create_future()
        self._endings.add(ending)
        if self._ended:
            ending.set_result(None)
        try:
            yield ending
        finally:
            self._endings.discard(ending)


class EventStream(Response):
    """Sends events until there are no more, the client goes away, or all streams are ended.

    It keeps nothing: the next event is asked for when the client has taken the last one, so a slow client delays only itself.

    Args:
        events: The events. They are closed in any case.
        streams: Where this one is counted.
        farewell: Sent when all streams are ended.
    """

    media_type = "text/event-stream"

    def __init__(self, events: Events, streams: OpenStreams, farewell: ServerSentEvent) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(HEADERS)  # and no body, of which the length would be told
        self._events = events
        self._streams = streams
        self._farewell = farewell
        self._sent = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response; of a ``HEAD`` only what is before the events."""
        if context_of(scope).method == "HEAD":
            self._events = _nothing()
        async with aclosing(self._events):
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await self._write(send, f"retry: {RETRY_MS}\n\n".encode())
            with self._streams.one() as ending:
                gone = await self._send_until(ending, receive, send)
        if not gone:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_until(self, ending: asyncio.Future[None], receive: Receive, send: Send) -> bool:
        """Send the events, and a comment whenever there are none for a while. Returns whether the client went away."""
        sending = asyncio.create_task(self._send_events(send))
        leaving = asyncio.create_task(_disconnected(receive))
        try:
            done: set[asyncio.Future[None]] = set()
            while not done:
                sent = self._sent
                done, _ = await asyncio.wait(
                    {sending, leaving, ending}, timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                if not done and sent == self._sent:
                    await self._write(send, b": heartbeat\n\n")
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.wait({sending, leaving})
        if leaving in done:
            return True
        if sending in done:
            sending.result()
        else:
            await self._write(send, self._farewell.encode())
        return False

    async def _send_events(self, send: Send) -> None:
        async for event in self._events:
            await self._write(send, event.encode())
            await asyncio.sleep(0)  # a long past is there at once, and others want to be served

    async def _write(self, send: Send, body: bytes) -> None:
        self._sent += 1
        await send({"type": "http.response.body", "body": body, "more_body": True})


async def _nothing() -> Events:
    return
    yield


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
