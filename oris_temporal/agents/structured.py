"""Structured output: how an agent gets its answer as an object."""

from __future__ import annotations

import json
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import UnionType
from typing import Any, Union

from oris_temporal.graph.errors import ConfigurationError, GraphCompileError, InvalidUpdateError
from oris_temporal.graph.messages import Message, ToolCall
from oris_temporal.models import ChatModel, ResponseFormat, ToolSpec
from oris_temporal.models.answer_type import AnswerError, AnswerType, told_again


@dataclass(frozen=True)
class ProviderStrategy:
    """The provider makes sure that the answer is JSON of the schema, or with ``structured_output="json_object"`` that it is JSON.

    Attributes:
        schema: Pydantic model, dataclass or TypedDict.
        max_retries: How often the model may try again when its answer does not fit.
    """

    schema: Any
    max_retries: int = 2


@dataclass(frozen=True)
class ToolStrategy:
    """The model answers by calling a tool whose arguments are the schema; works with every model that calls tools.

    Attributes:
        schema: Pydantic model, dataclass or TypedDict, or a union of these.
        max_retries: How often the model may try again when its answer does not fit.
        tool_message_content: What the model is told when the answer fits.
    """

    schema: Any
    max_retries: int = 2
    tool_message_content: str = "The answer was taken."


_NATIVE = ("openai", "anthropic", "ollama", "fake")


def answers_natively(model: ChatModel) -> bool:
    """Whether a type alone is asked of a model's provider: it is known to hold its models to schemas, or the options say how to ask."""
    return model.provider in _NATIVE or model.options.structured_output is not None


class StructuredOutput:
    """The response format of an agent.

    Args:
        given: A type, a union of types, a `ProviderStrategy` or a `ToolStrategy`. Of a type alone, the provider's own way is taken
            where it has one.
        native: Whether the provider has one, see `answers_natively`.

    Attributes:
        strategy: How the answer is asked for.
        type: Its type.
        members: The types of a union, or the type alone.
        max_retries: How often the model may try again.

    Raises:
        GraphCompileError: The type has no JSON schema, or the strategy does not do unions.
    """

    def __init__(self, given: Any, native: bool) -> None:
        strategy = given
        if not isinstance(given, ProviderStrategy | ToolStrategy):
            strategy = ProviderStrategy(given) if native and len(_members(given)) == 1 else ToolStrategy(given)
        self.strategy: ProviderStrategy | ToolStrategy = strategy
        self.type: Any = strategy.schema
        self.max_retries = strategy.max_retries
        self.members = _members(self.type)
        if isinstance(strategy, ProviderStrategy) and len(self.members) > 1:
            raise GraphCompileError("ProviderStrategy takes one type; for a union use ToolStrategy.")
        try:
            self._types = {item.name: item for item in map(AnswerType, self.members)}
        except ConfigurationError as error:
            raise GraphCompileError(error.message) from None

    @cached_property
    def response_format(self) -> ResponseFormat | None:
        """What the provider is told."""
        if isinstance(self.strategy, ToolStrategy):
            return None
        [kind] = self._types.values()
        return kind.format

    @cached_property
    def tools(self) -> list[ToolSpec]:
        """Tools by which the model answers."""
        if isinstance(self.strategy, ProviderStrategy):
            return []
        return [
            ToolSpec(name, kind.schema.get("description") or f"Give the final answer as {name}.", kind.schema)
            for name, kind in self._types.items()
        ]

    def read(self, answer: Message) -> Answered | None:
        """What a model's answer says; ``None`` if it is no final answer but calls other tools."""
        calls = answer.tool_calls or []
        if isinstance(self.strategy, ProviderStrategy):
            if calls:
                return None
            return self._read_text(answer.content)
        final = [call for call in calls if _called(call) in self._types]
        if not final:
            if calls:
                return None
            return Answered(problem=[Message.human(f"Give the final answer by calling {' or '.join(self._types)}.")])
        if len(final) > 1:
            names = ", ".join(_called(call) for call in final)
            text = f"Give one final answer; these are {len(final)} ({names})."
            return Answered(problem=[_tool_error(call, text) for call in calls])
        others = [
            _tool_error(call, "Not called: the final answer was given in the same turn.")
            for call in calls
            if call not in final
        ]
        return self._read_call(final[0], others)

    def _read_text(self, text: str) -> Answered:
        [kind] = self._types.values()
        try:
            return Answered(value=kind.read(text))
        except AnswerError as error:
            return Answered(problem=[Message.human(told_again(kind.name, error))])

    def _read_call(self, call: dict[str, Any], others: list[Message]) -> Answered:
        name = _called(call)
        strategy = typing.cast("ToolStrategy", self.strategy)
        try:
            parsed = ToolCall.from_wire(call)
            value = self._types[name].read(json.dumps(parsed.args))
        except (AnswerError, InvalidUpdateError) as error:
            return Answered(problem=[_tool_error(call, f"This is no {name}: {error}. Call it again."), *others])
        told = Message.tool(strategy.tool_message_content, str(call.get("id")), extra={"name": name})
        return Answered(value=value, messages=[told, *others])


@lru_cache
def structured_output(given: Any, native: bool) -> StructuredOutput | None:
    """What a response format means; ``None`` is text.

    Raises:
        GraphCompileError: See `StructuredOutput`.
    """
    return None if given is None else StructuredOutput(given, native)


@dataclass(frozen=True)
class Answered:
    """A final answer: its value, or what is wrong with it.

    Attributes:
        value: The object.
        messages: What is added to the conversation.
        problem: Messages that tell the model what is wrong.
    """

    value: Any = None
    messages: Sequence[Message] = ()
    problem: Sequence[Message] = ()


def _members(given: Any) -> list[Any]:
    return list(typing.get_args(given)) if typing.get_origin(given) in (Union, UnionType) else [given]


def _called(call: Any) -> str:
    body = call.get("function", call) if isinstance(call, dict) else {}
    return str(body.get("name", ""))


def _tool_error(call: Any, text: str) -> Message:
    return Message.tool(text, str(call.get("id")), extra={"name": _called(call), "is_error": True})
