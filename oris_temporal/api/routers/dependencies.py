"""What endpoints ask for besides their input."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from oris_temporal.graph.interrupts import thread_of

from ..context import RequestContext, context_of
from ..models.envelope import Data, Envelope
from ..services import Services


async def _services(request: Request) -> Services:
    return cast(Services, request.app.state.services)


async def _context(request: Request) -> RequestContext:
    return context_of(request.scope)


async def _traceparent(request: Request) -> bytes | None:
    return next((value for name, value in request.scope["headers"] if name == b"traceparent"), None)


async def own_thread(request: Request) -> None:
    """Keep a caller that has a tenant from the threads of others, and from their interrupts."""
    tenant = context_of(request.scope).caller.tenant
    if tenant is None:
        return
    ids = request.path_params
    thread_id = thread_of(ids["interrupt_id"]) if "interrupt_id" in ids else ids.get("thread_id")
    if thread_id and thread_id.strip():  # else it is refused for what it is
        await cast(Services, request.app.state.services).guard.require_own(thread_id, tenant)


OWN_THREAD = [Depends(own_thread)]
"""For routers whose paths name threads or interrupts."""

ServicesDep = Annotated[Services, Depends(_services)]
ContextDep = Annotated[RequestContext, Depends(_context)]
TraceparentDep = Annotated[bytes | None, Depends(_traceparent)]


def envelope(context: RequestContext, data: Data) -> Envelope[Data]:
    """Wrap an answer."""
    return Envelope(request_id=context.request_id, data=data)
