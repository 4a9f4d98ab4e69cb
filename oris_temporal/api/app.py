"""Assembling the application: routers, middleware in order, error answers, the connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from temporalio.service import RPCError

from oris_temporal.client import OrisClient
from oris_temporal.config import Settings, load_graphs
from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.errors import ConfigurationError, OrisError

from .context import context_of
from .error_mapping import explain
from .errors import ApiError, error_response
from .middleware.error_boundary import ErrorBoundaryMiddleware
from .middleware.request_context import RequestContextMiddleware
from .middleware.routing_view import RoutingViewMiddleware
from .openapi import DESCRIPTION, TAGS
from .routers import health, interrupts, job_reads, jobs
from .services import Services
from .transport.framework_answers import answer_http_exception
from .transport.problems import explain_validation

MIDDLEWARE = [
    Middleware(RequestContextMiddleware),
    # Audit, access log and authentication go here, in this order: they see all answers, before routing.
    Middleware(ErrorBoundaryMiddleware),
    Middleware(RoutingViewMiddleware),
]
"""Outermost first."""


def create_app(client: OrisClient | None = None, *, settings: Settings | None = None) -> FastAPI:
    """Make the application.

    Args:
        client: The client to operate runs with. Without one the application connects when it starts, as the
            environment says.
        settings: Settings; those of the environment by default.

    Returns:
        An ASGI application.

    Raises:
        ConfigurationError: The environment's settings are not valid, a graph they name cannot be loaded, or the default graph is
            none of those they name.
    """
    settings = settings or Settings.from_env()
    graphs = load_graphs(settings.graphs) if settings.graphs else []
    default_graph = _default_graph(settings, graphs)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if client is None:
            connected = await OrisClient.connect(task_queue=settings.task_queue, id_prefix=settings.id_prefix)
            app.state.services = Services.over(connected, graphs, default_graph)
        yield

    app = FastAPIOffline(  # its documentation page needs no other host
        title="Oris on Temporal",
        version="v1",
        summary="The Oris /v1 execution API on a Temporal cluster.",
        description=DESCRIPTION,
        openapi_tags=TAGS,
        lifespan=lifespan,
        middleware=MIDDLEWARE,
        redirect_slashes=False,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    for router in (jobs.router, job_reads.router, interrupts.router, health.router):
        app.include_router(router)
    app.add_exception_handler(HTTPException, answer_http_exception)
    for error in (ApiError, OrisError, RPCError, RequestValidationError):
        app.add_exception_handler(error, _answer_error)
    if client is not None:
        app.state.services = Services.over(client, graphs, default_graph)
    return app


def _default_graph(settings: Settings, graphs: Sequence[CompiledGraph]) -> str | None:
    names = [graph.name for graph in graphs]
    if settings.default_graph is None:
        return names[0] if len(names) == 1 else None
    if names and settings.default_graph not in names:
        raise ConfigurationError(
            f"ORIS_DEFAULT_GRAPH='{settings.default_graph}' is none of the graphs of ORIS_GRAPHS: {', '.join(names)}."
        )
    return settings.default_graph


async def _answer_error(request: Request, error: Exception) -> Response:
    match error:
        case ApiError():
            answer = error
        case RequestValidationError():
            answer = explain_validation(error)
        case OrisError() | RPCError():
            answer = explain(error)
        case _:
            raise error
    return error_response(context_of(request.scope).request_id, answer)
