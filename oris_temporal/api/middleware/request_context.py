"""Outermost: computes the request id once, for answer, log, audit entry and workflow alike."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from ..context import open_context


class RequestContextMiddleware:
    """Gives every HTTP request its `RequestContext`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http":
            open_context(scope)
        await self.app(scope, receive, send)
