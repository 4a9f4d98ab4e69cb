"""What Anthropic's SDK raises, as a `ModelError`."""

from __future__ import annotations

from anthropic import (
    AnthropicError,
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
)

from oris_temporal.graph.errors import ModelError

from .failures import Failures


def failure_of(error: AnthropicError, failures: Failures, *, streaming: bool) -> ModelError:
    """What the SDK raised.

    Args:
        error: The exception.
        failures: Makes the provider's errors.
        streaming: Whether the provider had begun its answer.
    """
    match error:
        case APIResponseValidationError():
            return failures.malformed(str(error))
        case APIStatusError() if streaming:  # the SDK gives an error event the status of the answer, which is 200
            return failures.in_stream(error.body, error.message)
        case APIStatusError():
            return failures.refused(error.status_code, error.body, error.response.headers, error.request_id)
        case APITimeoutError():
            return failures.timed_out()
        case APIConnectionError():
            return failures.broken_off(error) if streaming else failures.unreachable(error)
        case APIError():
            return failures.in_stream(error.body, error.message)
    return failures.malformed(str(error))
