"""Errors as Temporal failures: typed, and such that the failure converter can always write them."""

from __future__ import annotations

from temporalio.exceptions import ApplicationError, FailureError

from oris_temporal.graph.errors import OrisError, error_text

_CAUSES = 5
"""Causes of causes that a failure tells of."""


def failure(error: OrisError) -> ApplicationError:
    """A typed, final failure for one of our errors."""
    return ApplicationError(error.message, error.details, type=type(error).__name__, non_retryable=True)


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
