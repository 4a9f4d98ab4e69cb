"""`ToolNode`: a node that makes the tool calls a model asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from oris_temporal.graph.context import Context
from oris_temporal.graph.control import Command, Send
from oris_temporal.graph.errors import InvalidUpdateError, ToolError
from oris_temporal.graph.messages import Message, RemoveMessage, ToolCall
from oris_temporal.tools import Tool, ToolOutput, ToolResultEviction

from .runtime import runtime_of


class ToolNode:
    """Makes the tool calls of the last AI message, all at once, and answers them in the order of the calls.

    Calls that run in the workflow, and those of tools with ``in_order``, come after the others, one after the other in the order of the
    calls; what runs in the workflow sees the state as the calls before it leave it.

    What goes wrong with a call - an unknown tool, arguments that do not fit, a tool that fails for good - is told to the model.

    Args:
        tools: The tools it may call. They are registered with the graph it is added to.
        messages: State field that has the conversation.
        evict: Keeps large results out of it; its tool to read them joins the others. One eviction serves any number of nodes.

    Attributes:
        tools: The tools it may call, for the model to be told of.

    Example:
        >>> graph.add_node("tools", ToolNode([search, weather]))
    """

    def __init__(
        self, tools: Sequence[Tool], *, messages: str = "messages", evict: ToolResultEviction | None = None
    ) -> None:
        self.tools = tuple(tools) if evict is None else evict.on(tools)
        self._evict = evict
        self._messages = messages
        self._known = {tool.name: tool for tool in self.tools}

    async def __call__(self, state: Any, ctx: Context) -> list[Any]:
        """Run as a node."""
        said = state.get(self._messages) if isinstance(state, Mapping) else getattr(state, self._messages, None)
        asked = last_calls(said or [])
        answers: dict[int, Any] = {}

        async def answer(index: int, after: Sequence[Any] = ()) -> None:
            updates = [item.update if isinstance(item, Command) else item for item in after]
            answers[index] = await self.answer(asked[index], partial(self._call, state, ctx, updates))

        later = [index for index, call in enumerate(asked) if self.waits(call)]
        await asyncio.gather(*(answer(index) for index in range(len(asked)) if index not in later))
        for index in later:
            await answer(index, [answers[before] for before in range(index)])
        said_besides = [message for index in range(len(asked)) for message in self.take_besides(answers[index])]
        updates = [answers[index] for index in range(len(asked))]
        return [*updates, {self._messages: said_besides}] if said_besides else updates

    def waits(self, asked: Any) -> bool:
        """Whether a call waits for those before it. One that cannot be made does not.

        Args:
            asked: The call, as the model wrote it or as it was read.
        """
        try:
            call = asked if isinstance(asked, ToolCall) else ToolCall.from_wire(asked)
            tool = self.find(call.name)
            return tool.waits(tool.check(call.args))
        except (InvalidUpdateError, ToolError):
            return False

    def take_besides(self, answer: Any) -> list[Any]:
        """Take from an answer the messages after the tool's: providers want the results of a turn next to each other."""
        update = answer.update if isinstance(answer, Command) else answer
        messages = update[self._messages]
        update[self._messages] = messages[:1]
        return list(messages[1:])

    async def answer(self, asked: Any, make: Callable[[ToolCall], Awaitable[ToolOutput]]) -> Any:
        """The answer to one call: an update with its tool message, or a `Command` that has one.

        Args:
            asked: The call as the model wrote it.
            make: Makes a call that can be read; its `ToolError` is told to the model.
        """
        try:
            call = ToolCall.from_wire(asked)
        except InvalidUpdateError as error:
            id, name = error.details.get("id") or "", error.details.get("name") or "unknown"
            return self._update(ToolOutput(error.message, is_error=True), str(id), str(name))
        try:
            output = await make(call)
        except ToolError as error:
            output = ToolOutput(error.message, is_error=True)
        return self._update(output, call.id, call.name)

    def find(self, name: str, offered: Collection[str] | None = None) -> Tool:
        """The tool of a name.

        Raises:
            ToolError: There is none, or the model was not offered it.
        """
        known = [item for item in self._known if offered is None or item in offered]
        if name not in known:
            raise ToolError(
                f"There is no tool {name!r}; there are {', '.join(known) or 'none'}.", tool=name, kind="not_found"
            )
        return self._known[name]

    async def _call(self, state: Any, ctx: Context, after: Sequence[Mapping[str, Any]], call: ToolCall) -> ToolOutput:
        tool = self.find(call.name)
        output = await ctx.tool(tool, call.args, call_id=call.id, after=after)
        return (
            output if self._evict is None else await self._evict.settle(tool, output, runtime_of(ctx, state, call.id))
        )

    def _update(self, output: ToolOutput, call_id: str, name: str) -> Any:
        update = dict(output.update or {})
        more = update.pop(self._messages, [])
        update[self._messages] = [output.message(call_id, name), *more]
        if not output.goto:
            return update
        goto = [item if isinstance(item, str) else Send(item["node"], item["payload"]) for item in output.goto]
        return Command(update=update, goto=goto)


def with_edits(messages: Sequence[Message], edited: Mapping[str, ToolCall]) -> list[Message | RemoveMessage]:
    """The update of a conversation by which its last AI message has the calls that a person made of its own.

    Args:
        messages: The conversation.
        edited: The calls by id.
    """
    place = max(place for place, message in enumerate(messages) if message.message_type == "ai")
    answer = messages[place]
    calls: Any = answer.tool_calls
    calls = [
        {**call, **edited[call["id"]].to_wire()} if isinstance(call, Mapping) and call.get("id") in edited else call
        for call in calls
    ]
    changed = answer.model_copy(update={"tool_calls": calls})
    if answer.id is not None:
        return [changed]
    return [RemoveMessage.all(), *messages[:place], changed, *messages[place + 1 :]]


def last_calls(messages: Sequence[Message]) -> list[Any]:
    """Tool calls of the last AI message, as it has them, that no later message answers."""
    answered: set[str | None] = set()
    for message in reversed(messages):
        if message.message_type == "tool":
            answered.add(message.id)
        elif message.message_type == "ai":
            calls = message.tool_calls if isinstance(message.tool_calls, list) else []
            return [call for call in calls if not (isinstance(call, Mapping) and call.get("id") in answered)]
        else:
            return []
    return []
