"""A real HTTP server in front of an application, on its own thread: tests read as plain HTTP exchanges."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager

import httpx
import uvicorn
from fastapi import FastAPI

AppContext = Callable[[], AbstractAsyncContextManager[FastAPI]]


@contextmanager
def serving(open_app: AppContext) -> Iterator[httpx.Client]:
    """Serve the application that `open_app` opens, and everything it runs beside it, until the block ends.

    Args:
        open_app: Opens the application inside the server's event loop, with whatever it needs.

    Yields:
        An HTTP client with the server's base URL.
    """
    started = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    url: list[str] = []
    failure: list[BaseException] = []

    async def main() -> None:
        try:
            async with open_app() as app, _uvicorn(app) as address:
                url.append(address)
                started.set()
                await stop.wait()
        except BaseException as error:
            failure.append(error)
            raise
        finally:
            started.set()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), name="facade", daemon=True)
    thread.start()
    started.wait()
    if failure:
        raise failure[0]
    try:
        with httpx.Client(base_url=url[0], timeout=60) as client:
            yield client
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        loop.close()


@asynccontextmanager
async def _uvicorn(app: FastAPI) -> AsyncIterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="on"))
    serve = asyncio.ensure_future(server.serve())
    while not server.started:
        if serve.done():
            raise RuntimeError("The HTTP server ended while it started; its log says why.")
        await asyncio.sleep(0.01)
    try:
        host, port = server.servers[0].sockets[0].getsockname()
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        await serve
