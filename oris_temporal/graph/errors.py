"""Typed errors of oris-temporal.

One tree, rooted at `OrisError`. Every error has a stable `code` (its class name without ``Error``, in snake case) that is the
same in Python, in the failure type shown by the Temporal Web UI, on the command line and over HTTP.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from pydantic_core import to_json

__all__ = [
    "AmbiguousResumeError",
    "BudgetExceededError",
    "CheckpointNotFoundError",
    "ConditionError",
    "ConfigurationError",
    "ConflictError",
    "ContentBlockedError",
    "DeterminismError",
    "EmptyInputError",
    "GraphCompileError",
    "GraphError",
    "GraphNotFoundError",
    "GraphRecursionError",
    "HistoryTooLongError",
    "InterruptConflictError",
    "InterruptNotFoundError",
    "InterruptOutsideRunError",
    "InterruptTimeoutError",
    "InvalidAnswerError",
    "InvalidOptionError",
    "InvalidThreadIdError",
    "InvalidUpdateError",
    "ModelError",
    "NamespaceNotFoundError",
    "NoWorkerError",
    "NodeError",
    "NodeNotFoundError",
    "NodeTimeoutError",
    "NotInterruptedError",
    "NotSetUpError",
    "OrisError",
    "PayloadTooLargeError",
    "PersistenceError",
    "RateLimitExceededError",
    "RunConflictError",
    "RunFailedError",
    "RunPausedError",
    "RunStuckError",
    "SerializationError",
    "ServerUnreachableError",
    "SignalTimeoutError",
    "StateTooLargeError",
    "StoreError",
    "StreamModeError",
    "StructuredOutputError",
    "ThreadNotFoundError",
    "ToolError",
    "UnavailableError",
]

TEXT_LIMIT = 10_000
"""Characters of an error's message, and bytes of one of its details, that are kept."""


def error_text(error: BaseException) -> str:
    """What an exception says, as text that can be kept and sent, whatever its ``__str__`` does."""
    try:
        text = str(error) or repr(error)
    except Exception:
        text = "(its text cannot be made: __str__ raises)"
    return bounded_text(text)


def error_line(error: BaseException) -> str:
    """Class name and text of an exception."""
    return f"{type(error).__name__}: {error_text(error)}"


def bounded_text(text: str) -> str:
    """Text that UTF-8 can write, cut if it is long."""
    if len(text) > TEXT_LIMIT:
        text = f"{text[:TEXT_LIMIT]}… (cut, of {len(text):,} characters)"
    return text.encode(errors="backslashreplace").decode()


def _bounded_detail(value: Any) -> Any:
    if isinstance(value, str):
        return bounded_text(value)
    try:
        if len(to_json(value)) <= TEXT_LIMIT:
            return value
    except ValueError:  # it has no JSON form
        pass
    return bounded_text(repr(value))


class OrisError(Exception):
    """Base of every error this package raises on purpose.

    Args:
        message: What happened, where (``graph.node``) and what to do about it.
        details: JSON-ready facts for programs; kept when the error crosses a process boundary.
    """

    code: ClassVar[str] = "oris"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.code = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__.removesuffix("Error")).lower()

    def __init__(self, message: str, **details: Any) -> None:
        self.message = bounded_text(message)
        self.details = {name: _bounded_detail(value) for name, value in details.items()}
        super().__init__(self.message)

    @property
    def is_retryable(self) -> bool:
        """Whether another attempt may succeed."""
        return False


# --- declaring a graph ---------------------------------------------------------------------------------------------


class GraphError(OrisError):
    """A graph was declared, called or stepped in a way that cannot work. Fails the run instead of retrying it for ever."""


class GraphCompileError(GraphError):
    """`StateGraph.compile` found something wrong with the declaration."""


class DeterminismError(GraphError):
    """Workflow-side code did something a replay could not repeat (clock, random numbers, I/O, threads)."""


# --- running a graph -----------------------------------------------------------------------------------------------


class EmptyInputError(GraphError):
    """A run was started without input and there is no saved state to continue from."""


