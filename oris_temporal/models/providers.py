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
from typing import TYPE_CHECKING, Any, Literal, Protocol

from oris_temporal.graph.errors import ConfigurationError, ModelError

if TYPE_CHECKING:
    from .request import ModelReply, ModelRequest, Piece

StructuredOutputMode = Literal["json_schema", "json_object"]
"""How an answer of a schema is asked for, see `ModelOptions`."""

Emit = Callable[["Piece"], None]
"""Takes what a model writes, as it writes it."""


class ModelAdapter(Protocol):
    """Speaks one provider's protocol. One adapter serves many calls at once."""

    async def generate(self, request: ModelRequest, emit: Emit) -> ModelReply:
        """Call the model, streaming.

        Args:
            request: What to ask. Its options' ``timeout``, ``heartbeat``, ``max_retries``, ``base_url`` and ``api_key`` are not the
                adapter's business: its caller and its settings take care of them.
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
        structured_output: How its models are asked for an answer of a schema, where the options do not say.
        extra: Extra of this package that its adapter needs.
    """

    name: str
    adapter: str | Callable[[AdapterSettings], ModelAdapter]
    aliases: Sequence[str] = ()
    match: str | None = None
    credentials: Sequence[str] = ()
    base_url: str | None = None
    base_url_from: Sequence[str] = ()
    structured_output: StructuredOutputMode = "json_schema"
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
        names = [api_key.removeprefix("env:")] if api_key else self.credentials
        key = _first_set(read, names)
        if key is None and names and (api_key or not base_url):
            raise self._missing(" or ".join(names))
        return AdapterSettings(self.name, self._address(base_url, read), key)

    def make(self, settings: AdapterSettings) -> ModelAdapter:
        """The adapter.

        Raises:
            ModelError: A package it needs is not installed (kind ``configuration``).
        """
        if not isinstance(self.adapter, str):
            return self.adapter(settings)
        module, _, attribute = self.adapter.partition(":")
        try:
            factory = getattr(importlib.import_module(module), attribute, None)
            if factory is None:
                raise ModelError(
                    f"Provider {self.name}: there is no adapter {self.adapter!r}. Write 'module:attribute'.",
                    kind="configuration",
                    provider=self.name,
                )
            made: ModelAdapter = factory(settings)
        except ImportError as error:
            remedy = f"pip install 'oris-temporal[{self.extra}]'" if self.extra else "install it"
            raise ModelError(
                f"Provider {self.name} needs package {error.name!r} on the worker: {remedy}.",
                kind="configuration",
                provider=self.name,
            ) from error
        return made

    def _address(self, base_url: str | None, read: Mapping[str, str]) -> str | None:
        if base_url is None:
            return _first_set(read, self.base_url_from) or self.base_url
        if not base_url.startswith("env:"):
            return base_url
        name = base_url.removeprefix("env:")
        found = _first_set(read, [name])
        if found is None:
            raise self._missing(name)
        return found

    def _missing(self, names: str) -> ModelError:
        return ModelError(
            f"Provider {self.name}: the worker's environment has no {names}. Set it where the worker runs.",
            kind="credentials",
            provider=self.name,
        )


def _first_set(environ: Mapping[str, str], names: Sequence[str]) -> str | None:
    """The first of these variables that says something. Secrets are often mounted with a line end."""
    return next((value for name in names if (value := environ.get(name, "").strip())), None)


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
        _compatible(
            "qwen",
            "https://dashscope.aliyuncs.com/compatible-mode/v1",
            "QWEN_API_KEY",
            match=r"qwen(-|$)",
            structured_output="json_object",
        ),
        _compatible(
            "deepseek",
            "https://api.deepseek.com",
            "DEEPSEEK_API_KEY",
            match=r"deepseek(-|$)",
            structured_output="json_object",
        ),
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
    given = None if provider is None else find_provider(provider)
    before, colon, after = (part.strip() for part in model.partition(":"))
    named = _known(before) if colon else None
    found, name = given, model.strip()
    if named is not None and given in (None, named):
        found, name = named, after
    if not name or name != name.strip(":"):
        raise ConfigurationError(f"{model!r} names no model. Write 'provider:model', such as 'openai:gpt-4o-mini'.")
    found = found or next((item for item in _providers.values() if item.claims(name)), None)
    if found is None:
        raise ConfigurationError(f"No model provider claims {name!r}. Write 'provider:model'.")
    return found, name


def _known(name: str) -> Provider | None:
    return _providers.get(name) or next((item for item in _providers.values() if name in item.aliases), None)
