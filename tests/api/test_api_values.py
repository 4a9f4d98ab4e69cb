"""Values and their wire forms: timestamps, trace context, interrupt ids, priorities, error statuses."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import pytest
from temporalio.service import RPCError, RPCStatusCode

from oris_temporal.api.error_mapping import explain
from oris_temporal.api.errors import ApiError
from oris_temporal.api.models.base import format_milliseconds, format_timestamp
from oris_temporal.api.services.checks import oris_priority, temporal_priority
from oris_temporal.api.services.trace import open_trace
from oris_temporal.graph import errors as oris

TRACE_ID, SPAN_ID = "0123456789abcdef0123456789abcdef", "1111111111111111"
INCOMING = f"00-{TRACE_ID}-{SPAN_ID}-01".encode()


@pytest.mark.parametrize(
    ("micros", "exact", "milliseconds"),
    [
        (0, "2026-03-01T12:00:00+00:00", "2026-03-01T12:00:00+00:00"),
        (999, "2026-03-01T12:00:00.000999+00:00", "2026-03-01T12:00:00+00:00"),
        (120_000, "2026-03-01T12:00:00.120+00:00", "2026-03-01T12:00:00.120+00:00"),
        (123_456, "2026-03-01T12:00:00.123456+00:00", "2026-03-01T12:00:00.123+00:00"),
    ],
)
def test_timestamps(micros: int, exact: str, milliseconds: str) -> None:
    paris = timezone(timedelta(hours=1))
    moment = datetime(2026, 3, 1, 13, 0, 0, micros, tzinfo=paris)
    assert format_timestamp(moment) == exact
    assert format_milliseconds(moment) == milliseconds


def test_trace_below_the_caller() -> None:
    trace = open_trace(INCOMING)
    assert (trace.trace_id, trace.parent_span_id) == (TRACE_ID, SPAN_ID)
    assert re.fullmatch("[0-9a-f]{16}", trace.span_id)
    assert trace.span_id != SPAN_ID
    assert trace.traceparent == f"00-{TRACE_ID}-{trace.span_id}-01"


def test_trace_without_a_caller() -> None:
    trace = open_trace(None)
    assert trace.parent_span_id is None
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", trace.traceparent)
    assert trace.trace_id != open_trace(None).trace_id


def test_trace_is_lower_cased_and_trimmed_and_keeps_the_flags() -> None:
    trace = open_trace(b"  00-" + TRACE_ID.upper().encode() + b"-" + SPAN_ID.encode() + b"-A0 ")
    assert trace.trace_id == TRACE_ID
    assert trace.traceparent.endswith("-a0")


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"00-invalid",
        b"01-" + INCOMING[3:],
        INCOMING + b"-00",
        INCOMING[:-1],
        b"00-" + b"0" * 32 + b"-1111111111111111-01",
        b"00-" + b"1" * 32 + b"-0000000000000000-01",
        INCOMING.replace(b"a", b"g"),
    ],
)
def test_malformed_traceparent(header: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        open_trace(header)
    assert (caught.value.status, caught.value.message) == (
        400,
        "traceparent must use format 00-<32 hex trace_id>-<16 hex span_id>-<2 hex flags>",
    )


def test_traceparent_must_be_ascii() -> None:
    with pytest.raises(ApiError, match="traceparent header must be valid ASCII"):
        open_trace(INCOMING[:-2] + b"\xc3\xa9")


def test_priorities_become_priority_keys() -> None:
    keys = [temporal_priority(priority) for priority in range(101)]
    assert [temporal_priority(oris_priority(key)) for key in range(1, 6)] == [1, 2, 3, 4, 5]
    assert keys == sorted(keys, reverse=True)
    assert (keys[0], keys[5], keys[80], keys[100]) == (5, 5, 1, 1)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (oris.ThreadNotFoundError("m"), 404, "not_found"),
        (oris.GraphNotFoundError("m"), 404, "not_found"),
        (oris.RunConflictError("m"), 409, "conflict"),
        (oris.NotInterruptedError("m"), 409, "conflict"),
        (oris.AmbiguousResumeError("m"), 409, "conflict"),
        (oris.InvalidAnswerError("m"), 400, "invalid_argument"),
        (oris.InvalidUpdateError("m"), 400, "invalid_argument"),
        (oris.PayloadTooLargeError("m"), 413, "invalid_argument"),
        (oris.ServerUnreachableError("m"), 503, "unavailable"),
        (oris.NoWorkerError("m"), 503, "unavailable"),
        (oris.RunFailedError("m", failure="node"), 500, "internal"),
        (oris.RunFailedError("m", failure="invalid_argument"), 400, "invalid_argument"),
        (RPCError("m", RPCStatusCode.UNAVAILABLE, b""), 503, "unavailable"),
        (RPCError("m", RPCStatusCode.INVALID_ARGUMENT, b""), 400, "invalid_argument"),
        (RPCError("m", RPCStatusCode.INTERNAL, b""), 500, "internal"),
    ],
)
def test_errors_have_one_status_and_code(error: oris.OrisError | RPCError, status: int, code: str) -> None:
    answer = explain(error, failing="run failed")
    assert (answer.status, answer.code) == (status, code)
    assert answer.message == ("run failed: m" if status == 500 else "m")
    assert ("retry-after" in answer.headers) == (status == 503)


def test_every_error_of_the_package_has_a_status() -> None:
    for cls in vars(oris).values():
        if isinstance(cls, type) and issubclass(cls, oris.OrisError):
            error = cls.__new__(cls)
            error.message, error.details, error.failure = "m", {}, "node"  # type: ignore[attr-defined]
            assert explain(error).status in (400, 404, 409, 413, 500, 503)
