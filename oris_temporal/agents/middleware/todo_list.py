"""A list of things to do that a model keeps for itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal, NotRequired, TypedDict

from pydantic import BaseModel, ConfigDict, Field

from oris_temporal.graph.control import Command
from oris_temporal.graph.messages import Message
from oris_temporal.tools import Runtime, tool

from .base import Middleware, ModelCall, ModelHandler


class Todo(BaseModel):
    """Something to do.

    Attributes:
        title: What.
        status: How far it is.
        id: A name for it, if it needs one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(min_length=1)
    status: Literal["pending", "in_progress", "done", "cancelled"] = "pending"
    id: str | None = None


def _latest(current: list[Todo], update: list[Todo]) -> list[Todo]:
    """Reduce by taking the update: several calls of one turn may write the list."""
    return update


class TodoState(TypedDict):
    """State of `TodoListMiddleware`.

    Attributes:
        todos: The list.
    """

    todos: NotRequired[Annotated[list[Todo], _latest]]


@tool(run_as="workflow")
def write_todos(todos: list[Todo], runtime: Runtime) -> Command:  # noqa: D417 - models do not see the runtime
    """Write the list of things to do. It takes the place of the list so far, so give all of it.

    Args:
        todos: The list, in order.
    """
    counts = Counter(item.status for item in todos)
    told = ", ".join(f"{count} {status}" for status, count in counts.items()) or "empty"
    return Command(update={"todos": todos, "messages": [Message.tool(f"The list: {told}.", runtime.tool_call_id)]})


class TodoListMiddleware(Middleware):
    """Gives the agent a list of things to do: a tool ``write_todos``, and the state field ``todos``, which the model is always shown.

    Args:
        system_prompt: What the model is told about it.
    """

    state_schema = TodoState
    tools = (write_todos,)

    def __init__(
        self,
        system_prompt: str = (
            "For work of several steps keep a list with write_todos: write it before you begin, have one item in_progress at a time, "
            "and mark each done as soon as it is. Do without it where one step is enough."
        ),
    ) -> None:
        self.system_prompt = system_prompt

    async def wrap_model_call(self, call: ModelCall, handler: ModelHandler) -> Message:
        """See `Middleware.wrap_model_call`."""
        todos: Sequence[Todo] = call.state.get("todos") or ()
        if not todos:
            return await handler(call)
        shown = "\n".join(f"- [{item.status}] {item.title}{f' (id {item.id})' if item.id else ''}" for item in todos)
        prompt = "\n\n".join(filter(None, [call.system_prompt, f"Your list of things to do:\n{shown}"]))
        return await handler(replace(call, system_prompt=prompt))
