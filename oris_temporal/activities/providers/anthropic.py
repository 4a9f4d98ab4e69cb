"""Anthropic, through its own SDK."""

from __future__ import annotations

from contextlib import aclosing

import anthropic
from anthropic import AsyncAnthropic, Timeout

from oris_temporal.models.providers import AdapterSettings, Emit
from oris_temporal.models.request import ModelReply, ModelRequest

from .anthropic_answer import MessagesAnswer
from .anthropic_request import messages_body
from .common import check_settings, extra_fields
from .failures import Failures
from .sdk import events_of

_ADDRESS = "https://api.anthropic.com"  # named, so that the SDK does not look for another in the environment
_TIMEOUT = Timeout(connect=10, read=900, write=120, pool=60)

_BESIDE_THE_SDK = ("temperature", "top_p", "top_k")
"""Fields of the API that the SDK's call does not name."""


def adapter(settings: AdapterSettings) -> AnthropicAdapter:
    """Anthropic, or a server that speaks its protocol.

    Raises:
        ModelError: The address is none (kind ``configuration``), or the key cannot be one (kind ``credentials``).
    """
    return AnthropicAdapter(settings)


class AnthropicAdapter:
    """Speaks the Messages API. See `ModelAdapter`."""

    def __init__(self, settings: AdapterSettings) -> None:
        key = (settings.api_key or "").strip()
        settings = AdapterSettings(settings.provider, (settings.base_url or _ADDRESS).strip(), key or None)
        check_settings(settings)
        self._provider = settings.provider
        self._failures = Failures(settings)
        self._client = AsyncAnthropic(
            api_key=key or "none", base_url=settings.base_url, max_retries=0, timeout=_TIMEOUT
        )

    async def generate(self, request: ModelRequest, emit: Emit) -> ModelReply:
        """Call the model, streaming. See `ModelAdapter.generate`."""
        body = messages_body(request, self._provider, self._failures)
        more = {name: body.pop(name) for name in _BESIDE_THE_SDK if name in body}
        more |= extra_fields(request, body) or {}
        more.pop("cache", None)
        answer = MessagesAnswer(self._provider, emit, self._failures)
        opening = self._client.messages.create(**body, stream=True, extra_body=more or None)
        async with aclosing(events_of(opening, self._failures, anthropic)) as events:
            async for event in events:
                answer.add(event)
        return answer.reply()

    async def close(self) -> None:
        """Give back connections."""
        await self._client.close()
