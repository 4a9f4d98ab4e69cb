"""`create_deep_agent`: an agent for long work, with a plan, files, helpers and memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.errors import GraphCompileError
from oris_temporal.graph.limits import Limits
from oris_temporal.models import ChatModel, init_chat_model
from oris_temporal.store.base import Store
from oris_temporal.tools import StateBackend, Tool, ToolResultEviction, tool
from oris_temporal.tools.files import FileBackend, open_files

from .create_agent import create_agent
from .limits import run_limits
from .middleware.base import Middleware
from .middleware.files import FilesMiddleware
from .middleware.human_in_the_loop import HumanInTheLoopMiddleware, InterruptOn, check_gates
from .middleware.memory import MemoryMiddleware
from .middleware.skills import SkillsMiddleware
from .middleware.summarization import SummarizationMiddleware
from .middleware.todo_list import TodoListMiddleware
from .middleware.tool_result_eviction import ToolResultEvictionMiddleware
from .subagents import TASK, task_tool

GENERAL_PURPOSE = "general-purpose"
"""The subagent that is always there: the agent itself, without subagents of its own."""

MAX_TURNS = 200
"""Model calls of a run, those of its subagents included, if no limits are given."""


KEPT_MESSAGES = 6
"""Latest messages that are not summed up."""


@dataclass(frozen=True, kw_only=True)
class SubAgent:
    """A helper of a deep agent. It has a list of things to do of its own, and the agent's files.

    Attributes:
        description: What the agent is told about it.
        system_prompt: Its instructions.
        tools: What it may call besides. Default: what the agent may call besides.
        model: Its model. Default: the agent's.
        middleware: Hooks around what it does; the agent's are not its.
        interrupt_on: Tools that a person looks at. Default: as for the agent; ``{}`` is none.
        response_format: Type of its answer; the agent reads it as JSON.
    """

    description: str
    system_prompt: str | None = None
    tools: Sequence[Tool | Callable[..., Any]] | None = None
    model: str | ChatModel | None = None
    middleware: Sequence[Middleware] = ()
    interrupt_on: InterruptOn | None = None
    response_format: Any = None


def create_deep_agent(
    model: str | ChatModel,
    tools: Sequence[Tool | Callable[..., Any]] = (),
    *,
    name: str = "deep_agent",
    system_prompt: str | None = None,
    subagents: Mapping[str, SubAgent | tuple[CompiledGraph, str]] | None = None,
    skills: str | Path | None = None,
    memory: Sequence[str] = (),
    backend: FileBackend | str | os.PathLike[str] | None = None,
    middleware: Sequence[Middleware] = (),
    response_format: Any = None,
    interrupt_on: InterruptOn | None = None,
    limits: Limits | Mapping[str, Any] | None = None,
    tool_descriptions: Mapping[str, str] | None = None,
    summarize_after: int | None = 150_000,
    context_schema: type | None = None,
    store: Store | Callable[[], Store] | None = None,
    **options: Any,
) -> CompiledGraph:
    """Make an agent for long work.

    It is an agent of `create_agent` that also has

    - a list of things to do (``write_todos``),
    - files (``ls``, ``read_file``, ``write_file``, ``edit_file``, ``glob``, ``grep``), where large results of tools are kept as well,
    - subagents that it gives tasks to (``task``): each has a conversation of its own, and the same files,
    - skills that it reads when it needs them, and memory files that it always has in mind,
    - a summary in place of the older part of its conversation when that has grown long, as each of its subagents has.

    Args:
        model: ``provider:model``, a model's name alone, or a `ChatModel`.
        tools: What it may call besides.
        name: Name of the graph.
        system_prompt: Instructions, put before those about what it has.
        subagents: By the name that the model chooses: a `SubAgent`, or any graph whose state has ``messages`` with what the model is told
            about it. There always is one more, ``general-purpose``: the agent itself, without subagents, unless one of that name is given.
        skills: A directory of skills; see `SkillsMiddleware`.
        memory: Files of the backend that are part of the system prompt, such as ``["AGENTS.md"]``; see `MemoryMiddleware`.
        backend: Where the files are: a `FileBackend`, or a directory of the worker. Default: the state of the thread (`StateBackend`).
        middleware: Hooks around what it and its general-purpose subagent do, in order, inside those of the parts above.
        response_format: Type of the answer; see `create_agent`.
        interrupt_on: Tools that a person looks at before they are called, also by subagents; see `create_agent`.
        limits: What a run, its subagents included, may use. Default: 200 model calls.
        tool_descriptions: What models are told about tools, by name, in place of their own descriptions; also those of subagents.
        summarize_after: Most tokens of a conversation, estimated from the text, before its older part is summed up; see
            `SummarizationMiddleware`. ``None`` leaves it as it is.
        context_schema: Type of the context that its tools have as ``runtime.context``; see `StateGraph.compile`.
        store: What its threads share, and `StoreBackend` keeps files in; see `StateGraph.compile`.
        options: Of the model, such as ``temperature``; see `ModelOptions`.

    Raises:
        ConfigurationError: The model's name or an option is wrong.
        GraphCompileError: A tool, a middleware, a subagent, a skill or the response format cannot work.

    Example:
        >>> agent = create_deep_agent(
        ...     "anthropic:claude-sonnet-4-5",
        ...     [web_fetch(["*.wikipedia.org"])],
        ...     subagents={"critic": SubAgent(description="Finds mistakes.", system_prompt="You are strict.", tools=[])},
        ...     backend=CompositeBackend(StateBackend(), {"memories/": StoreBackend()}),
        ...     memory=["memories/AGENTS.md"],
        ...     store=lambda: SQLiteStore("memory.db"),
        ... )
    """
    called = [item if isinstance(item, Tool) else tool(item) for item in tools]
    files = StateBackend() if backend is None else open_files(backend)
    shared: list[Middleware] = [
        TodoListMiddleware(),
        FilesMiddleware(files),
        ToolResultEvictionMiddleware(ToolResultEviction(files)),
    ]
    remembering = [MemoryMiddleware(files, memory)] if memory else []
    skilled = [SkillsMiddleware(skills)] if skills is not None else []
    own: list[Middleware] = [*remembering, *shared, *skilled, *middleware]
    last: list[Middleware] = [_Described(tool_descriptions or {})]
    if interrupt_on is not None:
        last.append(HumanInTheLoopMiddleware(interrupt_on))
    chosen = init_chat_model(model, **options)

    def summing_up(model: ChatModel) -> list[Middleware]:
        if summarize_after is None:
            return []
        return [SummarizationMiddleware(model, max_messages=None, max_tokens=summarize_after, keep=KEPT_MESSAGES)]

    def helper(kind: str, given: SubAgent, hooks: Sequence[Middleware]) -> tuple[CompiledGraph, str]:
        its = chosen if given.model is None else init_chat_model(given.model)
        agent = create_agent(
            its,
            called if given.tools is None else given.tools,
            name=f"{name}-{kind}",
            system_prompt=given.system_prompt,
            middleware=[*summing_up(its), *hooks, *(last if given.interrupt_on is None else last[:1])],
            response_format=given.response_format,
            interrupt_on=given.interrupt_on,
            context_schema=context_schema,
        )
        return agent, given.description

    general = SubAgent(
        description="As able as you are. For a piece of work of many steps of which only the outcome matters.",
        system_prompt=system_prompt,
    )
    helpers = {GENERAL_PURPOSE: helper(GENERAL_PURPOSE, general, own)}
    for kind, given in (subagents or {}).items():
        made = helper(kind, given, [*shared, *given.middleware]) if isinstance(given, SubAgent) else given
        helpers[kind] = made
    agent = create_agent(
        chosen,
        [*called, task_tool(helpers)],
        name=name,
        system_prompt=system_prompt,
        middleware=[*summing_up(chosen), *own, *last],
        response_format=response_format,
        limits=run_limits(limits, MAX_TURNS),
        context_schema=context_schema,
        store=store,
    )
    its = {item for graph in (agent, *(helper for helper, _ in helpers.values())) for item in graph.tools}
    named = sorted({TASK, *its})
    if unknown := [item for item in tool_descriptions or {} if item not in named]:
        raise GraphCompileError(
            f"Agent {name}: tool_descriptions[{unknown[0]!r}]: there is no such tool, only {', '.join(named)}."
        )
    if interrupt_on is not None:
        check_gates(f"Agent {name}", interrupt_on, named)
    return agent


class _Described(Middleware):
    """Gives tools other descriptions."""

    def __init__(self, descriptions: Mapping[str, str]) -> None:
        self._descriptions = descriptions

    def change_tools(self, tools: Sequence[Tool]) -> Sequence[Tool]:
        """See `Middleware.change_tools`."""
        texts = self._descriptions
        return [replace(item, description=texts[item.name]) if item.name in texts else item for item in tools]
