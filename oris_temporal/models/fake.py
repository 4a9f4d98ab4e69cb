"""Models that need no provider: for tests, demos and the first minutes with a graph.

``fake:echo`` answers with what the human said last; ``fake:hello`` with the same short text every time; ``fake:tools`` calls every
tool it is offered, once, with arguments that fit, and then answers with what they returned. Asked for JSON, they answer with JSON
that fits the schema. `fake_model` answers as a script says.

What a fake model answers follows from the conversation, and where its script fails from the number of the attempt as Temporal counts
it: no process remembers anything, so another worker, another history or a fork gets the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from oris_temporal.graph.duration import Duration, to_timedelta
from oris_temporal.graph.errors import ConfigurationError, InvalidUpdateError
from oris_temporal.graph.messages import Message, ToolCall

from .chat_model import ChatModel, ModelOptions

SCRIPT = "script"
"""Where a script is in `ModelOptions.extra`."""

FailureKind = Literal[
    "credentials",
    "configuration",
    "authentication",
    "permission",
    "not_found",
    "invalid_request",
    "context_length",
    "refused",
    "rate_limit",
    "overloaded",
    "server",
    "timeout",
    "conflict",
    "connection",
    "malformed",
]
"""See `ModelError`."""


class Answer(BaseModel):
    """A line of a script that answers. Made from what is in `Line`, or by `slow`.

    Attributes:
        message: The answer: its text and tool calls, and ``reasoning``, ``refusal``, ``stop_reason`` and ``usage`` of its ``extra``.
        first_token: Seconds before the first piece.
        between: Seconds between two pieces.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    message: Message
    first_token: float = Field(default=0, ge=0)
    between: float = Field(default=0, ge=0)

    @field_validator("message")
    @classmethod
    def _is_answer(cls, value: Message) -> Message:
        if value.message_type != "ai":
            raise ValueError("a model answers with AI messages")
        calls = value.tool_calls if isinstance(value.tool_calls, list) else []
        return value.model_copy(update={"tool_calls": [_call(call) for call in calls] or None})


