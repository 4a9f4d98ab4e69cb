"""Tells in one sentence why the application does not start."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from oris_temporal.graph.errors import OrisError


class StartupMiddleware:
    """Gives the server an error's message where it would get a traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle the application's life, or pass a request on."""
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return
        held: list[Message] = []

        async def hold(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                held.append(message)  # its reason is raised right after it
            else:
                await send(message)

        try:
            await self.app(scope, receive, hold)
        except OrisError as error:
            await send({"type": "lifespan.startup.failed", "message": error.message})
            raise
        except BaseException:
            for message in held:
                await send(message)
            raise
