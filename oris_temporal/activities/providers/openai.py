"""OpenAI and the many servers that speak its protocol, through OpenAI's SDK."""

from __future__ import annotations

import os
from collections.abc import Awaitable
from contextlib import ExitStack, aclosing
from typing import Any, TypeVar
from urllib.parse import urlsplit

import openai
from openai import AsyncOpenAI, AsyncStream, Omit, Timeout, omit

from oris_temporal.models.providers import AdapterSettings, Emit
from oris_temporal.models.request import ModelReply, ModelRequest

from .common import check_settings, extra_fields
from .failures import Failures
from .openai_chat import ChatAnswer, chat_body, chat_extra
from .openai_responses import ResponsesAnswer, responses_body
from .sdk import events_of, without_secrets_in_logs

_ADDRESS = "https://api.openai.com/v1"  # named, so that the SDK does not look for another in the environment
_OLLAMA_ADDRESS = "http://localhost:11434"
_OLLAMA_PORT = 11434
_TIMEOUT = Timeout(connect=10, read=900, write=120, pool=60)
_Event = TypeVar("_Event")


def adapter(settings: AdapterSettings) -> OpenAIAdapter:
    """OpenAI, or a server that speaks its protocol.

    Raises:
        ModelError: The address is none (kind ``configuration``), or the key cannot be one (kind ``credentials``).
    """
    return OpenAIAdapter(settings)


def ollama_adapter(settings: AdapterSettings) -> OpenAIAdapter:
    """Ollama, whose address may be written as in its own ``OLLAMA_HOST``: without a scheme, or without a port.

    Raises:
        ModelError: See `adapter`.
    """
    return OpenAIAdapter(AdapterSettings(settings.provider, _ollama_url(settings.base_url), settings.api_key))


class OpenAIAdapter:
    """Speaks Chat Completions and the Responses API. See `ModelAdapter`."""

    def __init__(self, settings: AdapterSettings) -> None:
        key = (settings.api_key or "").strip()
        base_url = (settings.base_url or _ADDRESS).strip()
        settings = AdapterSettings(settings.provider, base_url, key or None)
        check_settings(settings)
        self._provider = settings.provider
        self._failures = Failures(settings)
        self._headers = _headers(settings)
        self._logs = ExitStack()
        self._logs.enter_context(without_secrets_in_logs(settings, openai))
        # without a key the SDK takes another provider's from the environment; `_headers` keeps this one from being sent
        self._client = AsyncOpenAI(api_key=key or "none", base_url=base_url, max_retries=0, timeout=_TIMEOUT)

    async def generate(self, request: ModelRequest, emit: Emit) -> ModelReply:
        """Call the model, streaming. See `ModelAdapter.generate`."""
        if request.model.options.api == "responses":
            return await self._respond(request, emit)
        return await self._chat(request, emit)

    async def close(self) -> None:
        """Give back connections."""
        await self._client.close()
        self._logs.close()

    async def _chat(self, request: ModelRequest, emit: Emit) -> ModelReply:
        body = chat_body(request, self._provider, self._failures)
        extra = {**chat_extra(request, self._provider), **(extra_fields(request, body) or {})}
        opening = self._client.chat.completions.create(
            **body, stream=True, extra_body=extra or None, extra_headers=self._headers
        )
        return await self._read(opening, ChatAnswer(self._provider, emit, self._failures))

    async def _respond(self, request: ModelRequest, emit: Emit) -> ModelReply:
        body = responses_body(request, self._provider, self._failures)
        opening = self._client.responses.create(
            **body, stream=True, extra_body=extra_fields(request, body), extra_headers=self._headers
        )
        return await self._read(opening, ResponsesAnswer(self._provider, emit, self._failures))

    async def _read(self, opening: Awaitable[AsyncStream[Any]], answer: ChatAnswer | ResponsesAnswer) -> ModelReply:
        async with aclosing(events_of(opening, self._failures, openai)) as events:
            async for event in events:
                answer.add(event)
        return answer.reply()


def _headers(settings: AdapterSettings) -> dict[str, str | Omit]:
    """Headers that keep what the environment says of OpenAI from other providers, who would learn secrets."""
    authorization = {"Authorization": f"Bearer {settings.api_key}" if settings.api_key else omit}
    if settings.provider == "openai":
        return {} if settings.api_key else authorization
    foreign = [line.partition(":")[0].strip() for line in os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")]
    names = {name for name in ("OpenAI-Organization", "OpenAI-Project", *foreign) if name.lower() != "authorization"}
    return {**{name: omit for name in names if name}, **authorization}


def _ollama_url(address: str | None) -> str:
    text = (address or _OLLAMA_ADDRESS).strip().rstrip("/")
    has_scheme = "://" in text
    parts = urlsplit(text if has_scheme else f"http://{text}")
    host = f"127.0.0.1{parts.netloc}" if parts.netloc.startswith(":") else parts.netloc
    if host.rpartition("@")[2].startswith("0.0.0.0"):
        host = host.replace("0.0.0.0", "127.0.0.1", 1)  # where Ollama listens on all interfaces
    if not has_scheme and ":" not in host.rpartition("]")[2]:
        host = f"{host}:{_OLLAMA_PORT}"
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{host}{path if path.endswith('/v1') else f'{path}/v1'}"
