"""`ChatModel`: a model by name, with options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from oris_temporal.graph.duration import Duration, to_timedelta
from oris_temporal.graph.errors import ConfigurationError
from oris_temporal.graph.messages import Json

from .providers import StructuredOutputMode, find_provider, provider_of

_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*")


class ModelOptions(BaseModel):
    """Options of model calls. What is ``None`` is left to the provider.

    Attributes:
        temperature: 0 (always the likeliest token) to 2.
        max_tokens: Most tokens to write.
        top_p: Share of the likeliest tokens to choose from, 0 to 1.
        top_k: Number of the likeliest tokens to choose from.
        stop: Texts that end the answer.
        seed: Asks for the same answer to the same question, where the provider can.
        frequency_penalty: -2 to 2.
        presence_penalty: -2 to 2.
        tool_choice: ``auto``, ``none``, ``required``, or the name of the one tool to call.
        parallel_tool_calls: Whether one answer may call several tools.
        reasoning_effort: How long to think: ``minimal``, ``low``, ``medium``, ``high``, or what else the provider knows.
        structured_output: How an answer of a response format is asked for. With ``json_schema`` the provider holds it to the schema; with
            ``json_object``, for endpoints and models that know no schema, the provider sees to it that it is JSON, and the schema is in
            the prompt. An agent checks the answer either way, and has the model try again. Default: the provider's way.
        api: Which of the provider's interfaces to use; OpenAI has ``chat`` (Chat Completions, the default) and ``responses``.
        base_url: Address of the provider, or ``env:NAME`` to read it from the worker's environment.
        api_key: ``env:NAME``: variable of the worker's environment that has the key, in place of the provider's own. Keys
            themselves are refused: options are written to history.
        timeout: Longest time for one attempt.
        heartbeat: Longest silence of its worker before the call is made elsewhere; default 30 seconds.
        max_retries: Attempts after the first.
        extra: Further fields of the provider's request, as it names them; objects are merged into the request's own, ``tools``, such
            as those that the provider itself runs, join the others, all else replaces it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, gt=0)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, gt=0)
    stop: tuple[str, ...] | None = None
    seed: int | None = None
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    tool_choice: str | None = Field(default=None, min_length=1)
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = Field(default=None, min_length=1)
    structured_output: StructuredOutputMode | None = None
    api: Literal["chat", "responses"] | None = None
    base_url: str | None = None
    api_key: str | None = None
    timeout: Duration | None = None
    heartbeat: Duration | None = None
    max_retries: int | None = Field(default=None, ge=0)
    extra: dict[str, Json] | None = None

    @field_validator("stop", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("timeout", "heartbeat")
    @classmethod
    def _is_duration(cls, value: Duration | None) -> float | None:
        return None if value is None else to_timedelta(value).total_seconds()

    @field_validator("api_key")
    @classmethod
    def _is_reference(cls, value: str | None) -> str | None:
        if value is not None and not _REFERENCE.fullmatch(value):
            raise ValueError("options are written to history, so pass a reference, such as 'env:MY_API_KEY'")
        return value

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is None or _REFERENCE.fullmatch(value):
            return value
        parts = _url(value)
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("it must be a URL of http or https, or a reference such as 'env:MY_BASE_URL'")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("it may carry a secret; pass a reference, such as 'env:MY_BASE_URL'")
        return value.rstrip("/")

    def to_wire(self) -> dict[str, Any]:
        """JSON form: the options that are set."""
        return self.model_dump(mode="json", exclude_none=True)


@dataclass(frozen=True, slots=True)
class ChatModel:
    """A model: what ``ctx.llm`` calls. Plain data, so it can be configured, stored and sent like any other.

    Attributes:
        provider: Name of its provider, as registered.
        model: Name of the model at the provider.
        options: Options of every call.
    """

    provider: str
    model: str
    options: ModelOptions = field(default_factory=ModelOptions)

    @property
    def name(self) -> str:
        """``provider:model``."""
        return f"{self.provider}:{self.model}"

    def with_options(self, **options: Any) -> ChatModel:
        """This model with other options on top of its own; ``None`` takes one back.

        Raises:
            ConfigurationError: An option does not exist or has a wrong value.
        """
        if not options:
            return self
        return ChatModel(self.provider, self.model, _options(self.name, {**self.options.to_wire(), **options}))

    def without_tools(self) -> ChatModel:
        """This model for calls that offer no tools: without the options that are about them."""
        return self.with_options(tool_choice=None, parallel_tool_calls=None)

    def to_wire(self) -> dict[str, Any]:
        """JSON form."""
        wire: dict[str, Any] = {"model": self.name}
        if options := self.options.to_wire():
            wire["options"] = options
        return wire

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> ChatModel:
        """Read the JSON form.

        Raises:
            ConfigurationError: An option does not exist or has a wrong value.
        """
        provider, _, model = wire["model"].partition(":")
        return cls(provider, model, _options(wire["model"], wire.get("options") or {}))


def init_chat_model(model: str | ChatModel, *, model_provider: str | None = None, **options: Any) -> ChatModel:
    """A chat model by its name (rules: graph-model 5.4).

    What stands before the first colon is the provider only if one of that name or alias is registered; else all of it is the
    model's name, and the provider follows from that: ``gpt-4o`` is OpenAI's, ``claude-...`` Anthropic's, and what no provider
    claims, such as ``llama3:8b``, Ollama's.

    Args:
        model: ``provider:model``, or the model's name alone, or a `ChatModel`.
        model_provider: The provider, in place of what the name says; ``mistral:7b`` of provider ``ollama`` is a name with a tag.
        options: See `ModelOptions`.

    Raises:
        ConfigurationError: The name is empty, the provider is not registered, or an option does not exist or has a wrong value.
    """
    if isinstance(model, ChatModel):
        if model_provider is not None:
            model = replace(model, provider=find_provider(model_provider).name)
        return model.with_options(**options)
    provider, name = provider_of(model, model_provider)
    return ChatModel(provider.name, name, _options(f"{provider.name}:{name}", options))


def _options(name: str, options: Mapping[str, Any]) -> ModelOptions:
    try:
        return ModelOptions.model_validate({key: value for key, value in options.items() if value is not None})
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        option = str(problem["loc"][0])
        if problem["type"] == "extra_forbidden":
            reason = f"there is no such option, only {', '.join(ModelOptions.model_fields)}"
        else:
            reason = problem["msg"].removeprefix("Value error, ").removesuffix(".")
        raise ConfigurationError(f"Model {name}: option {option!r}: {reason}.", option=option) from None


def _url(text: str) -> SplitResult | None:
    try:
        return urlsplit(text)
    except ValueError:  # which may quote the text, secrets included
        return None
