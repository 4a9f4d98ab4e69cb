"""Anthropic, through its own SDK."""

from __future__ import annotations

import os
from contextlib import ExitStack, aclosing
from typing import Any

import anthropic
from anthropic import AsyncAnthropic, Omit, Timeout, omit

from oris_temporal.models.providers import AdapterSettings, Emit
from oris_temporal.models.request import ModelReply, ModelRequest

from .anthropic_answer import MessagesAnswer
from .anthropic_messages import continued
from .anthropic_request import messages_body
from .common import check_settings, extra_fields
from .failures import Failures
from .sdk import events_of, without_secrets_in_logs

_ADDRESS = "https://api.anthropic.com"  # named, so that the SDK does not look for another in the environment
_TIMEOUT = Timeout(connect=10, read=900, write=120, pool=60)

_PAUSES = 20
"""How often an answer that pauses is asked to go on; a provider that pauses for ever must not keep the call."""

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
        self._headers = _headers(settings)
        self._logs = ExitStack()
        self._logs.enter_context(without_secrets_in_logs(settings, anthropic))
        # without a key the SDK takes another from the environment; `_headers` keeps this one from being sent
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
        await self._read(answer, body, more)
        asked, pauses = body["messages"], 0
        while answer.paused and pauses < _PAUSES:
            body["messages"] = continued(asked, answer.go_on())
            await self._read(answer, body, more)
            pauses += 1
        return answer.reply()

    async def close(self) -> None:
        """Give back connections."""
        await self._client.close()
        self._logs.close()

    async def _read(self, answer: MessagesAnswer, body: dict[str, Any], more: dict[str, Any]) -> None:
        opening = self._client.messages.create(
            **body, stream=True, extra_headers=self._headers, extra_body=more or None
        )
        async with aclosing(events_of(opening, self._failures, anthropic)) as events:
            async for event in events:
                answer.add(event)


def _headers(settings: AdapterSettings) -> dict[str, str | Omit]:
    """Headers that keep the environment's credentials out, and from other providers all that it says of Anthropic."""
    credentials = {"Authorization": f"Bearer {settings.api_key}" if settings.api_key else omit, "X-Api-Key": omit}
    if settings.provider == "anthropic":
        return credentials
    foreign = [line.partition(":")[0].strip() for line in os.environ.get("ANTHROPIC_CUSTOM_HEADERS", "").split("\n")]
    names = {name for name in foreign if name and name.lower() not in ("authorization", "x-api-key")}
    return {**dict.fromkeys(names, omit), **credentials}
