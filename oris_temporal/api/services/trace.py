"""W3C trace context: reading ``traceparent``, opening a span under it, and showing where an attempt stands."""

from __future__ import annotations

import re
import secrets

from oris_temporal.tracing import present_span

from ..control_store.trace_context import TraceContext
from ..errors import invalid
from ..models.trace import Trace

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_FORMAT = "traceparent must use format 00-<32 hex trace_id>-<16 hex span_id>-<2 hex flags>"


def open_trace(traceparent: bytes | None) -> TraceContext:
    """A new span: below the caller's if it sent ``traceparent``, else at the root of a new trace.

    Args:
        traceparent: The header as sent, or ``None``.

    Raises:
        ApiError: 400, the header is not ASCII or not a ``traceparent``.
    """
    if traceparent is None:
        trace_id, parent, flags = _random_id(16), None, "01"
    else:
        if any(byte != 0x09 and not 0x20 <= byte <= 0x7E for byte in traceparent):
            raise invalid("traceparent header must be valid ASCII")
        match = _TRACEPARENT.fullmatch(traceparent.decode("ascii").strip().lower())
        if match is None or not int(match[1], 16) or not int(match[2], 16):
            raise invalid(_FORMAT)
        trace_id, parent, flags = match.groups()
    if (span := present_span()) is not None:  # that of the request, which is below the caller's as well
        return TraceContext(span.trace_id, span.span_id, parent, span.flags)
    return TraceContext(trace_id, new_span_id(), parent, flags)


def new_span_id() -> str:
    """Id of a span that is to come."""
    return _random_id(8)


def wire_trace(trace: TraceContext | None) -> Trace | None:
    """A trace as the API shows it."""
    if trace is None:
        return None
    return Trace(
        trace_id=trace.trace_id,
        span_id=trace.span_id,
        parent_span_id=trace.parent_span_id,
        traceparent=trace.traceparent,
    )


def _random_id(size: int) -> str:
    while not int(id := secrets.token_hex(size), 16):  # all zeros means "invalid" in a trace context
        pass
    return id
