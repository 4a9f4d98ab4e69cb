"""Watching a run as it happens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from ..models.envelope import ErrorEnvelope
from ..models.results import JobOutcome
from ..models.streams import StreamedChunk
from ..openapi import errors, event_stream
from ..services.streams import View
from ..transport.query import Flag
from .dependencies import OWN_THREAD
from .request import WireRequest
from .route import WireRoute

router = APIRouter(prefix="/v1/jobs", tags=["inspection"], route_class=WireRoute, dependencies=OWN_THREAD)

_EXAMPLE = """\
retry: 2000

id: 1-4
event: updates
data: {"mode":"updates","data":{"answer":{"messages":[{"content":"ok","message_type":"ai"}]}},"cursor":"1-4","namespace":""}

: heartbeat

id: 1-4
event: end
data: {"thread_id":"t1","run":1,"status":"completed","checkpoint_id":"0001-000001","interrupts":[],"error":null,"reason":null}

"""


@router.get(
    "/{thread_id:middle}/stream",
    name="stream_job",
    summary="Watch a run",
    response_class=Response,
    responses={**errors(404), 200: event_stream(_EXAMPLE, StreamedChunk, JobOutcome, ErrorEnvelope)},
)
async def stream_job(
    thread_id: str,
    request: WireRequest,
    mode: Annotated[
        list[str],
        Query(description="`values`, `updates`, `messages`, `custom`, `debug`; several with commas, or repeated."),
    ] = ["updates"],  # noqa: B006
    cursor: Annotated[str | None, Query(description="Go on after the event with this id.", examples=["1-4"])] = None,
    subgraphs: Annotated[Flag, Query(description="Whether to include what happens inside subgraphs.")] = False,
    follow: Annotated[Flag, Query(description="Whether to go on while the run waits for people.")] = False,
    last_event_id: Annotated[
        str | None, Header(alias="Last-Event-ID", description="As `cursor`, and goes before it: browsers send it.")
    ] = None,
) -> Response:
    """What happens in the thread's latest run, as server-sent events: from its start, or exactly from after an event.

    Each event is named after its mode. When the run settles, an event `end` says how it stands, and the stream ends; with
    `follow` not before the run is over. An event `error` has what an error answer would have, and ends the stream as well:
    connect again. A comment comes after 15 seconds of silence. Any number may watch; it leaves nothing in the run's history.
    """
    modes = [word.strip() for item in mode for word in item.split(",") if word.strip()]
    view = View(modes, last_event_id or cursor or None, subgraphs, follow)
    return await request.services.streams.stream(thread_id, view, request.context.request_id)
