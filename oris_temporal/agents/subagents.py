"""Agents as tools of another agent."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model

from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.context import Context
from oris_temporal.graph.errors import GraphCompileError, ModelError, StructuredOutputError, ToolError
from oris_temporal.graph.messages import Message
from oris_temporal.graph.wire import to_wire
from oris_temporal.tools import Tool, ToolOutput
from oris_temporal.tools.arguments import ModelArguments
from oris_temporal.tools.files import FILES
from oris_temporal.tools.tool import check_tool_name

_ITS_OWN = ("context_length", "refused")

T = TypeVar("T", bound="AgentTool")

TASK = "task"
"""Name of the tool by which a model gives tasks to agents."""


@dataclass(frozen=True, eq=False)
class AgentTool(Tool):
    """A tool that is an agent, or several of which the model chooses one.

    The agent runs as part of the caller's run, with a conversation of its own that begins with the task. What it asks people is
    asked on the caller's thread; what it uses counts for the caller's budget. Where it fails because of that conversation - it grew too
    long, its model refused, or gave no answer of its response format - the caller's model is told; other failures, such as that of a
    provider, are those of the run. If both have files in their state (`StateBackend`), they are the same: it begins with the caller's,
    and what it writes is written to the caller's when it is done.

    Attributes:
        agents: The agents, by the name that the model chooses.
        asked: The argument that has the task.
    """

    agents: Mapping[str, CompiledGraph] = field(default_factory=dict)
    asked: str = "task"

    def waits(self, args: Mapping[str, Any]) -> bool:
        """See `Tool.waits`. Agents work side by side."""
        return False

    async def run(
        self, args: Mapping[str, Any], state: Mapping[str, Any], ctx: Context, call_id: str = ""
    ) -> ToolOutput:
        """Let the agent work.

        Args:
            args: The checked arguments.
            state: The caller's state.
            ctx: The caller's context.
            call_id: Id of the model's call.
        """
        agent = self.agents[str(args.get("subagent_type") or next(iter(self.agents)))]
        before: dict[str, str] = state.get(FILES) or {}
        shares = FILES in state and FILES in agent.schema.fields
        given = {FILES: before} if shares else {}
        asked = self.conversation(args, state)
        try:
            done = await ctx.call_graph(agent, {**given, "messages": asked})
        except (ModelError, StructuredOutputError) as error:
            if isinstance(error, ModelError) and error.kind not in _ITS_OWN:
                raise
            raise ToolError(f"{agent.name} could not do it: {error.message}", tool=self.name) from error
        after: dict[str, str] = done.get(FILES) or {} if shares else before
        written: dict[str, Any] = {path: text for path, text in after.items() if before.get(path) != text}
        written |= {path: None for path in before if path not in after}
        output = self.output(done, asked[-1], call_id)
        return replace(output, update={**(output.update or {}), FILES: written}) if written else output

    def conversation(self, args: Mapping[str, Any], state: Mapping[str, Any]) -> list[Message]:
        """What the agent begins with; the task is the last message.

        Args:
            args: The checked arguments.
            state: The caller's state.
        """
        return [Message.human(args[self.asked])]

    def output(self, done: Mapping[str, Any], task: Message, call_id: str) -> ToolOutput:
        """What the caller gets: the last answer.

        Args:
            done: The agent's final state.
            task: Its task.
            call_id: Id of the model's call.
        """
        return ToolOutput(last_answer(done))


def last_answer(done: Mapping[str, Any]) -> str:
    """What an agent answered, by its final state: its structured response as JSON, or the text of its last answer."""
    if done.get("structured_response") is not None:
        return json.dumps(to_wire(done["structured_response"], "structured response"), ensure_ascii=False)
    said = [message.content for message in done["messages"] if message.message_type == "ai"]
    return said[-1] if said else ""


def keep_both(answer: Any, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Give files another name in the answer to a call where another call of the turn changed them meanwhile, and tell the model.

    Args:
        answer: The update of a call that began with the files `before`.
        before: The files when the turn began.
        now: The files as the calls before it leave them.
    """
    written: dict[str, Any] = (answer.get(FILES) if isinstance(answer, dict) else None) or {}
    clashes = [path for path in written if now.get(path) not in (before.get(path), written[path])]
    if not clashes:
        return
    kept = dict(written)
    notes = []
    for path in clashes:
        text, other = kept.pop(path), _other_name(path, {*now, *kept})
        kept |= {} if text is None else {other: text}
        made = "it is still there" if text is None else f"what this one made of it is {other}"
        notes.append(f"{path} was changed by another call of this turn as well; {made}.")
    told, *more = answer["messages"]
    told = told.model_copy(update={"content": "\n\n".join([told.content, *notes])})
    answer.update({FILES: kept, "messages": [told, *more]})