class InvalidUpdateError(GraphError):
    """An input or a node's update does not fit the state schema, or two nodes wrote one field without a reducer."""


class ConditionError(GraphError):
    """A router raised, or returned something that is not a destination."""


class NodeNotFoundError(GraphError):
    """A `Command`, `Send` or `update_state` names a node that the graph does not have."""


class NodeError(GraphError):
    """A node failed for good: its retry policy is exhausted or the error is not worth retrying.

    Attributes:
        node: Full name of the node, ``graph.node``.
        cause_type: Class name of the error the node raised.
    """

    def __init__(self, message: str, *, node: str, cause_type: str, **details: Any) -> None:
        super().__init__(message, node=node, cause_type=cause_type, **details)
        self.node = node
        self.cause_type = cause_type


class NodeTimeoutError(NodeError):
    """A node did not finish, or stopped sending heartbeats, within its time limits."""


class ModelError(GraphError):
    """A model call failed.

    Attributes:
        kind: ``credentials`` (none on the worker), ``configuration``, ``authentication`` (401), ``permission`` (403), ``not_found``
            (404), ``invalid_request`` (400, 422), ``context_length``, ``refused`` (by a content filter); and, worth another
            attempt: ``rate_limit`` (429), ``overloaded`` (503, 529), ``server`` (other 5xx), ``timeout`` (408 and the clock),
            ``conflict`` (409), ``connection``, ``malformed`` (an answer that breaks the protocol).
        provider: Name of the provider.
        status: HTTP status, if there was an answer.
        retry_after: Seconds the provider asks to wait, if it does.
    """

    RETRYABLE: ClassVar[frozenset[str]] = frozenset(
        {"rate_limit", "overloaded", "server", "timeout", "conflict", "connection", "malformed"}
    )

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        provider: str,
        status: int | None = None,
        retry_after: float | None = None,
        **details: Any,
    ) -> None:
        known = {"kind": kind, "provider": provider, "status": status, "retry_after": retry_after, **details}
        super().__init__(message, **{name: value for name, value in known.items() if value is not None})
        self.kind = kind
        self.provider = provider
        self.status = status
        self.retry_after = retry_after

    @property
    def is_retryable(self) -> bool:
        """See `OrisError.is_retryable`."""
        return self.kind in self.RETRYABLE


class ToolError(GraphError):
    """A tool could not do what it was asked. Raise it in a tool to tell the model so; the message is for the model.

    Attributes:
        tool: Name of the tool; empty where the tool itself raises it.
        kind: What went wrong: ``invalid_input``, ``not_found``, ``permission``, ``timeout``, ``rate_limit``, ``network``,
            ``execution`` or a word of your own.
        retryable: Whether another attempt may succeed; then the tool's retry policy applies first.
    """

    def __init__(
        self, message: str, *, tool: str = "", kind: str = "execution", retryable: bool = False, **details: Any
    ) -> None:
        super().__init__(message, tool=tool, kind=kind, retryable=retryable, **details)
        self.tool = tool
        self.kind = kind
        self.retryable = retryable

    @property
    def is_retryable(self) -> bool:
        """See `OrisError.is_retryable`."""
        return self.retryable


class StoreError(GraphError):
    """A store was asked for something it cannot do, or its database failed.

    Attributes:
        kind: ``invalid_input`` (a namespace, key, value, filter or time to live), ``closed``, ``database`` (it refused the
            statement); and, worth another attempt, ``unavailable`` (it does not answer, or is locked).
    """

    def __init__(self, message: str, *, kind: str, **details: Any) -> None:
        super().__init__(message, kind=kind, **details)
        self.kind = kind

    @property
    def is_retryable(self) -> bool:
        """See `OrisError.is_retryable`."""
        return self.kind == "unavailable"


class BudgetExceededError(GraphError):
    """A run used up one of its limits: tokens, cost, model calls or time."""


class RateLimitExceededError(GraphError):
    """An agent would call its model more often than its `RateLimitMiddleware` allows."""


class ContentBlockedError(GraphError):
    """An agent's middleware found text that must not be there, and is to end the run."""


