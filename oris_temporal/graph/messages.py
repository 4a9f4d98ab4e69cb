"""Chat messages: what they are, what they are written from, and how a state collects them.

In JSON a message has Oris's wire form, so a state written here reads the same in every other Oris program.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, LiteralString, Self, TypeAlias, Unpack

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    TypeAdapter,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from .errors import InvalidUpdateError
from .wire import whole

if TYPE_CHECKING:
    Json: TypeAlias = Any  # readers of a message should not have to narrow a recursive union
else:
    Json = JsonValue  # checked, and copied, so that a message never shares a list or dict with its maker

MessageType: TypeAlias = Literal["system", "human", "ai", "tool"]

_ROLES: dict[str, MessageType] = {
    "system": "system",
    "developer": "system",
    "user": "human",
    "human": "human",
    "assistant": "ai",
    "ai": "ai",
    "tool": "tool",
}


# --- the parts of a message ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Image:
    """An image shown to the model.

    Attributes:
        image_url: Where the image is: a URL or a data URI.
        detail: Resolution to use, such as ``"low"`` or ``"high"``; ``None`` leaves it to the provider.
    """

    image_url: str
    detail: str | None = None


@dataclass(frozen=True)
class ToolCall:
    """A model's request to run a tool.

    Attributes:
        id: Links the call to the tool message that answers it.
        name: Name of the tool.
        args: Arguments by name.
    """

    id: str
    name: str
    args: dict[str, Json] = Field(default_factory=dict)

    def to_wire(self) -> dict[str, Any]:
        """Write the call as messages store it, which is OpenAI's shape: the arguments are JSON text."""
        arguments = json.dumps(self.args, ensure_ascii=False, separators=(",", ":"))
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": arguments}}

    @classmethod
    def from_wire(cls, value: Any) -> Self:
        """Read a call from OpenAI's shape or from a bare ``{id, name, args}``.

        Args:
            value: The call. Absent, null and empty arguments all mean "no arguments".

        Raises:
            InvalidUpdateError: The call has no id or name, or its arguments are not a JSON object (models get
                this wrong). ``details`` has the ``id`` and ``name`` found, for an answer to the model.
        """
        call: Any = value if isinstance(value, Mapping) else {}
        function = call.get("function")
        body: Any = function if isinstance(function, Mapping) else call
        name, args = body.get("name"), body.get("arguments", body.get("args"))
        try:
            args = whole(json.loads(args or "null")) if isinstance(args, str) else args
            return cls(id=call.get("id"), name=name, args={} if args is None else args)
        except ValueError as error:  # what json and Pydantic raise alike
            raise InvalidUpdateError(
                f"A tool call cannot be read: {_explain(error)}. "
                "It needs an id, the name of a tool, and arguments that are a JSON object.",
                id=call.get("id"),
                name=name,
            ) from error


# --- a message ----------------------------------------------------------------------------------------------


class _Optional(TypedDict, total=False):
    """Fields of a message that every constructor takes by keyword."""

    id: str | None
    extra: dict[str, Any] | None


class Message(BaseModel):
    """One message of a conversation. Immutable, so it may be shared freely.

    Where a message is expected, these will do too: a text (a human message), a ``(role, content)`` pair, and
    a dict in Oris's wire form (``message_type``) or OpenAI's (``role``). Unknown keys are ignored.

    Attributes:
        content: The text.
        message_type: Who speaks.
        id: On a tool message, the id of the call it answers. On others, an id by which `add_messages` can
            replace or remove the message.
        tool_calls: On an AI message, the calls as the provider gave them, normally a list in OpenAI's shape;
            read them with `calls`.
        images: Images that go with the text.
        extra: JSON facts that Oris's wire form has no place for: token usage, reasoning, stop reason, name.
            Left out of the JSON when ``None``.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    content: str
    message_type: MessageType
    id: str | None = None
    tool_calls: Json = None
    images: list[Image] | None = None
    extra: dict[str, Json] | None = Field(default=None, exclude_if=lambda extra: extra is None)

    @classmethod
    def human(cls, text: str, images: Sequence[Image | str] | None = None, **optional: Unpack[_Optional]) -> Self:
        """Make a message of the user; an image may be given by its URL or data URI alone."""
        shown = [Image(image) if isinstance(image, str) else image for image in images or ()]
        return cls(content=text, message_type="human", images=shown or None, **optional)

    @classmethod
    def system(cls, text: str, **optional: Unpack[_Optional]) -> Self:
        """Make a message that instructs the model."""
        return cls(content=text, message_type="system", **optional)

    @classmethod
    def ai(
        cls,
        text: str,
        tool_calls: Sequence[ToolCall | dict[str, Any]] | None = None,
        **optional: Unpack[_Optional],
    ) -> Self:
        """Make a message of the model; calls given as dicts are kept as they are."""
        calls = [call.to_wire() if isinstance(call, ToolCall) else call for call in tool_calls or ()]
        return cls(content=text, message_type="ai", tool_calls=calls or None, **optional)

    @classmethod
    def tool(cls, content: str, call_id: str, *, extra: dict[str, Any] | None = None) -> Self:
        """Make the answer to the tool call whose id is given."""
        return cls(content=content, message_type="tool", id=call_id, extra=extra)

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Make a message of anything that is understood as one; a `Message` is returned as it is.

        Raises:
            InvalidUpdateError: The value is not a message.
        """
        if isinstance(value, cls):
            return value
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise InvalidUpdateError(f"The value is not a message: {_explain(error)}.") from error

    @property
    def calls(self) -> list[ToolCall]:
        """The tool calls in `tool_calls`; none when that is not a list.

        Raises:
            InvalidUpdateError: A call cannot be read, see `ToolCall.from_wire`.
        """
        calls = self.tool_calls if isinstance(self.tool_calls, list) else []
        return [ToolCall.from_wire(call) for call in calls]

    @model_validator(mode="before")
    @classmethod
    def _understand(cls, value: Any) -> Any:
        if isinstance(value, Message) or (isinstance(value, Mapping) and "message_type" in value):
            return value
        if isinstance(value, str):
            return {"content": value, "message_type": "human"}
        if isinstance(value, tuple | list) and len(value) == 2:
            return _from_openai({"role": value[0], "content": value[1]})
        if _is_removal(value):
            raise _misfit("only a field annotated with add_messages can have messages removed")
        if isinstance(value, Mapping):
            return _from_openai(value) if "role" in value else value
        raise _misfit(
            "expected a Message, a text, a (role, content) pair or a dict with a role, not {kind}",
            kind=type(value).__name__,
        )