class Failure(BaseModel):
    """A line of a script that fails. Made by `fail`.

    Attributes:
        fail: Kind of the `ModelError`.
        times: How many attempts fail; ``None`` for all.
        retry_after: Seconds the provider asks to wait.
        status: HTTP status.
        after: Text that is streamed before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fail: FailureKind
    times: int | None = Field(default=1, gt=0)
    retry_after: float | None = Field(default=None, ge=0)
    status: int | None = None
    after: str = ""


Line: TypeAlias = str | Message | ToolCall | BaseModel | Mapping[str, Any]
"""A line of a script: a text, an AI message, a tool call, a Pydantic object or JSON object as structured output; or what `slow` and
`fail` make."""


def fake_model(*script: Line, name: str = "scripted") -> ChatModel:
    """A model that answers line by line: the first answer of a conversation is the first line, and so on.

    The line follows from the number of AI messages in the conversation, so it goes back where messages are taken out of that. Those
    that say in their ``extra`` that another model wrote them do not count, so models of one conversation need names of their own.
    Tokens are counted in words: of all messages for the prompt, and of the answer, plus one for each tool call.

    Args:
        script: What it answers. A `fail` belongs to the answer after it.
        name: Name of the model; its full name is ``fake:`` and this.

    Raises:
        ConfigurationError: There is no line, or one cannot be read.

    Example:
        >>> fake_model(
        ...     fail("rate_limit", times=2, retry_after="100ms"),
        ...     ToolCall("call-1", "search", {"query": "Temporal"}),
        ...     slow("Temporal keeps programs running.", first_token="1s", between="50ms"),
        ... )
    """
    if not script:
        raise ConfigurationError("The script of a fake model needs a line.")
    if not name:
        raise ConfigurationError("A fake model needs a name.")
    return ChatModel("fake", name, ModelOptions(extra={SCRIPT: [_to_wire(_line(line)) for line in script]}))


def fail(
    kind: FailureKind,
    *,
    times: int | None = 1,
    retry_after: Duration | None = None,
    status: int | None = None,
    after: str = "",
) -> Failure:
    """A line of a script: attempts that fail before the answer that comes next.

    A failure and the answer after it are one call: ``fail("rate_limit", times=2), "one"`` fails on the first two attempts of the call and
    answers on the third. Attempts count as Temporal counts them (in this process likewise), also those whose worker was lost: so
    attempt 3 answers, whatever ended the two before. A failure that is not tried again, such as ``context_length``, or more failures
    than the call has attempts, end the call. The next call begins with attempt 1; it meets the same failure until the conversation
    has an answer more.

    Args:
        kind: What went wrong; see `ModelError`.
        times: How many attempts fail; ``None`` for all.
        retry_after: How long the provider asks to wait.
        status: HTTP status of the answer.
        after: Text that is streamed before.

    Raises:
        ConfigurationError: There is no such kind, or ``times`` is not positive.
        ValueError: ``retry_after`` is no duration.
    """
    try:
        wait = None if retry_after is None else _seconds(retry_after)
        return Failure(fail=kind, times=times, retry_after=wait, status=status, after=after)
    except ValidationError as error:
        raise _unreadable(error) from None


def slow(line: Line, *, first_token: Duration = 0, between: Duration = 0) -> Answer:
    """A line of a script: an answer that takes its time.

    Args:
        line: What to answer.
        first_token: How long before the first piece.
        between: How long between two pieces; a piece has a few characters.

    Raises:
        ConfigurationError: The line cannot be read, or is a failure.
        ValueError: A duration is none.
    """
    answer = _line(line)
    if isinstance(answer, Failure):
        raise ConfigurationError("Only answers can be slow, not failures.")
    return answer.model_copy(update={"first_token": _seconds(first_token), "between": _seconds(between)})


def read_script(options: ModelOptions) -> Sequence[Answer | Failure] | None:
    """The script in a model's options, if there is one.

    Raises:
        ConfigurationError: It cannot be read.
    """
    lines = (options.extra or {}).get(SCRIPT)
    if lines is None:
        return None
    if not isinstance(lines, list):
        raise ConfigurationError("The script of a fake model is a list of lines.")
    return [_from_wire(line) for line in lines]


# --- lines ---------------------------------------------------------------------------------------------------------


def _line(line: Line) -> Answer | Failure:
    try:
        match line:
            case Answer() | Failure():
                return line
            case str():
                return Answer(message=Message.ai(line))
            case Message():
                return Answer(message=line)
            case ToolCall():
                return Answer(message=Message.ai("", [line]))
            case BaseModel():
                return Answer(message=Message.ai(line.model_dump_json()))
            case Mapping():
                return Answer(message=Message.ai(json.dumps(line, ensure_ascii=False)))
    except ValidationError as error:
        raise _unreadable(error) from None
    except TypeError as error:  # what json raises
        raise ConfigurationError(f"A line of a fake model's script cannot be read: {error}.") from None
    raise ConfigurationError(f"A line of a fake model's script is a text, message or JSON object, not {type(line)}.")


def _to_wire(line: Answer | Failure) -> Any:
    if isinstance(line, Answer) and line == Answer(message=Message.ai(line.message.content)):
        return line.message.content
    return line.model_dump(mode="json", exclude_defaults=True)


def _from_wire(line: Any) -> Answer | Failure:
    if isinstance(line, str):
        return _line(line)
    try:
        if isinstance(line, Mapping) and "fail" in line:
            return Failure.model_validate(line)
        return Answer.model_validate(line)
    except ValidationError as error:
        raise _unreadable(error) from None


def _call(call: Any) -> Any:
    """A tool call in OpenAI's shape; text of arguments stays as it is, for models get that wrong."""
    match call:
        case {"id": str(), "function": {"name": str(), "arguments": str()}}:
            return call
    try:
        return ToolCall.from_wire(call).to_wire()
    except InvalidUpdateError as error:
        raise ValueError(error.message) from None


def _seconds(duration: Duration) -> float:
    return 0.0 if duration == 0 else to_timedelta(duration).total_seconds()


def _unreadable(error: ValidationError) -> ConfigurationError:
    problem = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in problem["loc"])
    reason = problem["msg"].removeprefix("Value error, ").removesuffix(".")
    return ConfigurationError(f"A line of a fake model's script cannot be read: {field}: {reason}.")