class StructuredOutputError(GraphError):
    """A model did not give an answer of the response format, though it was asked again."""


class GraphRecursionError(GraphError):
    """A run took more supersteps than its `recursion_limit`."""


class SerializationError(GraphError):
    """A value that must leave the process cannot be written as JSON, or JSON does not fit the declared type."""


class PayloadTooLargeError(GraphError):
    """A value is larger than Temporal accepts for one payload."""


class StateTooLargeError(PayloadTooLargeError):
    """The state has grown larger than Temporal accepts for one payload, which it becomes at the end of a run, or of a history."""


class HistoryTooLongError(GraphError):
    """A run's history is nearly as long as Temporal accepts, and the run cannot go on in a new one."""


class InterruptOutsideRunError(GraphError):
    """`interrupt()` was called outside of a node that a graph run is executing."""


class InterruptTimeoutError(GraphError):
    """Nobody answered an interrupt before its deadline, and it had no default."""


class SignalTimeoutError(GraphError):
    """A signal that a node waited for did not arrive in time."""


# --- operating runs ------------------------------------------------------------------------------------------------


class PersistenceError(OrisError):
    """Something that was asked for is not there."""


class ThreadNotFoundError(PersistenceError):
    """No run of this thread exists, or its history is past the cluster's retention period."""


class CheckpointNotFoundError(PersistenceError):
    """The thread has no checkpoint with this id."""


class InterruptNotFoundError(PersistenceError):
    """The thread has no interrupt with this id."""


class GraphNotFoundError(PersistenceError):
    """No worker knows a graph with this name."""


class ConflictError(OrisError):
    """The request does not fit the run's present state; nothing was changed."""


class RunConflictError(ConflictError):
    """The thread has a run that is actively running; pass ``on_conflict="replace"`` to replace it."""


class NotInterruptedError(ConflictError):
    """The run waits for nobody, so there is nothing to resume or reject."""


class AmbiguousResumeError(ConflictError):
    """Several interrupts are pending and one value was given; answer by id."""


class InterruptConflictError(ConflictError):
    """The interrupt was already answered with another value, or rejected."""


class InvalidAnswerError(ConflictError):
    """The answer does not fit the schema that the interrupt declares."""


class StreamModeError(OrisError):
    """A stream was asked for in a mode that does not exist, or from a cursor that is none."""


class RunFailedError(OrisError):
    """A run ended in failure.

    Attributes:
        failure: Code of the error that ended it, such as ``node`` or ``graph_recursion``.
    """

    def __init__(self, message: str, *, failure: str, **details: Any) -> None:
        super().__init__(message, failure=failure, **details)
        self.failure = failure


class UnavailableError(OrisError):
    """The cluster cannot serve the request now."""


class ServerUnreachableError(UnavailableError):
    """No Temporal server answers at the configured address."""


class NoWorkerError(UnavailableError):
    """No worker polls the task queue, so the run cannot make progress. It is kept and goes on when one starts."""


class RunStuckError(UnavailableError):
    """The workers cannot carry the run on: their code fails on its history, or does not fit it. It is kept."""


class RunPausedError(UnavailableError):
    """An operator paused the workflow; it answers nothing until it is unpaused."""


class NamespaceNotFoundError(PersistenceError):
    """The cluster has no such namespace."""


class NotSetUpError(UnavailableError):
    """The namespace lacks the search attributes; run ``oris-temporal setup`` once."""


class ConfigurationError(OrisError):
    """Settings, command-line arguments or an optional dependency are missing or wrong."""


class InvalidOptionError(ConfigurationError):
    """A call has an option that does not exist, or that may not be what it is; nothing was done."""


class InvalidThreadIdError(InvalidOptionError):
    """A thread id is empty, longer than Temporal takes, or no text."""


def error_class(name: str) -> type[OrisError] | None:
    """Find an error class of this package by its class name, as found in a Temporal failure's type."""
    found = globals().get(name)
    return found if isinstance(found, type) and issubclass(found, OrisError) else None
