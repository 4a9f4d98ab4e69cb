"""What endpoints ask for besides their input."""

from __future__ import annotations

from typing import Annotated, cast
from urllib.parse import quote

from fastapi import Depends, Header, Request, Response

from oris_temporal.graph.interrupts import thread_of

from ..context import RequestContext, context_of
from ..models.envelope import Data, Envelope
from ..models.jobs import RunJob
from ..services import Services
from ..transport.preferences import Preferences, read_preferences


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


async def _preferences(
    prefer: Annotated[
        list[str] | None,
        Header(
            alias="Prefer",
            description="RFC 7240: with `respond-async` a run that takes longer than the wait is answered with 202, and "
            "there is no wait but that of `wait=<seconds>`.",
            examples=["respond-async, wait=5"],
        ),
    ] = None,
) -> Preferences:
    return read_preferences(prefer or ())


PreferencesDep = Annotated[Preferences, Depends(_preferences)]


def envelope(context: RequestContext, data: Data) -> Envelope[Data]:
    """Wrap an answer."""
    return Envelope(request_id=context.request_id, data=data)


def run_envelope(
    context: RequestContext, job: RunJob, preferences: Preferences, response: Response
) -> Envelope[RunJob]:
    """Wrap the answer of a run: 202 if it goes on and the client prefers to be told so by that."""
    applied = [] if preferences.wait_seconds is None else [f"wait={preferences.wait_seconds}"]
    if preferences.respond_async and job.status == "running":
        applied.insert(0, "respond-async")
        response.status_code = 202
        response.headers["location"] = f"/v1/jobs/{quote(job.thread_id, safe='')}/result"
    if applied:
        response.headers["preference-applied"] = ", ".join(applied)
    return envelope(context, job)
