"""What endpoints get to see of a request besides their input."""

from __future__ import annotations

from typing import Any, cast

from fastapi import Request
from starlette.types import Receive, Scope

from ..context import RequestContext, context_of
from ..models.envelope import Data, Envelope
from ..security.caller import Caller
from ..services import Services
from ..transport.json_body import Absent


class WireRequest(Request):
    """A request whose body is read and parsed already.

    Args:
        scope: The request's ASGI scope.
        receive: Where its messages come from.
        document: Its body as plain JSON data; `Absent` without one.
    """

    def __init__(self, scope: Scope, receive: Receive, document: Any) -> None:
        super().__init__(scope, receive)
        self._document = document

    @property
    def services(self) -> Services:
        """What the endpoints do."""
        return cast(Services, self.app.state.services)

    @property
    def context(self) -> RequestContext:
        """What is known about it from first to last."""
        return context_of(self.scope)

    @property
    def caller(self) -> Caller:
        """Who it comes from."""
        return self.context.caller

    @property
    def traceparent(self) -> bytes | None:
        """The first W3C `traceparent` header."""
        return next((value for name, value in self.scope["headers"] if name == b"traceparent"), None)

    def envelope(self, data: Data) -> Envelope[Data]:
        """Wrap an answer to it."""
        return Envelope(request_id=self.context.request_id, data=data)

    async def body(self) -> bytes:
        """Whether there is a body is all that FastAPI looks at."""
        return b"" if self._document is Absent else b"read"

    async def json(self) -> Any:
        """The parsed body."""
        return self._document