def _other_name(path: str, taken: Collection[str]) -> str:
    folder, slash, name = path.rpartition("/")
    stem, dot, suffix = name.rpartition(".") if "." in name[1:] else (name, "", "")
    names = (f"{folder}{slash}{stem}-{number}{dot}{suffix}" for number in itertools.count(2))
    return next(other for other in names if other not in taken)


_STRICT = ConfigDict(extra="forbid")
_TASK: Any = Field(description="What is to be done, with all that the agent needs to know: it sees nothing else.")


class _Task(BaseModel):
    model_config = _STRICT

    task: str = _TASK


def agent_tool(agent: CompiledGraph, *, description: str, name: str | None = None) -> Tool:
    """Make an agent a tool of another one.

    Args:
        agent: The agent, or any graph whose state has ``messages``.
        description: What models are told about it.
        name: Name of the tool. Default: the agent's.

    Raises:
        GraphCompileError: Its state has no ``messages``.

    Example:
        >>> researcher = create_agent("openai:gpt-4o", [search], name="researcher")
        >>> writer = create_agent("openai:gpt-4o", [agent_tool(researcher, description="Finds facts.")], name="writer")
    """
    return make_agent_tool(AgentTool, name or agent.name, description, _Task, {agent.name: agent})


def task_tool(agents: Mapping[str, tuple[CompiledGraph, str]], *, name: str = TASK) -> Tool:
    """One tool by which a model gives tasks to several agents: ``task(description, subagent_type)``.

    Args:
        agents: By the name the model chooses: the agent, and what models are told about it.
        name: Name of the tool.

    Raises:
        GraphCompileError: There are none, or the state of one has no ``messages``.
    """
    if not agents:
        raise GraphCompileError(f"Tool {name} needs an agent.")
    kinds: Any = Literal[tuple(agents)]
    who = Field(description="Who is to do it.")
    arguments = create_model("Task", __config__=_STRICT, description=(str, _TASK), subagent_type=(kinds, who))
    listed = "\n".join(f"- {kind}: {description}" for kind, (_, description) in agents.items())
    text = f"Give a task to an agent, which works on it alone and answers once. Agents:\n{listed}"
    called = {kind: agent for kind, (agent, _) in agents.items()}
    return make_agent_tool(AgentTool, name, text, arguments, called, asked="description")


def make_agent_tool(
    kind: type[T],
    name: str,
    description: str,
    arguments: type[BaseModel],
    agents: Mapping[str, CompiledGraph],
    **more: Any,
) -> T:
    """A tool that lets agents work.

    Args:
        kind: Its class.
        name: Its name.
        description: What models are told about it.
        arguments: Its arguments.
        agents: The agents, by the name that the model chooses.
        more: Other attributes of the class.

    Raises:
        GraphCompileError: The name is none, or the state of an agent has no ``messages``.
    """
    check_tool_name(name)
    for agent in agents.values():
        _check(agent)
    return kind(
        name=name,
        description=description,
        fn=_by_context,
        arguments=ModelArguments(arguments),
        run_as="workflow",
        agents=agents,
        **more,
    )


def _by_context(**_: Any) -> None:
    raise GraphCompileError("An agent as a tool runs in a node of create_agent only.")


def _check(agent: CompiledGraph) -> None:
    if "messages" not in agent.schema.fields:
        raise GraphCompileError(f"Graph {agent.name} cannot be a tool: its state has no field 'messages'.")
