"""W3C trace context as the API shows it."""

from __future__ import annotations

from pydantic import Field

from .base import ResponseModel


class Trace(ResponseModel):
    """Where a request stands in its distributed trace."""

    trace_id: str = Field(examples=["0123456789abcdef0123456789abcdef"])
    span_id: str = Field(examples=["2222222222222222"])
    parent_span_id: str | None = Field(
        description="The caller's span, if it sent `traceparent`.", examples=["1111111111111111"]
    )
    traceparent: str = Field(examples=["00-0123456789abcdef0123456789abcdef-2222222222222222-01"])
