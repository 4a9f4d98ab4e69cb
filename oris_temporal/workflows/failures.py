"""Errors as Temporal failures: typed, and such that the failure converter can always write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from temporalio.exceptions import ApplicationError, FailureError

from oris_temporal.graph.errors import OrisError, error_text
from oris_temporal.models.usage import Usage

_CAUSES = 5
"""Causes of causes that a failure tells of."""


def failure(error: OrisError, *more: Any) -> ApplicationError:
    """A typed, final failure for one of our errors.

    Args:
        error: The error.
        more: Details besides those of the error.
    """
    return ApplicationError(error.message, error.details, *more, type=type(error).__name__, non_retryable=True)


def usage_wire(usage: Mapping[str, Usage]) -> dict[str, Any]:
    """What the models of a subgraph's run used, for its parent: part of its result, or a detail of its failure."""
    return {"usage": {model: used.to_wire() for model, used in usage.items()}} if usage else {}


def usage_of(told: Any) -> dict[str, Usage]:
    """What `usage_wire` wrote, in a result or in the failure that ended a run."""
    if isinstance(told, BaseException):
        told = next(iter(told.details[1:]), None) if isinstance(told, ApplicationError) else None
    found = told.get("usage") if isinstance(told, Mapping) else None
    return {model: Usage.from_wire(used) for model, used in found.items()} if isinstance(found, Mapping) else {}


def tellable(error: BaseException | None, depth: int = _CAUSES) -> BaseException | None:
    """An error that becomes the cause of a failure, with its traceback and its own causes.

    The converter would take its text as it is: raise what its ``__str__`` raises, and send megabytes.
    """
    if error is None or depth == 0:
        return None
    if isinstance(error, FailureError) and error.failure is not None:  # it came from the server
        return error
    told = ApplicationError(error_text(error), type=type(error).__name__).with_traceback(error.__traceback__)
    told.__cause__ = tellable(error.__cause__ or (None if error.__suppress_context__ else error.__context__), depth - 1)
    return told
