"""A small agent over tools, and a scripted model that makes given calls."""

from __future__ import annotations

import operator
from typing import Annotated, Any

from scripted_provider import ScriptedProvider

from oris_temporal import END, START, CompiledGraph, MessagesState, StateGraph, Tool, ToolCall
from oris_temporal.agents import ToolNode, llm_node
from oris_temporal.models import ModelReply, ModelRequest
from oris_temporal.models.providers import Emit


class State(MessagesState):
    notes: Annotated[list[str], operator.add]


def agent(*tools: Tool, name: str = "agent", **options: Any) -> CompiledGraph:
    def wants_tools(state: State) -> str:
        return "tools" if state["messages"][-1].tool_calls else END

    node = ToolNode(tools, **options)
    graph = StateGraph(State)
    graph.add_node("model", llm_node("scripted:one", tools=[item.spec for item in node.tools]))
    graph.add_node("tools", node).add_edge(START, "model").add_edge("tools", "model")
    return graph.add_conditional_edges("model", wants_tools, ["tools", END]).compile(name=name)


def asking(*calls: ToolCall | dict[str, Any]) -> ScriptedProvider:
    """A model that makes these calls, and then says what it was told."""

    async def script(request: ModelRequest, emit: Emit, call: int) -> ModelReply:
        told = [message.content for message in request.messages if message.message_type == "tool"]
        if told:
            return ModelReply(" | ".join(told), model="scripted-1")
        wires = [item.to_wire() if isinstance(item, ToolCall) else item for item in calls]
        return ModelReply("", wires, stop_reason="tool_calls", model="scripted-1")

    return ScriptedProvider(script)


def asking_in_turn(*calls: ToolCall) -> ScriptedProvider:
    """A model that makes one of these calls a turn, and then says what it was told."""

    async def script(request: ModelRequest, emit: Emit, call: int) -> ModelReply:
        told = [message.content for message in request.messages if message.message_type == "tool"]
        if len(told) == len(calls):
            return ModelReply(" | ".join(told), model="scripted-1")
        return ModelReply("", [calls[len(told)].to_wire()], stop_reason="tool_calls", model="scripted-1")

    return ScriptedProvider(script)


def last(values: dict[str, Any]) -> str:
    return str(values["messages"][-1]["content"])
