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
from oris_temporal.tracing import check_tracing, traced, tracing

from .context import context_of
from .control_store import ControlStore, StoreSettings
from .error_mapping import explain
from .errors import ApiError, error_response
from .middleware.audit import AuditMiddleware
from .middleware.authentication import AuthenticationMiddleware
from .middleware.error_boundary import ErrorBoundaryMiddleware
from .middleware.request_context import RequestContextMiddleware
from .middleware.routing_view import RoutingViewMiddleware
from .middleware.startup import StartupMiddleware
from .openapi import DESCRIPTION, TAGS
from .process_metrics import ProcessMetrics
from .routers import attempts as attempt_routes
from .routers import audit, dead_letters, health, interrupts, job_reads, jobs, metrics, streams, workers
from .routers import graphs as graph_routes
from .security import Authenticator, SecuritySettings
from .services import Services
from .stopping import on_stop_signal
from .ticker import repeating, serving
from .transport.framework_answers import answer_http_exception
from .transport.problems import explain_validation

MIDDLEWARE = [
    Middleware(traced),
    Middleware(StartupMiddleware),
    Middleware(RequestContextMiddleware),
    Middleware(AuditMiddleware),
    Middleware(AuthenticationMiddleware),
    Middleware(ErrorBoundaryMiddleware),
    Middleware(RoutingViewMiddleware),
]
"""Outermost first."""


def create_app(
    client: OrisClient | None = None,
    *,
    settings: Settings | None = None,
    store: StoreSettings | None = None,
    security: SecuritySettings | None = None,
) -> FastAPI:
    """Make the application.

    Args:
        client: The client to operate runs with. Without one the application connects when it starts, as the
            environment says.
        settings: Settings; those of the environment by default.
        store: Where the control store is; as the environment says by default.
        security: Static credentials; those of the environment by default.

    Returns:
        An ASGI application.

    Raises:
        ConfigurationError: The environment's settings are not valid, a graph they name cannot be loaded, or the default graph is
            none of those they name; or it asks for traces, for which something is not installed.
    """
    settings = settings or Settings.from_env()
    store = store or StoreSettings.from_env()
    security = security or SecuritySettings.from_env()
    check_tracing()
    graphs = load_graphs(settings.graphs) if settings.graphs else []
    default_graph = _default_graph(settings, graphs)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with ControlStore.opened(store) as control:
            app.state.control = control
            app.state.authenticator = Authenticator(security, control.keys)
            await app.state.authenticator.prepare()
            process = app.state.process_metrics = ProcessMetrics()
            names = {"task_queue": settings.task_queue, "id_prefix": settings.id_prefix}
            connected = client or await OrisClient.connect(
                **names, runtime=process.runtime(), interceptors=tracing("oris-facade")
            )
            app.state.services = Services.over(connected, control, graphs, default_graph)
            with on_stop_signal(app.state.services.streams.open.end):
                attempts = app.state.services.run_attempts
                remote_nodes = app.state.services.remote_nodes
                async with (
                    repeating(process.count, 1, "Metrics of the Temporal client are not counted for the time being"),
                    repeating(control.ticks.tick, 1, "Leases do not expire for the time being"),
                    repeating(
                        remote_nodes.tell, 1, "Nodes do not hear what became of their attempts for the time being"
                    ),
                    repeating(remote_nodes.beat, 5, "Activities of remote nodes are not kept alive for the time being"),
                    serving(remote_nodes.worker, "Remote nodes are not taken over for the time being"),
                    repeating(attempts.catch_up, 30, "Attempts of jobs that ended unseen stay open for the time being"),
                    repeating(control.retention.forget, 3600, "What is old enough to go stays for the time being"),
                ):
                    yield

    app = FastAPIOffline(  # its documentation page needs no other host
        title="Oris on Temporal",
        version="v1",
        summary="Oris graphs that run as Temporal workflows, behind the Oris /v1 API.",
        description=DESCRIPTION,
        openapi_tags=TAGS,
        lifespan=lifespan,
        middleware=MIDDLEWARE,
        redirect_slashes=False,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    first = (workers, jobs, job_reads, streams, interrupts)  # they are asked most, and each router is tried in turn
    for part in (*first, graph_routes, attempt_routes, dead_letters, audit, metrics, health):
        app.include_router(part.router)
    app.add_exception_handler(HTTPException, answer_http_exception)
    for error in (ApiError, OrisError, RPCError, RequestValidationError):
        app.add_exception_handler(error, _answer_error)
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
