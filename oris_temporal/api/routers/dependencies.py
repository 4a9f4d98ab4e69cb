"""What endpoints ask for besides their input."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Header, Response

from oris_temporal.graph.interrupts import thread_of

from ..models.envelope import Envelope
from ..models.jobs import RunJob
from ..transport.preferences import Preferences, read_preferences
from .request import WireRequest


async def own_thread(request: WireRequest) -> None:
    """Keep a caller that has a tenant from the threads of others, and from their interrupts."""
    tenant = request.caller.tenant
    if tenant is None:
        return
    ids = request.path_params
    thread_id = thread_of(ids["interrupt_id"]) if "interrupt_id" in ids else ids.get("thread_id")
    if thread_id and thread_id.strip():  # else it is refused for what it is
        await request.services.guard.require_own(thread_id, tenant)


OWN_THREAD = [Depends(own_thread)]
"""For routers whose paths name threads or interrupts."""


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


def run_envelope(request: WireRequest, job: RunJob, preferences: Preferences, response: Response) -> Envelope[RunJob]:
    """Wrap the answer of a run: 202 if it goes on and the client prefers to be told so by that."""
    applied = [] if preferences.wait_seconds is None else [f"wait={preferences.wait_seconds}"]
    if preferences.respond_async and job.status == "running":
        applied.insert(0, "respond-async")
        response.status_code = 202
        response.headers["location"] = f"/v1/jobs/{quote(job.thread_id, safe='')}/result"
    if applied:
        response.headers["preference-applied"] = ", ".join(applied)
    return request.envelope(job)
