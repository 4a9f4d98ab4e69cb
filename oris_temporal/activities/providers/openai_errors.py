"""What OpenAI's SDK raises, as a `ModelError`."""

from __future__ import annotations

from openai import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    OpenAIError,
)

from oris_temporal.graph.errors import ModelError

from .failures import Failures


def failure_of(error: OpenAIError, failures: Failures, *, streaming: bool) -> ModelError:
    """What the SDK raised.

    Args:
        error: The exception.
        failures: Makes the provider's errors.
        streaming: Whether the provider had begun its answer.
    """
    match error:
        case APIResponseValidationError():
            return failures.malformed(str(error))
        case APIStatusError():
            return failures.refused(error.status_code, error.body, error.response.headers, error.request_id)
        case APITimeoutError():
            return failures.timed_out()
        case APIConnectionError():
            return failures.broken_off(error) if streaming else failures.unreachable(error)
        case APIError():
            return failures.in_stream(error.body, error.message)
    return failures.malformed(str(error))
