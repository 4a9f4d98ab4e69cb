"""Turns what nobody caught into the error envelope, so that middleware around it sees an ordinary answer."""

from __future__ import annotations

import logging

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..context import context_of
from ..errors import error_response, internal

logger = logging.getLogger(__name__)


class ErrorBoundaryMiddleware:
    """Answers 500 for unexpected exceptions and logs them under the request id."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except ClientDisconnect:
            pass  # nobody is left to answer
        except Exception:
            context = context_of(scope)
            logger.exception("%s %s failed (request %s)", context.method, context.path, context.request_id)
            if started:
                raise
            failure = internal("the server failed to handle this request; its log has the cause under the request id")
            await error_response(context.request_id, failure)(scope, receive, send)
