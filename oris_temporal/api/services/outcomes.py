"""From the client's `RunResult` to the API's answer."""

from __future__ import annotations

from oris_temporal.client import RunResult
from oris_temporal.graph.errors import EmptyInputError, InvalidUpdateError
from oris_temporal.graph.interrupts import number_of

from ..errors import ApiError, internal, invalid
from ..models.jobs import RunJob
from ..models.trace import Trace
from .threads import cancelled_conflict

MAX_PAGE = 200
"""Most items in one answer."""

_INPUT_ERRORS = (EmptyInputError.code, InvalidUpdateError.code)


def run_job(
    result: RunResult,
    *,
    failing: str,
    idempotency_key: str | None = None,
    trace: Trace | None = None,
) -> RunJob:
    """The answer for a run that settled, or that goes on past its wait budget.

    Args:
        result: What the client returned.
        failing: What to put before the message of a failed run, such as ``run failed``.
        idempotency_key: The request's key, echoed.
        trace: The request's trace.

    Raises:
        ApiError: 500, the run failed; 400, its input did not fit the graph; 409, it was cancelled meanwhile.
    """
    if result.status == "failed":
        raise _failed(result, failing)
    if result.status == "cancelled":
        raise cancelled_conflict(result.thread_id)
    # In the order of their ids, which clients make from the place here. Tasks may have asked in another order than theirs.
    asked = sorted(result.interrupts, key=lambda interrupt: number_of(interrupt.id))
    return RunJob(
        thread_id=result.thread_id,
        status=result.status,
        interrupts=[interrupt.value for interrupt in asked],
        idempotency_key=idempotency_key,
        trace=trace,
    )


def _failed(result: RunResult, failing: str) -> ApiError:
    error = result.error or {}
    message = str(error.get("message", "the run failed"))
    if result.checkpoint_id is None and error.get("code") in _INPUT_ERRORS:  # it did not get past its input
        return invalid(message)
    return internal(f"{failing}: {message}")
