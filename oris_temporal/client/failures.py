"""From Temporal's errors to ours."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from temporalio.client import (
    RPCTimeoutOrCancelledError,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError, TerminatedError
from temporalio.exceptions import CancelledError as TemporalCancelledError
from temporalio.exceptions import TimeoutError as TemporalTimeoutError
from temporalio.service import RPCError, RPCStatusCode

from oris_temporal.graph.errors import (
    NamespaceNotFoundError,
    NotSetUpError,
    NoWorkerError,
    OrisError,
    RunFailedError,
    RunPausedError,
    ServerUnreachableError,
    ThreadNotFoundError,
    error_class,
)


@asynccontextmanager
async def typed_errors(what: str, thread_id: str | None = None) -> AsyncIterator[None]:
    """Raise our errors in place of Temporal's.

    Args:
        what: What is being done, for the message: ``resume thread 't-1'``.
        thread_id: The thread, if an unknown workflow means an unknown thread.
    """
    try:
        yield
    except (
        RPCError,
        TimeoutError,
        WorkflowUpdateFailedError,
        WorkflowQueryFailedError,
        WorkflowQueryRejectedError,
    ) as error:
        raise typed(error, what, thread_id) from error


def typed(error: BaseException, what: str, thread_id: str | None = None) -> OrisError:
    """Our error for one of Temporal's."""
    answer = getattr(error, "cause", None) or error
    if _NO_HANDLER in str(answer):
        name = "The workflow" if thread_id is None else f"Workflow {thread_id!r}"
        return ThreadNotFoundError(
            f"Could not {what}: {name} does not answer as a run of a graph does ({answer}).", thread_id=thread_id
        )
    if isinstance(error, WorkflowUpdateFailedError) and isinstance(error.cause, ApplicationError):
        return from_application_error(error.cause)
    if isinstance(error, TimeoutError):
        return _too_late(what)
    if isinstance(error, RPCError):
        return _from_rpc(error, what, thread_id)
    return RunFailedError(f"Could not {what}: {error.__cause__ or error}", failure="unknown")


def from_application_error(error: ApplicationError) -> OrisError:
    """Our error as it was before it crossed the wire."""
    found = error_class(error.type or "")
    details = error.details[0] if error.details and isinstance(error.details[0], dict) else {}
    if found is None:
        return RunFailedError(error.message, failure=error.type or "unknown")
    return found(error.message, **details)


def _from_rpc(error: RPCError, what: str, thread_id: str | None) -> OrisError:
    if error.status == RPCStatusCode.NOT_FOUND and error.message.startswith("Namespace "):
        return NamespaceNotFoundError(
            f"Could not {what}: {error.message.rstrip('.')}. Set TEMPORAL_NAMESPACE, or create it: "
            "temporal operator namespace create --namespace <name>."
        )
    if "workflow is paused" in error.message.lower():
        return RunPausedError(f"Could not {what}: an operator paused the workflow. Unpause it first.")
    if error.status in (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED):
        return ServerUnreachableError(
            f"Could not {what}: the Temporal server refuses the credentials ({error.message}). Check TEMPORAL_API_KEY and TLS."
        )
    if error.status == RPCStatusCode.NOT_FOUND and thread_id is not None:
        return ThreadNotFoundError(
            f"There is no run of thread {thread_id!r}, or its retention period is over.", thread_id=thread_id
        )
    if error.status == RPCStatusCode.UNAVAILABLE:
        return ServerUnreachableError(f"Could not {what}: the Temporal server does not answer ({error.message}).")
    if (
        "no poller" in error.message.lower()
        or isinstance(error, RPCTimeoutOrCancelledError)
        or error.status
        in (
            RPCStatusCode.DEADLINE_EXCEEDED,
            RPCStatusCode.CANCELLED,
        )
    ):
        return _too_late(what)
    if "search attribute" in error.message.lower():
        return NotSetUpError(f"Could not {what}: {error.message}. Run `oris-temporal setup` once for this namespace.")
    return RunFailedError(f"Could not {what}: {error.message}", failure=error.status.name.lower())


def _too_late(what: str) -> NoWorkerError:
    return NoWorkerError(
        f"Could not {what} in time. Either no worker serves the task queue, or the server is overloaded; the run is kept."
    )


_NO_HANDLER = "expected but not found"
"""How the SDK says that a workflow has no such query or update."""

TIMED_OUT = "The run did not end within its execution timeout."


def describe_failure(cause: BaseException | None) -> dict[str, Any]:
    """``code``, ``message`` and ``details`` of what a closed workflow failed with."""
    if isinstance(cause, ApplicationError):
        error = from_application_error(cause)
        code = error.failure if isinstance(error, RunFailedError) else error.code
        return {"code": code, "message": error.message, "details": error.details}
    if isinstance(cause, TemporalCancelledError):
        return {"code": "cancelled", "message": str(cause), "details": {}}
    if isinstance(cause, TerminatedError):
        return {"code": "terminated", "message": f"The run was terminated: {cause}", "details": {}}
    if isinstance(cause, TemporalTimeoutError):
        return {"code": "timed_out", "message": TIMED_OUT, "details": {}}
    return {"code": "unknown", "message": str(cause), "details": {}}


def _innermost(error: BaseException) -> str:
    """The plain reason in the transport's nested report."""
    messages = re.findall(r'message: "([^"]*)"', str(error))
    return messages[-1] if messages else str(error).partition("tonic::")[0].strip(" :") or "timed out"


CONNECT_SECONDS = 10.0


async def connected(attempt: Any, address: str) -> Any:
    """Await a connection.

    Raises:
        ServerUnreachableError: The server does not answer within `CONNECT_SECONDS`.
    """
    try:
        return await asyncio.wait_for(attempt, CONNECT_SECONDS)
    except (RuntimeError, TimeoutError, RPCError) as error:
        raise ServerUnreachableError(
            f"No Temporal server answers at {address} ({_innermost(error)}). Set TEMPORAL_ADDRESS, or start one with "
            "`oris-temporal dev`."
        ) from error
