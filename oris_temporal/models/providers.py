"""The table of providers: who serves a model, where, and under which credentials.

A provider is a name and the place of its adapter, the code that speaks its protocol. The adapter's module is imported only where a
model is called, so nothing here needs a provider's SDK.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from oris_temporal.graph.errors import ConfigurationError, ModelError

if TYPE_CHECKING:
    from .request import ModelReply, ModelRequest, Piece

Emit = Callable[["Piece"], None]
"""Takes what a model writes, as it writes it."""


class ModelAdapter(Protocol):
    """Speaks one provider's protocol. One adapter serves many calls at once."""

    async def generate(self, request: ModelRequest, emit: Emit) -> ModelReply:
        """Call the model, streaming.

        Args:
            request: What to ask. Its options' ``timeout``, ``max_retries``, ``base_url`` and ``api_key`` are not the adapter's
                business: its caller and its settings take care of them.
            emit: Called with every piece of the answer as it arrives.

        Raises:
            ModelError: The provider refused or failed; see `ModelError` for what is worth another attempt.
        """

    async def close(self) -> None:
        """Give back connections."""


@dataclass(frozen=True, slots=True)
class AdapterSettings:
    """Where an adapter connects.

    Attributes:
        provider: Name of the provider, for errors.
        base_url: Address; ``None`` is the SDK's own.
        api_key: Credentials; ``None`` where the provider needs none.
    """

    provider: str
    base_url: str | None
    api_key: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider of chat models.

    Attributes:
        name: Its name, before the colon of model names.
        adapter: A function of `AdapterSettings` that makes its `ModelAdapter`, or the place of one, ``module:attribute``.
        aliases: Other names of it.
        match: Regular expression for the bare model names that are its own.
        credentials: Environment variables that may have its key, the first that is set counts; none if it needs no key.
        base_url: Its address, where the adapter's default is another's.
        base_url_from: Environment variables that may have another address.
        extra: Extra of this package that its adapter needs.
    """

    name: str
    adapter: str | Callable[[AdapterSettings], ModelAdapter]
    aliases: Sequence[str] = ()
    match: str | None = None
    credentials: Sequence[str] = ()
    base_url: str | None = None
    base_url_from: Sequence[str] = ()
    extra: str | None = None

    def claims(self, model: str) -> bool:
        """Whether a bare model name is one of this provider's."""
        return self.match is not None and re.match(self.match, model) is not None

    def settings(
        self, base_url: str | None = None, api_key: str | None = None, environ: Mapping[str, str] | None = None
    ) -> AdapterSettings:
        """Address and credentials, read from this process's environment.

        Args:
            base_url: Address in place of the provider's; ``env:NAME`` names a variable.
            api_key: ``env:NAME`` of the key in place of the provider's variables.
            environ: The environment; this process's by default.

        Raises:
            ModelError: The credentials, or a variable that was named, are missing (kind ``credentials``).
        """
        read = os.environ if environ is None else environ
        key = None
        if names := [api_key.removeprefix("env:")] if api_key else self.credentials:
            key = next((read[name] for name in names if read.get(name)), None)
            if key is None and (api_key or not base_url):
                raise self._missing(" or ".join(names))
        where = base_url
        if where is None:
            where = next((read[name] for name in self.base_url_from if read.get(name)), self.base_url)
        elif where.startswith("env:"):
            where = read.get(where.removeprefix("env:"))
            if not where:
                raise self._missing(str(base_url).removeprefix("env:"))
        return AdapterSettings(self.name, where, key)

    def make(self, settings: AdapterSettings) -> ModelAdapter:
        """The adapter.

        Raises:
            ModelError: A package it needs is not installed (kind ``configuration``).
        """
        if not isinstance(self.adapter, str):
            return self.adapter(settings)
        module, _, attribute = self.adapter.partition(":")
        try:
            made: ModelAdapter = getattr(importlib.import_module(module), attribute)(settings)
        except ImportError as error:
            remedy = f"pip install 'oris-temporal[{self.extra}]'" if self.extra else "install it"
            raise ModelError(
                f"Provider {self.name} needs package {error.name!r} on the worker: {remedy}.",
                kind="configuration",
                provider=self.name,
            ) from error
        return made

    def _missing(self, names: str) -> ModelError:
        return ModelError(
            f"Provider {self.name}: the worker's environment has no {names}. Set it where the worker runs.",
            kind="credentials",
            provider=self.name,
        )