def _from_openai(value: Mapping[str, Any]) -> dict[str, Any]:
    """Put a message in OpenAI's form into the wire form."""
    role, call_id, name = value["role"], value.get("tool_call_id"), value.get("name")
    message_type = _ROLES.get(role) if isinstance(role, str) else None
    if message_type is None:
        raise _misfit("unknown role {role}; use one of {roles}", role=reprlib.repr(role), roles=", ".join(_ROLES))
    if message_type == "tool" and call_id is None:
        raise _misfit("a message with the role tool needs tool_call_id, the id of the call it answers")
    content, images = _from_parts(value.get("content"))
    if content is None and message_type == "ai":
        content = ""  # OpenAI's way to say that the model only calls tools
    wire = {**value, "message_type": message_type, "content": content}
    if message_type == "tool":
        wire["id"] = call_id
    if images:
        wire["images"] = images
    if name is not None and isinstance(extra := value.get("extra") or {}, Mapping):
        wire["extra"] = {"name": name, **extra}
    return wire


def _from_parts(content: Any) -> tuple[Any, list[dict[str, Any]]]:
    """Split a list of content parts into its text and its images; other content is returned as it is."""
    if not isinstance(content, list):
        return content, []
    text: list[str] = []
    images: list[dict[str, Any]] = []
    for part in content:
        match part:
            case str() | {"type": "text", "text": str()}:
                text.append(part if isinstance(part, str) else part["text"])
            case {"type": "image_url", "image_url": str(url)}:
                images.append({"image_url": url})
            case {"type": "image_url", "image_url": {"url": url, **rest}}:
                images.append({"image_url": url, "detail": rest.get("detail")})
            case _:
                kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
                raise _misfit("a content part is a text or an image_url, not {kind}", kind=reprlib.repr(kind))
    return "".join(text), images


# --- collecting messages in a state -------------------------------------------------------------------------


_ALL = "__remove_all__"


@dataclass(frozen=True)
class RemoveMessage:
    """An update that takes a message out of a field reduced by `add_messages`. JSON: ``{"remove": "<id>"}``.

    Attributes:
        id: Id of the message to remove.
    """

    id: str = Field(validation_alias=AliasChoices("remove", "id"))

    @classmethod
    def all(cls) -> Self:
        """Remove every message that is there, earlier elements of the same update included."""
        return cls(_ALL)

    @model_serializer
    def _to_wire(self) -> dict[str, str]:
        return {"remove": self.id}


REMOVE_ALL = {"remove": _ALL}
"""JSON form of ``RemoveMessage.all()``."""


def _is_removal(value: Any) -> bool:
    return isinstance(value, RemoveMessage) or (isinstance(value, Mapping) and value.keys() == {"remove"})


def _shape(value: Any) -> str:
    # JSON turns a pair into a list, which must not become two messages
    pair = isinstance(value, list) and len(value) == 2 and all(isinstance(item, str) for item in value)
    return "<list>" if isinstance(value, list) and not (pair and value[0] in _ROLES) else "<one>"


def _change(value: Any) -> str:
    return "<removal>" if _is_removal(value) else "<message>"


MessagesInput: TypeAlias = Annotated[
    Annotated[Message, Tag("<one>")] | Annotated[Sequence[Message], Tag("<list>")], Discriminator(_shape)
]
"""What `append_messages` takes: one message or a list, each in any form that `Message` understands."""

