"""`Middleware`: hooks around what an agent does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from oris_temporal.graph.context import Context
from oris_temporal.graph.messages import Message, ToolCall
from oris_temporal.models import ChatModel
from oris_temporal.tools import Tool, ToolOutput

from ..state import Draft

State = Mapping[str, Any]
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A model call that is about to be made. Middleware changes it with ``dataclasses.replace``; all of it is honoured.

    Attributes:
        model: The model, with its options.
        system_prompt: Instructions put before the conversation, or ``None``.
        messages: The conversation, oldest first.
        tools: The tools it is offered. A tool that is left out cannot be called either.
        response_format: Type of the answer as for `create_agent`, or ``None`` for text.
        ctx: The node's context.
        draft: The state within this step.
    """

    model: ChatModel
    system_prompt: str | None
    messages: Sequence[Message]
    tools: Sequence[Tool]
    response_format: Any
    ctx: Context
    draft: Draft

    @property
    def state(self) -> State:
        """The agent's state as it is now."""
        return self.draft.state

    def update(self, values: Mapping[str, Any]) -> None:
        """Update the agent's state, whatever becomes of the call."""
        self.draft.apply(values, "wrap_model_call")


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """A tool call that is about to be made.

    Attributes:
        call: What the model asks for.
        tool: The tool.
        ctx: A context of this call: what other calls of the turn do stands apart.
        draft: The state within this step.
    """

    call: ToolCall
    tool: Tool
    ctx: Context
    draft: Draft

    @property
    def state(self) -> State:
        """The agent's state as it is now, with what the hooks around other calls of the turn did to it."""
        return self.draft.state

    def update(self, values: Mapping[str, Any]) -> None:
        """Update the agent's state, whatever becomes of the call."""
        self.draft.apply(values, "wrap_tool_call")


ModelHandler = Callable[[ModelCall], Awaitable[Message]]
ToolHandler = Callable[[ToolRequest], Awaitable[ToolOutput]]


class Middleware:
    """Hooks around what an agent does; override those you need. Each runs exactly once for each event.

    ``before_*`` hooks run in the order of the agent's middleware, ``after_*`` in reverse, and ``wrap_*`` are nested with the first
    as the outermost. Each hook sees what those before it did. Hooks run inside the workflow, so they must be deterministic; what
    has effects goes through `ctx` (``ctx.llm``, ``ctx.activity``, ``ctx.interrupt``), or into a hook marked `activity_hook`.

    A state hook returns an update of the state, ``None``, or ``Command(update=..., goto=...)`` where goto is ``"model"``,
    ``"tools"`` (if the agent has any) or ``"end"``; one that goes somewhere is the last of its kind to be called. When an agent is done,
    its ``after_agent`` hooks go nowhere else.

    Attributes:
        tools: Tools it gives to the agent.
        own_tools: Tools that its hooks call with ``ctx.tool``; models are not offered them.
        state_schema: TypedDict of the state fields it adds.
        system_prompt: Text it adds to the agent's system prompt.
        functions: Functions it was given that its hooks call; they are linted like the hooks.
        holds_answers: Whether watchers see no answer before its hooks have seen it: not piece by piece while it is written, but at once
            when all hooks are done with it.
    """

    tools: Sequence[Tool] = ()
    own_tools: Sequence[Tool] = ()
    state_schema: type | None = None
    system_prompt: str | None = None
    functions: Sequence[Callable[..., Any]] = ()
    holds_answers: bool = False

    @property
    def name(self) -> str:
        """What it is called in errors and activity types."""
        return type(self).__name__

    def change_tools(self, tools: Sequence[Tool]) -> Sequence[Tool]:
        """Called once, when the agent is made: its tools, those of the middleware included, as it is to have them."""
        return tools

    async def before_agent(self, state: State, ctx: Context) -> Any:
        """Called once, when a run begins."""

    async def before_model(self, state: State, ctx: Context) -> Any:
        """Called before each model call."""

    async def wrap_model_call(self, call: ModelCall, handler: ModelHandler) -> Message:
        """Called around each model call: may change the call or the answer, call again, or not at all."""
        return await handler(call)

    async def after_model(self, state: State, ctx: Context) -> Any:
        """Called after each model call; the last message is the answer."""

    async def wrap_tool_call(self, request: ToolRequest, handler: ToolHandler) -> ToolOutput:
        """Called around each tool call."""
        return await handler(request)

    async def after_agent(self, state: State, ctx: Context) -> Any:
        """Called once, when the agent is done."""


HOOKS = ("before_agent", "before_model", "wrap_model_call", "after_model", "wrap_tool_call", "after_agent")


def activity_hook(fn: F) -> F:
    """Mark a ``before_*`` or ``after_*`` hook that has effects: it runs as an activity, and takes the state alone.

    The activity, of type ``tool.<middleware>.<hook>``, gets the state by reference, so a long conversation is not repeated in history.

    Example:
        >>> class Audit(Middleware):
        ...     @activity_hook
        ...     async def after_agent(self, state):
        ...         await write_to_the_audit_log(state["messages"])
    """
    fn.runs_as_activity = True  # type: ignore[attr-defined]
    return fn


def tool_calls(answer: Message) -> list[Mapping[str, Any]]:
    """What an answer calls, as the model wrote it: ``name`` and ``arguments``."""
    calls = answer.tool_calls if isinstance(answer.tool_calls, list) else []
    found = [call.get("function", call) for call in calls if isinstance(call, Mapping)]
    return [call for call in found if isinstance(call, Mapping)]


def calls_tools(answer: Message, tools: Sequence[Tool]) -> bool:
    """Whether an answer calls one of these tools; a structured answer may be the call of another."""
    return not {tool.name for tool in tools}.isdisjoint(str(call.get("name")) for call in tool_calls(answer))


def answer_text(answer: Message, tools: Sequence[Tool]) -> str:
    """What an answer says to its reader: its text, and the arguments of a structured answer, which calls none of these tools."""
    calls = [] if calls_tools(answer, tools) else tool_calls(answer)
    return "\n".join([answer.content, *(str(item.get("arguments")) for item in calls)]).strip()


def overrides(middleware: Middleware, hook: str) -> bool:
    """Whether a middleware has a hook of its own."""
    return getattr(type(middleware), hook) is not getattr(Middleware, hook)
