"""`create_supervisor`: an agent that gives work to others and answers for all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.errors import GraphCompileError
from oris_temporal.graph.limits import Limits
from oris_temporal.graph.messages import Message
from oris_temporal.graph.wire import to_wire
from oris_temporal.models import ChatModel
from oris_temporal.store.base import Store
from oris_temporal.tools import Tool, ToolOutput

from .create_agent import create_agent
from .middleware.base import Middleware, ModelCall, ModelHandler
from .middleware.human_in_the_loop import InterruptOn
from .subagents import AgentTool, last_answer, make_agent_tool

AGENT = "agent"
"""Where a message's ``extra`` says which worker wrote it."""

Shares = Literal["conversation", "task"]
OutputMode = Literal["last_message", "full_history"]

_PROMPT = (
    "You lead other agents. Give each the work it is best at with its tool delegate_to_..., several at once where none needs the outcome "
    "of another. When you have what is needed, answer the user yourself, in full."
)
_GO_ON = "The agents you gave work to are done. Go on: answer, or give them more to do."


class _Work(BaseModel):
    model_config = ConfigDict(extra="forbid")

    task: str = Field(description="What it is to do now. It sees what was said in the conversation so far.")


class _WorkAlone(BaseModel):
    model_config = ConfigDict(extra="forbid")

    task: str = Field(description="What it is to do, with all that it needs to know: it sees nothing else.")


@dataclass(frozen=True, eq=False)
class WorkerTool(AgentTool):
    """A tool by which a supervisor gives work to one worker.

    Attributes:
        worker: The worker's name.
        shares: Whether it sees what was said so far, or only its task.
        output_mode: Whether the supervisor gets all it did, or only its last answer.
    """

    worker: str = ""
    shares: Shares = "conversation"
    output_mode: OutputMode = "last_message"

    def conversation(self, args: Mapping[str, Any], state: Mapping[str, Any]) -> list[Message]:
        """See `AgentTool.conversation`."""
        task = super().conversation(args, state)
        return task if self.shares == "task" else [*what_was_said(state["messages"]), *task]

    def output(self, done: Mapping[str, Any], task: Message, call_id: str) -> ToolOutput:
        """See `AgentTool.output`."""
        if self.output_mode == "last_message":
            return ToolOutput(last_answer(done), extra={AGENT: self.worker})
        messages = done["messages"]
        begun = max((place for place, message in enumerate(messages) if message == task), default=-1)
        mine = [self._signed(message, call_id) for message in messages[begun + 1 :]]
        update = {"messages": to_wire(mine, f"messages of {self.worker}")}
        return ToolOutput(f"{self.worker} worked on it. What it did and said follows.", update=update)

    def _signed(self, message: Message, call_id: str) -> Message:
        """A message as part of the supervisor's conversation, in which the ids of calls must not be there already."""
        extra = {AGENT: self.worker, **(message.extra or {})}
        if message.message_type == "tool":
            return message.model_copy(update={"extra": extra, "id": _id(call_id, message.id)})
        calls = message.tool_calls
        if isinstance(calls, list):
            calls = [{**call, "id": _id(call_id, call.get("id"))} if isinstance(call, dict) else call for call in calls]
        return message.model_copy(update={"extra": extra, "tool_calls": calls})


class _Supervising(Middleware):
    def __init__(self, tools: Sequence[Tool]) -> None:
        self.tools = tools
        self.system_prompt = _PROMPT

    async def wrap_model_call(self, call: ModelCall, handler: ModelHandler) -> Message:
        """A worker's answer may be the last message, and some providers take that for an answer to be continued."""
        if call.messages and call.messages[-1].message_type == "ai":
            return await handler(replace(call, messages=[*call.messages, Message.human(_GO_ON)]))
        return await handler(call)


