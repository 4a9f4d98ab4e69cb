"""OpenTelemetry traces across facade, workflows and activities, set up by OpenTelemetry's own environment variables.

With ``OTEL_EXPORTER_OTLP_ENDPOINT`` (or ``OTEL_EXPORTER_OTLP_TRACES_ENDPOINT``) the facade and the command line's workers send
spans there, over HTTP. Your own clients and workers are traced as any others of Temporal: give them a `TracingInterceptor`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from oris_temporal.graph.errors import ConfigurationError

if TYPE_CHECKING:
    from temporalio.contrib.opentelemetry import TracingInterceptor

_NEEDED = ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.instrumentation.asgi")

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


class SpanPlace(NamedTuple):
    """Where a span is in its trace: lower-case hex, as in ``traceparent``."""

    trace_id: str
    span_id: str
    flags: str


def is_traced(environ: Mapping[str, str] | None = None) -> bool:
    """Whether the environment asks for traces."""
    given = os.environ if environ is None else environ
    off = given.get("OTEL_SDK_DISABLED", "").lower() == "true" or given.get("OTEL_TRACES_EXPORTER") == "none"
    return not off and any(given.get(name) for name in ENDPOINTS)


def check_tracing() -> None:
    """Check that there is what the environment asks for.

    Raises:
        ConfigurationError: It asks for traces, but OpenTelemetry is not installed.
    """
    try:
        for module in _NEEDED if is_traced() else ():
            import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"The environment asks for traces, but {error.name} is not installed. pip install 'oris-temporal[otel]'"
        ) from error


def tracing(service: str) -> list[TracingInterceptor]:
    """Set traces up as the environment says; a provider that the process has already is kept.

    Args:
        service: Name of the service where ``OTEL_SERVICE_NAME`` does not say.

    Returns:
        Interceptors for a Temporal client, whose workers inherit them; none if the environment asks for no traces.

    Raises:
        ConfigurationError: It asks, but OpenTelemetry is not installed.
    """
    if not is_traced():
        return []
    check_tracing()
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from temporalio.contrib.opentelemetry import TracingInterceptor

    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        name = os.environ.get("OTEL_SERVICE_NAME") or service
        provider = TracerProvider(resource=Resource.create({SERVICE_NAME: name}))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(provider)
    return [TracingInterceptor()]


def traced(app: Any) -> Any:
    """An ASGI application whose requests are spans, below the caller's ``traceparent``; the same one if there are no traces."""
    if not is_traced():
        return app
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    return OpenTelemetryMiddleware(
        app,
        excluded_urls="healthz,readyz,metrics",
        exclude_spans=["receive", "send"],
        client_response_hook=_name_by_route,
    )


def present_span() -> SpanPlace | None:
    """The span that the caller is in, if there are traces."""
    if not is_traced():
        return None
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return SpanPlace(f"{context.trace_id:032x}", f"{context.span_id:016x}", f"{context.trace_flags:02x}")


def _name_by_route(span: Any, scope: dict[str, Any], _: dict[str, Any]) -> None:
    """Ids are no part of a span's name."""
    route = getattr(scope.get("route"), "path", None)
    if route is not None and span.is_recording():
        span.update_name(f"{scope['method']} {route}")
