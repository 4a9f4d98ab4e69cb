"""`create_agent`: a model that calls tools until it has an answer, as a graph."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from oris_temporal.graph.builder import StateGraph
from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.control import END, START
from oris_temporal.graph.errors import GraphCompileError
from oris_temporal.graph.limits import Limits
from oris_temporal.graph.state import StateSchema
from oris_temporal.models import ChatModel, init_chat_model
from oris_temporal.store.base import Store
from oris_temporal.tools import Tool, tool

from .activity_hooks import hook_tool
from .limits import run_limits
from .middleware.base import HOOKS, Middleware
from .middleware.human_in_the_loop import HumanInTheLoopMiddleware, InterruptOn, check_gates
from .state import agent_state
from .steps import AgentParts, Begin, CallModel, CallTools, Finish
from .structured import StructuredOutput, answers_natively
from .tool_node import last_calls


def create_agent(
    model: str | ChatModel,
    tools: Sequence[Tool | Callable[..., Any]] = (),
    *,
    name: str = "agent",
    system_prompt: str | None = None,
    middleware: Sequence[Middleware] = (),
    response_format: Any = None,
    interrupt_on: InterruptOn | None = None,
    limits: Limits | Mapping[str, Any] | None = None,
    context_schema: type | None = None,
    store: Store | Callable[[], Store] | None = None,
    **options: Any,
) -> CompiledGraph:
    """Make an agent: the model is called with the conversation, the tools it asks for are called, and so on until it answers.

    An agent is a graph like any other: run it in this process, give it to a worker, use it as a subgraph. Its state has
    ``messages``, with a response format ``structured_response``, and the fields of its middleware. A thread that runs again goes on
    with its conversation.

    Args:
        model: ``provider:model``, a model's name alone, or a `ChatModel`.
        tools: What it may call: tools, or functions to make tools of. Calls of one turn run side by side; their results are in the
            order of the calls.
        name: Name of the graph.
        system_prompt: Instructions, put before the conversation at each call; not part of the state.
        middleware: Hooks around what it does, in order. See `Middleware`.
        response_format: Type of the answer (Pydantic model, dataclass or TypedDict; for a union the model chooses), or a
            `ProviderStrategy` or `ToolStrategy`. The state's ``structured_response`` is its instance.
        interrupt_on: Tools that a person looks at before they are called: short for `HumanInTheLoopMiddleware`.
        limits: What a run may use; at the limit it fails with `BudgetExceededError`. Default: 50 model calls.
        context_schema: Type of the context that its tools have as ``runtime.context``; see `StateGraph.compile`.
        store: What its threads share, and its tools have as ``runtime.store``; see `StateGraph.compile`.
        options: Of the model, such as ``temperature``; see `ModelOptions`.

    Raises:
        ConfigurationError: The model's name or an option is wrong.
        GraphCompileError: A tool, a middleware or the response format cannot work, or `interrupt_on` names no tool of it.

    Example:
        >>> agent = create_agent("openai:gpt-4o-mini", [search], system_prompt="Be brief.", interrupt_on={"search": True})
        >>> result = await agent.invoke("What is new in Temporal?")
        >>> result.state["messages"][-1].content
    """
    chosen = init_chat_model(model, **options)
    hooks = list(middleware)
    if interrupt_on is not None:
        hooks.append(HumanInTheLoopMiddleware(interrupt_on))
    for item in hooks:
        if not isinstance(item, Middleware):
            raise GraphCompileError(f"Agent {name}: {item!r} is no Middleware.")
    output = None if response_format is None else StructuredOutput(response_format, answers_natively(chosen))
    callable_tools = [item if isinstance(item, Tool) else tool(item) for item in tools]
    callable_tools += [item for given in hooks for item in given.tools]
    for given in hooks:
        callable_tools = list(given.change_tools(callable_tools))
    if interrupt_on is not None:
        check_gates(f"Agent {name}", interrupt_on, [item.name for item in callable_tools])
    added = [item.state_schema for item in hooks if item.state_schema is not None]
    state = agent_state(name, added, None if output is None else output.type)
    graph = StateGraph(state)
    activity_hooks: dict[tuple[Middleware, str], Tool] = {}
    schema = StateSchema(state)
    for item in hooks:
        for hook in HOOKS:
            if getattr(getattr(item, hook), "runs_as_activity", False):
                if hook.startswith("wrap_"):
                    raise GraphCompileError(f"Agent {name}: {item.name}.{hook} cannot be an activity; state hooks can.")
                taken = [made.name for made in activity_hooks.values()]
                activity_hooks[item, hook] = hook_tool(item, hook, schema, taken)
    graph.add_tools(*activity_hooks.values())
    parts = AgentParts(name, chosen, system_prompt, callable_tools, hooks, output, schema, activity_hooks)
    ends = parts.having("after_agent")
    last = "finish" if ends else END
    graph.add_node("begin", Begin(parts)).add_node("model", CallModel(parts))
    graph.add_edge(START, "begin")
    targets: dict[Hashable, str] = {"model": "model", "end": last}
    if callable_tools:
        targets["tools"] = "tools"
        graph.add_node("tools", CallTools(parts))
        graph.add_conditional_edges("tools", _to_model, targets)
    graph.add_conditional_edges("begin", _to_model, targets)
    graph.add_conditional_edges("model", _after_model if callable_tools else _after_model_alone, targets)
    if ends:
        graph.add_node("finish", Finish(parts)).add_edge("finish", END)
    return graph.compile(
        name=name, limits=run_limits(limits), continues=True, context_schema=context_schema, store=store
    )


def _to_model(state: Mapping[str, Any]) -> str:
    return str(state.get("jump_to") or "model")


def _after_model(state: Mapping[str, Any]) -> str:
    if (jump := state.get("jump_to")) is not None:
        return str(jump)
    if state.get("structured_response") is not None:
        return "end"
    messages = state["messages"]
    if last_calls(messages):
        return "tools"
    return "end" if messages[-1].message_type == "ai" else "model"  # else it was sent back


def _after_model_alone(state: Mapping[str, Any]) -> str:
    chosen = _after_model(state)
    return "end" if chosen == "tools" else chosen