_OPENAI = "oris_temporal.activities.providers.openai:adapter"


def _compatible(name: str, base_url: str, *credentials: str, **more: Any) -> Provider:
    """A provider that speaks OpenAI's Chat Completions."""
    return Provider(name, _OPENAI, base_url=base_url, credentials=credentials, extra="openai", **more)


_providers: dict[str, Provider] = {
    provider.name: provider
    for provider in (
        Provider(
            "openai",
            _OPENAI,
            match=r"gpt-|chatgpt-|o\d",
            credentials=("OPENAI_API_KEY",),
            base_url_from=("OPENAI_BASE_URL",),
            extra="openai",
        ),
        Provider(
            "anthropic",
            "oris_temporal.activities.providers.anthropic:adapter",
            aliases=("claude",),
            match=r"claude",
            credentials=("ANTHROPIC_API_KEY", "CLAUDE_API_KEY"),
            base_url_from=("ANTHROPIC_BASE_URL",),
            extra="anthropic",
        ),
        _compatible("qwen", "https://dashscope.aliyuncs.com/compatible-mode/v1", "QWEN_API_KEY", match=r"qwen(-|$)"),
        _compatible("deepseek", "https://api.deepseek.com", "DEEPSEEK_API_KEY", match=r"deepseek(-|$)"),
        _compatible(
            "mistral",
            "https://api.mistral.ai/v1",
            "MISTRAL_API_KEY",
            aliases=("mistralai",),
            match=r"(mistral|mixtral|pixtral)-",
        ),
        _compatible(
            "gemini",
            "https://generativelanguage.googleapis.com/v1beta/openai",
            "GOOGLE_API_KEY",
            "GEMINI_API_KEY",
            aliases=("google", "google_genai"),
            match=r"gemini",
        ),
        _compatible(
            "huggingface",
            "https://router.huggingface.co/v1",
            "HUGGINGFACE_API_KEY",
            "HF_TOKEN",
            aliases=("hf",),
            match=r"[^/:]+/",
        ),
        Provider("fake", "oris_temporal.activities.providers.fake:adapter"),
        Provider(
            "ollama",
            "oris_temporal.activities.providers.openai:ollama_adapter",
            match=r"",
            base_url="http://localhost:11434",
            base_url_from=("OLLAMA_HOST", "OLLAMA_BASE_URL"),
            extra="openai",
        ),
    )
}
"""Providers by name; the first that claims a bare name gets it."""


def register_provider(provider: Provider) -> None:
    """Add a provider to the table of this process, or replace the one of its name. It is asked first for bare names.

    Call it where graphs are declared and where models are called, that is: in a module that the workers import.
    """
    _providers.pop(provider.name, None)
    others = dict(_providers)
    _providers.clear()
    _providers.update({provider.name: provider, **others})


def find_provider(name: str) -> Provider:
    """A provider by name or alias.

    Raises:
        ConfigurationError: None has it.
    """
    found = _known(name)
    if found is None:
        raise ConfigurationError(
            f"There is no model provider {name!r}; there are {', '.join(sorted(_providers))}. Others: register_provider(...).",
            provider=name,
        )
    return found


def provider_of(model: str, provider: str | None = None) -> tuple[Provider, str]:
    """Provider and name of a model. See `init_chat_model`.

    Raises:
        ConfigurationError: The name is empty, or the provider is not registered.
    """
    before, colon, after = model.strip().partition(":")
    named = _known(before) if colon and provider is None else None
    name = after if named is not None else model.strip()
    if not name:
        raise ConfigurationError(f"{model!r} names no model. Write 'provider:model', such as 'openai:gpt-4o-mini'.")
    if provider is not None:
        return find_provider(provider), name
    return named or next(item for item in _providers.values() if item.claims(name)), name


def _known(name: str) -> Provider | None:
    return _providers.get(name) or next((item for item in _providers.values() if name in item.aliases), None)