MessageChange: TypeAlias = Annotated[
    Annotated[Message, Tag("<message>")] | Annotated[RemoveMessage, Tag("<removal>")], Discriminator(_change)
]
"""One element of a `MessagesUpdate`."""

MessagesUpdate: TypeAlias = Annotated[
    Annotated[MessageChange, Tag("<one>")] | Annotated[Sequence[MessageChange], Tag("<list>")],
    Discriminator(_shape),
]
"""What `add_messages` takes: as `MessagesInput`, and `RemoveMessage` besides."""

_INPUT: TypeAdapter[Any] = TypeAdapter(MessagesInput)
_UPDATE: TypeAdapter[Any] = TypeAdapter(MessagesUpdate)


def append_messages(current: list[Message], update: MessagesInput) -> list[Message]:
    """Reduce by appending, as Oris does: in order, duplicates kept, ids not looked at.

    Args:
        current: The messages so far; left alone, and the result shares them.
        update: One message or a list.

    Raises:
        InvalidUpdateError: An element is not a message. Nothing is appended then.
    """
    return [*current, *_elements(update, Message, _INPUT)]


def add_messages(current: list[Message], update: MessagesUpdate) -> list[Message]:
    """Reduce by id: a message takes the place of the one that has its id, and is appended when there is none.

    Changes apply one after the other. A tool message goes by the id of the call it answers, so a second
    answer to a call replaces the first. When several messages already share an id, the last is meant.

    Args:
        current: The messages so far; left alone, and the result shares those that were not replaced.
        update: One message or `RemoveMessage`, or a list of them.

    Raises:
        InvalidUpdateError: An element is neither, or no message has the id to remove.
    """
    merged: list[Message | None] = list(current)
    places = {message.id: place for place, message in enumerate(current) if message.id is not None}
    changes: list[Message | RemoveMessage] = _elements(update, (Message, RemoveMessage), _UPDATE)
    for change in changes:
        place = None if change.id is None else places.get(change.id)
        if isinstance(change, Message):
            if place is not None:
                merged[place] = change
                continue
            if change.id is not None:
                places[change.id] = len(merged)
            merged.append(change)
        elif change.id == _ALL:
            merged.clear()
            places.clear()
        elif place is not None:
            merged[place] = None
            del places[change.id]
        else:
            raise InvalidUpdateError(
                f"No message has the id {change.id!r}, so it cannot be removed. "
                "Remove messages by the id they have in the state, and each only once.",
                id=change.id,
            )
    return [message for message in merged if message is not None]


def added_messages(updates: Sequence[Any]) -> list[Any]:
    """What updates of `add_messages` leave of the messages they add, for a list that only grows. Both in JSON form.

    What becomes of a message that was there before - it is removed, or another is put in its place - is left out.

    Args:
        updates: The updates, in order.
    """
    added: list[Any] = []
    for update in updates:
        before: list[Any] | None = None
        for change in update if isinstance(update, list) else [update]:
            if not _is_removal(change):
                place = next((at for at, item in enumerate(added) if change["id"] and item["id"] == change["id"]), None)
                if place is not None:
                    added[place] = change
                elif before is None or change in before:
                    added.append(change)
            elif change["remove"] == _ALL:
                before, added = added, []
            else:
                added = [item for item in added if item["id"] != change["remove"]]
    return added


class MessagesState(TypedDict):
    """The state of a conversation; extend it with fields of your own.

    Attributes:
        messages: The conversation, oldest first. Updates are appended.
    """

    messages: Annotated[list[Message], append_messages]


def _elements(update: Any, kinds: type | tuple[type, ...], adapter: TypeAdapter[Any]) -> list[Any]:
    """Bring an update into the form of a list; elements that need no validation are not touched."""
    if not (isinstance(update, list) and all(isinstance(element, kinds) for element in update)):
        try:
            update = adapter.validate_python(update)
        except ValidationError as error:
            raise InvalidUpdateError(f"The update of the messages does not fit: {_explain(error)}.") from error
    return update if isinstance(update, list) else [update]


# --- what went wrong ----------------------------------------------------------------------------------------


def _misfit(sentence: LiteralString, **facts: str) -> PydanticCustomError:
    """Make the error of a validator; unlike a plain ValueError it is shown without a prefix."""
    return PydanticCustomError("message", sentence, facts)


def _explain(error: ValueError) -> str:
    """Say what does not fit and where, without the values, which may be long or private."""
    if not isinstance(error, ValidationError):
        return str(error)
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(_where(problem["loc"]) + problem["msg"] for problem in problems)


def _where(path: tuple[int | str, ...]) -> str:
    steps = [f"element {step}" if isinstance(step, int) else step for step in path]
    place = ", ".join(step for step in steps if not step.startswith("<"))  # the tags of a union say nothing
    return place and f"{place}: "
