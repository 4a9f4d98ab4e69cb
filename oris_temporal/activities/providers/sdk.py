"""What the SDKs of OpenAI and Anthropic have in common: both are made by one generator, with the same errors and streams."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from oris_temporal.graph.errors import ModelError
from oris_temporal.models.providers import AdapterSettings
from oris_temporal.tools.secrets import kept_out_of_logs

from .failures import Failures

_NO_SECRET = re.compile(r"[\w.-]{0,7}|[a-z-]{1,20}")
"""Parts of the path of an address that may be told: versions and plain words."""

_SHORT = 8
"""Keys with less characters are what local servers take for one; they may be part of any word."""


def without_secrets_in_logs(settings: AdapterSettings, sdk: ModuleType) -> AbstractContextManager[None]:
    """Keep a provider's key, and what may be secret of its address, out of what its SDK logs. The rest of requests is not its business.

    Args:
        settings: The provider's.
        sdk: The SDK's module.
    """
    parts = urlsplit(settings.base_url or "")
    secrets = [item for item in parts.path.split("/") if not _NO_SECRET.fullmatch(item)]
    if "@" in parts.netloc:
        secrets.append(parts.netloc.rpartition("@")[0])
    if len(settings.api_key or "") >= _SHORT:
        secrets.append(settings.api_key or "")
    return kept_out_of_logs(secrets, f"{sdk.__name__}._base_client", "httpx2", "httpx")


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
