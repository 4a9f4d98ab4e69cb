"""What the SDKs of OpenAI and Anthropic have in common: both are made by one generator, with the same errors and streams."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable
from types import ModuleType
from typing import Any

from oris_temporal.graph.errors import ModelError

from .failures import Failures


async def events_of(opening: Awaitable[Any], failures: Failures, sdk: ModuleType) -> AsyncGenerator[Any, None]:
    """The events of an answer. The connection is closed with the generator.

    Args:
        opening: The SDK's call, which gives its stream.
        failures: Makes the provider's errors.
        sdk: The SDK's module.

    Raises:
        ModelError: The provider refused, or its answer is no stream, breaks off or cannot be read.
    """
    streaming = silent = False
    try:
        async with await opening as stream:
            streaming = silent = True
            kind = stream.response.headers.get("content-type", "nothing")
            async for event in stream:
                silent = False
                yield event
        if not silent:
            return
        failure = failures.malformed(f"it is {kind} without events, not a stream. Check the address.")
    except Exception as error:  # while they stream, the SDKs let errors of their transport and of JSON through
        failure = _failure_of(error, failures, sdk, streaming=streaming)
    # raised out here, so that it drags no exception along that quotes the provider or the key
    raise failure


def _failure_of(error: Exception, failures: Failures, sdk: Any, *, streaming: bool) -> ModelError:
    if isinstance(error, sdk.APIResponseValidationError):
        return failures.malformed(str(error))
    if isinstance(error, sdk.APIStatusError) and not streaming:
        return failures.refused(error.status_code, error.body, error.response.headers, error.request_id)
    if isinstance(error, sdk.APITimeoutError):
        return failures.timed_out()
    if isinstance(error, sdk.APIConnectionError):
        return failures.broken_off(error) if streaming else failures.unreachable(error)
    if isinstance(error, sdk.APIError):  # an error event, to which Anthropic's SDK gives the status of the answer: 200
        return failures.in_stream(error.body, error.message)
    if streaming and isinstance(error, ValueError | TypeError | RecursionError):
        return failures.malformed(f"a part of it cannot be read ({error}).")
    if streaming:
        return failures.broken_off(error)
    return failures.invalid_request(f"the request cannot be sent ({error}).")
