"""What is asked of a model, and what it answers; the same for every provider."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypedDict

from oris_temporal.graph.errors import ConfigurationError
from oris_temporal.graph.messages import Message

from .chat_model import ChatModel
from .usage import Usage


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model sees it.

    Attributes:
        name: Its name.
        description: What it does, and when to use it.
        parameters: JSON schema of its arguments, an object.
        strict: Whether the provider is to make sure that arguments fit the schema, where it can.
    """

    name: str
    description: str
    parameters: dict[str, Any]
    strict: bool = False

    def to_wire(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


def tool_specs(tools: Sequence[Any]) -> list[ToolSpec]:
    """Tools as models see them, of these and of tools that say how they are seen (``spec``).

    Raises:
        ConfigurationError: One of them is neither.
    """
    specs = [item if isinstance(item, ToolSpec) else getattr(item, "spec", None) for item in tools]
    for item, spec in zip(tools, specs, strict=True):
        if not isinstance(spec, ToolSpec):
            raise ConfigurationError(f"tools takes what @tool makes, or ToolSpec(...), not {item!r:.100}.")
    return [spec for spec in specs if isinstance(spec, ToolSpec)]


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """The JSON an answer must be.

    Attributes:
        name: Name of the schema.
        schema: JSON schema of the answer.
        strict: Whether the provider is to make sure that it fits, where it can.
        in_prompt: Whether the conversation says the schema, and the provider is only to make sure that the answer is JSON, if it can.
    """

    name: str
    schema: dict[str, Any]
    strict: bool = True
    in_prompt: bool = False

    def to_wire(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One model call.

    Attributes:
        model: The model, with its options.
        messages: The conversation, oldest first. AI messages carry their tool calls in `Message.tool_calls`, and what their
            provider said about its reasoning in ``extra["reasoning"]``; tool messages answer the call in `Message.id`.
        tools: Tools it may call.
        response_format: The JSON it must answer, or ``None`` for text.
        attempt: Which attempt of the call it is, from 1.
        held: Whether watchers see nothing of it.
    """

    model: ChatModel
    messages: Sequence[Message]
    tools: Sequence[ToolSpec] = ()
    response_format: ResponseFormat | None = None
    attempt: int = 1
    held: bool = False

    def with_schema_in_prompt(self) -> ModelRequest:
        """The same request, for a model that knows no schemas: its instructions, which come first, say what to answer."""
        wanted, messages = self.response_format, list(self.messages)
        if wanted is None or wanted.in_prompt:
            return self
        text = f"Answer with one JSON object that fits this JSON schema, and with nothing else:\n{json.dumps(wanted.schema)}"
        if messages and messages[0].message_type == "system":
            text = f"{messages.pop(0).content}\n\n{text}"
        return replace(
            self, messages=[Message.system(text), *messages], response_format=replace(wanted, in_prompt=True)
        )

    @property
    def form(self) -> dict[str, Any]:
        """Tools and response format as JSON data; empty if there are none."""
        form: dict[str, Any] = {}
        if self.tools:
            form["tools"] = [tool.to_wire() for tool in self.tools]
        if self.response_format is not None:
            form["response_format"] = self.response_format.to_wire()
        return form

    @classmethod
    def from_wire(
        cls, model: Mapping[str, Any], messages: Sequence[Any], form: Mapping[str, Any], attempt: int
    ) -> ModelRequest:
        """Read a request from the JSON forms of its parts."""
        answer = form.get("response_format")
        return cls(
            model=ChatModel.from_wire(model),
            messages=[Message.parse(message) for message in messages],
            tools=[ToolSpec(**tool) for tool in form.get("tools", ())],
            response_format=None if answer is None else ResponseFormat(**answer),
            attempt=attempt,
        )


class Piece(TypedDict, total=False):
    """A part of an answer, as it arrives.

    Attributes:
        type: ``text``, ``reasoning`` or ``tool_call``.
        text: Text to append, of ``text`` and ``reasoning``.
        index: Which tool call of the answer, from 0.
        id: Id of the tool call, with its first piece.
        name: Name of the tool, with its first piece.
        arguments: Text to append to the tool call's JSON arguments.
    """

    type: Literal["text", "reasoning", "tool_call"]
    text: str
    index: int
    id: str
    name: str
    arguments: str


StopReason = Literal["stop", "tool_calls", "length", "content_filter", "refusal"] | str
"""Why a model stopped: it was done, it calls tools, `max_tokens` or the context was used up, the provider filtered it, the model
refused; or the provider's own word."""


@dataclass(frozen=True, slots=True)
class ModelReply:
    """A whole answer.

    Attributes:
        text: What it says.
        tool_calls: Its tool calls in OpenAI's shape, arguments as the model wrote them. A call may have more fields of its provider,
            which it wants back.
        stop_reason: Why it ended.
        usage: What it used.
        model: The model that answered, as the provider names it.
        id: The provider's id of the answer.
        reasoning: What the provider is given back with the next call, and no other provider: ``provider``, ``blocks`` as it wrote
            them (there may be none), ``text`` to show if there is one, and what else its adapter needs (``api``, ``order``).
        refusal: Why the model refused, if it did.
    """

    text: str
    tool_calls: Sequence[dict[str, Any]] = ()
    stop_reason: StopReason = "stop"
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    id: str | None = None
    reasoning: Mapping[str, Any] | None = None
    refusal: str | None = None

    def message(self, provider: str) -> Message:
        """The answer as an AI message; what Oris's wire form has no place for is in ``extra``."""
        extra: dict[str, Any] = {
            "provider": provider,
            "model": self.model,
            "stop_reason": self.stop_reason,
            "usage": self.usage.to_wire(),
            "reasoning": self.reasoning and dict(self.reasoning),
            "refusal": self.refusal,
        }
        return Message.ai(
            self.text,
            list(self.tool_calls),
            id=self.id,
            extra={name: value for name, value in extra.items() if value},
        )


def chunk_of(piece: Piece) -> dict[str, Any]:
    """A piece as watchers of the stream mode ``messages`` get it: a part of an AI message, marked as such."""
    chunk: dict[str, Any] = {"content": "", "message_type": "ai", "chunk": True}
    match piece.get("type"):
        case "text":
            chunk["content"] = piece.get("text", "")
        case "reasoning":
            chunk["reasoning"] = piece.get("text", "")
        case "tool_call":
            chunk["tool_call"] = {name: value for name, value in piece.items() if name != "type"}
    return chunk


RESTART: dict[str, Any] = {"content": "", "message_type": "ai", "chunk": True, "restart": True}
"""Says to watchers that the answer begins again: what was written of it so far does not count."""
