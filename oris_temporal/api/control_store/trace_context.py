"""Where an attempt stands in its distributed trace."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A span of a W3C trace.

    Attributes:
        trace_id: The trace, 32 hex digits.
        span_id: The span, 16 hex digits.
        parent_span_id: The span above it, if there is one.
        trace_flags: Two hex digits.
    """

    trace_id: str
    span_id: str
    parent_span_id: str | None
    trace_flags: str

    @property
    def traceparent(self) -> str:
        """The span as the header that a caller below it would send."""
        return f"00-{self.trace_id}-{self.span_id}-{self.trace_flags}"

    def advanced(self, span_id: str) -> TraceContext:
        """A span below this one."""
        return replace(self, span_id=span_id, parent_span_id=self.span_id)
