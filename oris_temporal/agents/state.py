"""The state of an agent, and what its hooks have done to it so far within one step."""

from __future__ import annotations

import typing
from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any, NotRequired, TypedDict

from oris_temporal.graph.control import Command
from oris_temporal.graph.errors import GraphCompileError, InvalidUpdateError
from oris_temporal.graph.messages import Message, add_messages
from oris_temporal.graph.state import StateSchema, Write

JUMPS = ("model", "tools", "end")
"""Where a hook may send an agent with ``Command(goto=...)``."""


class AgentState(TypedDict):
    """State of every agent; middleware adds fields of its own.

    Attributes:
        messages: The conversation.
        turns: Model calls since the run began.
        structured_response: The answer as an object, if the agent has a response format.
        jump_to: Where a hook sent the agent: ``model``, ``tools`` or ``end``.
    """

    messages: Annotated[list[Message], add_messages]
    turns: NotRequired[int]
    structured_response: NotRequired[Any]
    jump_to: NotRequired[str | None]


def agent_state(name: str, added: Iterable[type], response: Any) -> type:
    """The state of an agent with the fields that its middleware adds.

    Args:
        name: Name of the agent.
        added: TypedDicts of the middleware.
        response: Type of the structured response, or ``None``.

    Raises:
        GraphCompileError: Two of them declare a field differently.
    """
    fields: dict[str, Any] = typing.get_type_hints(AgentState, include_extras=True)
    for schema in added:
        for field, hint in typing.get_type_hints(schema, include_extras=True).items():
            if fields.setdefault(field, hint) != hint:
                raise GraphCompileError(
                    f"Agent {name}: {schema.__name__} declares the state field {field!r} differently from what is there already."
                )
    if response is not None:
        fields["structured_response"] = NotRequired[response | None]
    return TypedDict("AgentState", fields)  # type: ignore[operator, no-any-return]


class Draft:
    """The state within one step of an agent: each hook sees what those before it did.

    Args:
        schema: The agent's state.
        state: The state as of the step's start.
        owner: ``graph.node``, for errors.
        jumps: Where its hooks may send the agent.
    """

    def __init__(
        self, schema: StateSchema, state: Mapping[str, Any], owner: str, jumps: Collection[str] = JUMPS
    ) -> None:
        self._schema = schema
        self._owner = owner
        self._jumps = jumps
        self._values: dict[str, Any] = dict(state)
        self._updates: list[dict[str, Any]] = []
        self.jump: str | None = None

    @property
    def state(self) -> dict[str, Any]:
        """The state as it is now; changing it has no effect."""
        return dict(self._schema.view(self._values))

    def apply(self, returned: Any, hook: str) -> None:
        """Take over what a hook returned: an update, ``None``, or a `Command` with ``goto`` one of the jumps.

        Raises:
            InvalidUpdateError: It is something else.
        """
        owner = f"{self._owner} ({hook})"
        if isinstance(returned, Command):
            if returned.destinations:
                jump = returned.destinations[0]
                if jump not in self._jumps:
                    raise InvalidUpdateError(f"{owner} goes to {jump!r}; it may go to {', '.join(self._jumps)}.")
                self.jump = str(jump)
            returned = returned.update
        if not returned:
            return
        update = self._schema.update_wire(returned, owner)
        self._values = self._schema.apply(self._values, [Write(owner, update)])
        self._updates.append(update)

    def updates(self) -> list[dict[str, Any]]:
        """What the node returns: all updates, in order; of a field that only keeps its last value, the last."""
        done: list[dict[str, Any]] = []
        later: set[str] = set()
        jump = [] if self.jump == self._values.get("jump_to") else [{"jump_to": self.jump}]
        for update in reversed([*self._updates, *jump]):
            done.append({name: value for name, value in update.items() if name not in later})
            later |= {name for name in update if self._schema.fields[name].reducer is None}
        return [update for update in reversed(done) if update]
