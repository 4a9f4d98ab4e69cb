"""An application with the API's transport around routes that show what arrives. Nothing gets as far as Temporal."""

from __future__ import annotations

import http.client
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, cast

import httpx
from fastapi import APIRouter, FastAPI, Query

from oris_temporal.api import create_app
from oris_temporal.api.control_store import StoreSettings
from oris_temporal.api.models.envelope import Envelope
from oris_temporal.api.models.jobs import CancelJobRequest, ResumeJobRequest, RunJobRequest
from oris_temporal.api.routers.request import WireRequest
from oris_temporal.api.routers.route import WireRoute
from oris_temporal.api.transport.query import Unsigned
from oris_temporal.config import Settings

JSON = {"content-type": "application/json"}

probe = APIRouter(prefix="/probe", route_class=WireRoute)


@probe.post("/run")
async def probe_run(body: RunJobRequest, request: WireRequest) -> Envelope[Any]:
    return request.envelope(body.model_dump())


@probe.post("/resume")
async def probe_resume(body: ResumeJobRequest, request: WireRequest) -> Envelope[Any]:
    return request.envelope(body.model_dump())


@probe.post("/optional")
async def probe_optional(request: WireRequest, body: CancelJobRequest | None = None) -> Envelope[Any]:
    return request.envelope(body and body.model_dump())


@probe.get("/page")
async def probe_page(request: WireRequest, limit: Annotated[Unsigned, Query()] = 50) -> Envelope[Any]:
    return request.envelope(limit)


@probe.get("/{first:middle}/{second}")
async def probe_segments(first: str, second: str, request: WireRequest) -> Envelope[Any]:
    return request.envelope([first, second])


@probe.get("/crash")
async def probe_crash() -> None:
    raise ZeroDivisionError("a secret of the server")


@probe.get("/odd")
async def probe_odd(request: WireRequest) -> Envelope[Any]:
    return request.envelope({"nan": float("nan"), "text": "é\u2028"})


@asynccontextmanager
async def probe_app() -> AsyncIterator[FastAPI]:
    no_client = cast(Any, object())
    with tempfile.TemporaryDirectory() as files:
        app = create_app(no_client, settings=Settings(), store=StoreSettings(sqlite_path=f"{files}/oris.db"))
        app.include_router(probe)
        yield app


def post(api: httpx.Client, path: str, text: str | bytes, **headers: str) -> httpx.Response:
    return api.post(path, content=text, headers={**JSON, **headers})


def error_of(response: httpx.Response) -> dict[str, Any]:
    """The error of a well-formed error envelope."""
    assert response.headers["content-type"] == "application/json"
    envelope = response.json()
    assert envelope.keys() == {"request_id", "error"}
    assert envelope["error"].keys() == {"code", "message", "details"}
    return cast(dict[str, Any], envelope["error"])


def raw_request(api: httpx.Client, method: str, target: str) -> tuple[int, dict[str, str], bytes]:
    """A request whose target is sent exactly as given; httpx would normalise it."""
    connection = http.client.HTTPConnection(api.base_url.host, api.base_url.port)
    try:
        connection.request(method, target)
        response = connection.getresponse()
        return (
            response.status,
            {name.lower(): value for name, value in response.getheaders()},
            response.read(),
        )
    finally:
        connection.close()
