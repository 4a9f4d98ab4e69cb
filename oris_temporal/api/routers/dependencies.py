"""What endpoints ask for besides their input."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from ..context import RequestContext, context_of
from ..models.envelope import Data, Envelope
from ..services import Services


async def _services(request: Request) -> Services:
    return cast(Services, request.app.state.services)


async def _context(request: Request) -> RequestContext:
    return context_of(request.scope)


async def _traceparent(request: Request) -> bytes | None:
    return next((value for name, value in request.scope["headers"] if name == b"traceparent"), None)


ServicesDep = Annotated[Services, Depends(_services)]
ContextDep = Annotated[RequestContext, Depends(_context)]
TraceparentDep = Annotated[bytes | None, Depends(_traceparent)]


def envelope(context: RequestContext, data: Data) -> Envelope[Data]:
    """Wrap an answer."""
    return Envelope(request_id=context.request_id, data=data)
