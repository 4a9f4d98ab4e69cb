"""Handoffs: agents that pass a conversation to each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, NotRequired

from typing_extensions import TypedDict

from oris_temporal.graph.builder import StateGraph
from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.control import END, START
from oris_temporal.graph.errors import GraphCompileError
from oris_temporal.graph.limits import Limits
from oris_temporal.graph.messages import Message, add_messages
from oris_temporal.store.base import Store
from oris_temporal.tools import Tool, ToolOutput, tool

from .limits import run_limits
from .middleware.base import Middleware


class ActiveAgent(TypedDict):
    """State field of agents that hand over.

    Attributes:
        active_agent: Who has the conversation; the next turn begins with it.
    """

    active_agent: NotRequired[str]


class HandoffState(ActiveAgent):
    """State of `create_handoffs`: the conversation, and who has it.

    Attributes:
        messages: The conversation; what an agent's middleware rewrites, such as personal data, is rewritten for all.
    """

    messages: Annotated[list[Message], add_messages]


class HandoffMiddleware(Middleware):
    """Gives an agent tools ``transfer_to_<name>``, by which it passes the conversation on.

    Args:
        to: Agents it may pass the conversation to, and when it should.
    """

    state_schema = ActiveAgent

    def __init__(self, to: Mapping[str, str]) -> None:
        self.to = dict(to)
        self.tools = [_transfer(name, description) for name, description in to.items()]


def _transfer(name: str, description: str) -> Tool:
    def transfer() -> ToolOutput:
        return ToolOutput(f"{name} has the conversation now.", update={"active_agent": name}, goto=["end"])

    return tool(
        name=f"transfer_to_{name}", description=f"Pass the conversation to {name}. {description}", run_as="workflow"
    )(transfer)


def create_handoffs(
    agents: Mapping[str, CompiledGraph],
    *,
    default: str,
    name: str = "handoffs",
    limits: Limits | Mapping[str, Any] | None = None,
    context_schema: type | None = None,
    store: Store | Callable[[], Store] | None = None,
) -> CompiledGraph:
    """Make a graph of agents that pass the conversation to each other. Who has it, has it in the next turn as well.

    Args:
        agents: The agents by name, each made with a `HandoffMiddleware` that names others of them.
        default: Who has the conversation first.
        name: Name of the graph.
        limits: What a run, its agents included, may use; at the limit it fails with `BudgetExceededError`. Default: 50 model calls.
        context_schema: Type of the context of its runs; see `StateGraph.compile`.
        store: What its threads, and its agents without a store of their own, share; see `StateGraph.compile`.

    Raises:
        GraphCompileError: `default`, or an agent that one passes to, is not among them.
    """
    if default not in agents:
        raise GraphCompileError(f"{name}: default={default!r} is none of the agents ({', '.join(agents)}).")
    graph = StateGraph(HandoffState)
    names = list(agents)

    def active(state: Any) -> str:
        return str(state.get("active_agent") or default)

    graph.add_conditional_edges(START, active, names)
    for agent_name, agent in agents.items():
        if "active_agent" not in agent.schema.fields and len(agents) > 1:
            raise GraphCompileError(f"{name}: agent {agent_name!r} can pass to nobody; give it a HandoffMiddleware.")
        for item in agent.tools:
            target = item.removeprefix("transfer_to_")
            if target != item and target not in agents:
                raise GraphCompileError(
                    f"{name}: agent {agent_name!r} passes to {target!r}, which is none of the agents."
                )
        graph.add_node(agent_name, agent)
        graph.add_conditional_edges(agent_name, _passed_on(agent_name, active), [*names, END])
    return graph.compile(
        name=name, limits=run_limits(limits), continues=True, context_schema=context_schema, store=store
    )


def _passed_on(name: str, active: Callable[[Any], str]) -> Callable[[Any], str]:
    def passed_on(state: Any) -> str:
        return END if active(state) == name else active(state)

    return passed_on
