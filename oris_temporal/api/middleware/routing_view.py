"""Innermost: shows the router the raw path, and a ``GET`` where a ``HEAD`` came in.

Routes are matched before percent-decoding, so that ``%2F`` inside an id is not a separator. Only the router
sees this view; middleware further out keeps the request as it was sent.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..context import raw_path


class RoutingViewMiddleware:
    """Routes on the raw path and serves ``HEAD`` on every ``GET`` route."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        view = {**scope, "path": raw_path(scope)}
        if scope["method"] != "HEAD":
            await self.app(view, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self.app({**view, "method": "GET"}, receive, without_body)
