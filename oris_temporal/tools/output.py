"""What a tool returned, in a form that a model can read and history can keep."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from oris_temporal.graph.control import Command
from oris_temporal.graph.errors import ToolError
from oris_temporal.graph.messages import Image, Message
from oris_temporal.graph.node import destination_wire
from oris_temporal.graph.wire import to_wire


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """The result of a tool.

    Attributes:
        content: What the model reads.
        images: Images that go with it, in JSON form.
        update: State update it asks for, in JSON form.
        goto: Destinations it asks for, in JSON form.
        is_error: Whether it is an error, for the model to mend.
        extra: JSON facts that the tool message keeps, and models do not read.
    """

    content: str
    images: list[dict[str, Any]] | None = None
    update: dict[str, Any] | None = None
    goto: list[Any] | None = None
    is_error: bool = False
    extra: dict[str, Any] | None = None

    def message(self, call_id: str, name: str) -> Message:
        """The tool message that answers a call."""
        extra: dict[str, Any] = {"name": name, **(self.extra or {})}
        if self.is_error:
            extra["is_error"] = True
        images = None if self.images is None else [Image(**image) for image in self.images]
        return Message(content=self.content, message_type="tool", id=call_id, images=images, extra=extra)

    def to_wire(self) -> dict[str, Any]:
        """JSON form: what is set."""
        return {name: value for name, value in asdict(self).items() if value not in (None, False) or name == "content"}

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> ToolOutput:
        """Read the JSON form."""
        return cls(**wire)

    @classmethod
    def of(cls, returned: Any, name: str) -> ToolOutput:
        """Read what a tool returned: text, JSON data, images, a `Message`, a `Command`, or a list of text and images.

        Raises:
            SerializationError: It has no JSON form.
            ToolError: It is a `Command` that answers an interrupt.
        """
        match returned:
            case ToolOutput():
                return returned
            case None:
                return cls("")
            case str():
                return cls(returned)
            case Image():
                return cls("", [to_wire(returned, f"image of tool {name}")])
            case Message():
                return cls(returned.content, to_wire(returned.images, f"images of tool {name}"))
            case Command():
                return _of_command(returned, name)
            case list() if any(isinstance(item, Image) for item in returned):
                images = [item for item in returned if isinstance(item, Image)]
                text = "\n".join(cls.of(item, name).content for item in returned if not isinstance(item, Image))
                return cls(text, to_wire(images, f"images of tool {name}"))
        wire = to_wire(returned, f"result of tool {name}")
        return cls(wire if isinstance(wire, str) else json.dumps(wire, ensure_ascii=False))


def _of_command(command: Command, name: str) -> ToolOutput:
    if not isinstance(command.update, Mapping | None):
        raise ToolError(f"Tool {name} returned Command(update=...) that is no object.", tool=name, kind="execution")
    update = to_wire(dict(command.update or {}), f"update of tool {name}")
    said = [
        item for item in update.get("messages", ()) if isinstance(item, dict) and item.get("message_type") == "tool"
    ]
    content = "" if not said else str(said[-1]["content"])
    if said:  # the answer to the call is added for it
        update["messages"] = [item for item in update["messages"] if item not in said]
        if not update["messages"]:
            del update["messages"]
    goto = [destination_wire(item, f"tool {name}") for item in command.destinations]
    return ToolOutput(content, update=update or None, goto=goto or None)