def create_supervisor(
    model: str | ChatModel,
    agents: Mapping[str, tuple[CompiledGraph, str]],
    tools: Sequence[Tool | Callable[..., Any]] = (),
    *,
    name: str = "supervisor",
    system_prompt: str | None = None,
    shares: Shares = "conversation",
    output_mode: OutputMode = "last_message",
    middleware: Sequence[Middleware] = (),
    response_format: Any = None,
    interrupt_on: InterruptOn | None = None,
    limits: Limits | Mapping[str, Any] | None = None,
    context_schema: type | None = None,
    store: Store | Callable[[], Store] | None = None,
    **options: Any,
) -> CompiledGraph:
    """Make an agent that gives work to other agents, its workers, and answers when it has what it needs.

    Its model has a tool ``delegate_to_<name>`` for each worker. Workers of one turn work side by side, as part of the same run: what they
    ask people is asked on its thread, and what they use counts for its budget. A worker may be a supervisor itself.

    Args:
        model: ``provider:model``, a model's name alone, or a `ChatModel`.
        agents: Workers by name, each with what the model is told about it: agents, or any graphs whose state has ``messages``.
        tools: What it may call itself.
        name: Name of the graph.
        system_prompt: Instructions, put before those about the workers.
        shares: What a worker sees: with ``conversation`` what was said so far - by users, by the supervisor, by other workers, without
            anybody's tool calls - and then its task; with ``task`` nothing but its task.
        output_mode: What the supervisor's conversation gets: with ``last_message`` a worker's last answer; with ``full_history`` all its
            messages, which have its name as ``agent`` in their ``extra``.
        middleware: Hooks around what the supervisor does; see `create_agent`.
        response_format: Type of the answer; see `create_agent`.
        interrupt_on: Tools of the supervisor that a person looks at before they are called; see `create_agent`.
        limits: What a run, its workers included, may use. Default: 50 model calls.
        context_schema: Type of the context of its runs; see `StateGraph.compile`.
        store: What its threads, and its workers without a store of their own, share; see `StateGraph.compile`.
        options: Of the model, such as ``temperature``; see `ModelOptions`.

    Raises:
        ConfigurationError: The model's name or an option is wrong.
        GraphCompileError: There is no worker, one cannot be one, or two different ones are graphs of the same name; or what `create_agent`
            refuses.

    Example:
        >>> lead = create_supervisor(
        ...     "openai:gpt-4o",
        ...     {"researcher": (researcher, "Finds facts."), "writer": (writer, "Writes texts.")},
        ... )
    """
    if not agents:
        raise GraphCompileError(f"Supervisor {name} needs an agent.")
    arguments = _Work if shares == "conversation" else _WorkAlone
    workers = [
        make_agent_tool(
            WorkerTool,
            f"delegate_to_{worker}",
            f"Give work to the agent {worker}. {description}",
            arguments,
            {worker: agent},
            worker=worker,
            shares=shares,
            output_mode=output_mode,
        )
        for worker, (agent, description) in agents.items()
    ]
    return create_agent(
        model,
        tools,
        name=name,
        system_prompt=system_prompt,
        middleware=[_Supervising(workers), *middleware],
        response_format=response_format,
        interrupt_on=interrupt_on,
        limits=limits,
        context_schema=context_schema,
        store=store,
        **options,
    )


def what_was_said(messages: Sequence[Message]) -> list[Message]:
    """A supervisor's conversation as its workers see it: without tool calls, which they could not make."""
    said: list[Message] = []
    for message in messages:
        extra = message.extra or {}
        worker = extra.get(AGENT)
        is_answer = message.message_type == "ai" or extra.get("name") == f"delegate_to_{worker}"
        if message.message_type in ("human", "system"):
            said.append(message)
        elif worker and is_answer and message.content:
            said.append(Message.ai(f"{worker}: {message.content}", extra={AGENT: worker, "provider": AGENT}))
        elif is_answer and message.content:
            wrote: dict[str, Any] = {key: extra[key] for key in ("provider", "model") if key in extra}
            said.append(Message.ai(message.content, extra=wrote or None))
    return said


def _id(call_id: str, inner: Any) -> str:
    """An id that is the same on every replay, and as long as providers take."""
    return f"call_{hashlib.sha256(f'{call_id}/{inner}'.encode()).hexdigest()[:24]}"
