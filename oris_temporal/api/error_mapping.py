"""From the package's errors to HTTP answers: the one place that decides status and code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from temporalio.service import RPCError, RPCStatusCode

from oris_temporal.graph.errors import (
    ConflictError,
    EmptyInputError,
    InvalidAnswerError,
    InvalidOptionError,
    InvalidUpdateError,
    NodeNotFoundError,
    OrisError,
    PayloadTooLargeError,
    PersistenceError,
    RunFailedError,
    SerializationError,
    StreamModeError,
    UnavailableError,
)

from .errors import ApiError

_STATUS: dict[type[OrisError], int] = {
    # what the caller sent does not fit the graph
    EmptyInputError: 400,
    InvalidUpdateError: 400,
    InvalidAnswerError: 400,
    InvalidOptionError: 400,
    NodeNotFoundError: 400,
    SerializationError: 400,
    StreamModeError: 400,
    PayloadTooLargeError: 413,
    # what the caller names is not there, or not in a state for this
    PersistenceError: 404,
    ConflictError: 409,
    # the cluster cannot do it now
    UnavailableError: 503,
    # everything else: the work failed
    OrisError: 500,
}

_RPC_STATUS: dict[RPCStatusCode, int] = {
    RPCStatusCode.INVALID_ARGUMENT: 400,
    RPCStatusCode.NOT_FOUND: 404,
    RPCStatusCode.FAILED_PRECONDITION: 503,  # no worker to ask
    RPCStatusCode.UNAVAILABLE: 503,
    RPCStatusCode.DEADLINE_EXCEEDED: 503,
    RPCStatusCode.RESOURCE_EXHAUSTED: 503,
    RPCStatusCode.CANCELLED: 503,
}

_REQUESTS = {
    "Answer by id: resume(thread_id, {interrupt_id: value}, by_id=True).": "Answer each by its id under /v1/interrupts.",
    "or pass on_conflict='replace'": 'or run or replay it with "on_conflict": "replace"',
    "Use fork(..., update=...)": "Fork it with an update",
}
"""What messages of the Python API tell to do, and what that is here."""

_RETRY_AFTER = {"retry-after": "1"}


def explain(error: OrisError | RPCError, *, failing: str = "") -> ApiError:
    """The answer for an error.

    Args:
        error: A typed error of this package, or one of Temporal that no typed error stands for.
        failing: What to put before the message when the answer is a 500, such as ``run failed``.
    """
    if isinstance(error, RPCError):
        status = _RPC_STATUS.get(error.status, 500)
    elif isinstance(error, RunFailedError):  # the name of an RPC status where Temporal refused the call
        status = next((code for rpc, code in _RPC_STATUS.items() if rpc.name.lower() == error.failure), 500)
    else:
        status = next(_STATUS[cls] for cls in type(error).__mro__ if cls in _STATUS)
    message = _over_rest(error.message)
    if failing and status == 500:
        message = f"{failing}: {message}"
    return ApiError(status, message, headers=_RETRY_AFTER if status == 503 else None)


def _over_rest(message: str) -> str:
    """A message that names requests in place of arguments of the Python API."""
    for python, request in _REQUESTS.items():
        message = message.replace(python, request)
    return message


@contextmanager
def failing(what: str) -> Iterator[None]:
    """Answer errors raised inside as `explain` does, 500s with the prefix ``<what>: ``."""
    try:
        yield
    except (OrisError, RPCError) as error:
        raise explain(error, failing=what) from error
