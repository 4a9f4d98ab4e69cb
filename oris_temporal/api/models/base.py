"""Bases and field types that the wire models share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema


class RequestModel(BaseModel):
    """A request body: no coercion, unknown fields ignored."""

    model_config = ConfigDict(strict=True, extra="ignore")


class ResponseModel(BaseModel):
    """A part of an answer: every field is written, empty ones as ``null``."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


def format_timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with ``+00:00`` and the shortest of 0, 3, 6 fractional digits that is exact."""
    moment = moment.astimezone(UTC)
    micros = moment.microsecond
    return moment.isoformat(timespec="seconds" if not micros else "microseconds" if micros % 1000 else "milliseconds")


def format_milliseconds(moment: datetime) -> str:
    """As `format_timestamp`, cut to milliseconds."""
    return format_timestamp(moment.replace(microsecond=moment.microsecond // 1000 * 1000))


def _timestamp_schema(example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "format": "date-time", "examples": [example]})


Moment = Annotated[
    datetime,
    PlainSerializer(format_timestamp, return_type=str),
    _timestamp_schema("2026-03-01T12:00:00.123456+00:00"),
]
"""A time as exact as it is known."""

Millisecond = Annotated[
    datetime,
    PlainSerializer(format_milliseconds, return_type=str),
    _timestamp_schema("2026-03-01T12:00:00.123+00:00"),
]
"""A time with millisecond precision."""

I32 = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
"""A signed 32-bit integer."""

I64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
"""A signed 64-bit integer."""

U32 = Annotated[int, Field(ge=0, le=2**32 - 1)]
"""An unsigned 32-bit integer."""

U64 = Annotated[int, Field(ge=0, le=2**64 - 1)]
"""An unsigned 64-bit integer."""

WaitMs = Annotated[
    I64 | None,
    Field(
        description="Milliseconds to wait for the run to settle, before the answer is `running`; 0 does not wait. "
        "Default, and at most: 50000."
    ),
]
"""How long an answer waits."""

OnConflict = Annotated[
    str | None,
    Field(description="What to do if the thread is actively running: `fail` (default, 409) or `replace` that run."),
]
"""What becomes of a run that is in the way."""

Values = Annotated[Any, Field(description="The state as JSON; opaque to clients.")]
"""A workflow's state."""
