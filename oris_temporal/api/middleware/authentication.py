"""Lets in who may call, before routing: a caller without credentials learns nothing of what is there."""

from __future__ import annotations

from typing import cast

from starlette.types import ASGIApp, Receive, Scope, Send

from ..context import RequestContext, context_of
from ..control_store.database import StoreUnavailableError
from ..error_mapping import explain
from ..errors import ApiError, error_response
from ..security.authenticator import Authenticator, Credentials
from ..security.caller import may


class AuthenticationMiddleware:
    """Finds out who calls under ``/v1`` and refuses who may not."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and context_of(scope).path.startswith("/v1"):
            context = context_of(scope)
            try:
                await self._admit(context, scope)
            except (ApiError, StoreUnavailableError) as error:
                refusal = error if isinstance(error, ApiError) else explain(error)
                await error_response(context.request_id, refusal)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    async def _admit(self, context: RequestContext, scope: Scope) -> None:
        """Note who calls.

        Raises:
            ApiError: 401, nobody knows who calls; or 403, that one may not do this.
        """
        authenticator = cast("Authenticator", scope["app"].state.authenticator)
        caller = await authenticator.identify(Credentials.of(scope["headers"]))
        if caller is None:
            raise ApiError(401, "missing or invalid credentials", {"supported_auth": await authenticator.schemes()})
        context.caller = caller
        if caller.role is not None and not may(caller.role, context.method, context.path):
            raise ApiError(
                403,
                "role is not allowed to access this endpoint",
                {"role": caller.role, "method": context.method, "path": context.path},
            )
