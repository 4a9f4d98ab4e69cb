"""Routing: who is to answer is decided once, then one agent or several answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from oris_temporal.graph.builder import StateGraph
from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.context import Context
from oris_temporal.graph.control import END, START, Command, Send
from oris_temporal.graph.errors import GraphCompileError, StructuredOutputError
from oris_temporal.graph.limits import Limits
from oris_temporal.graph.messages import Message, MessagesState
from oris_temporal.models import ChatModel, init_chat_model
from oris_temporal.store.base import Store

from .limits import run_limits
from .middleware.words import beginning_of_word


def _gather(current: list[dict[str, str]], update: list[dict[str, str]] | None) -> list[dict[str, str]]:
    """Reduce by appending; ``None`` begins anew."""
    return [] if update is None else [*current, *update]


class RouterState(MessagesState):
    """State of `create_router`.

    Attributes:
        answers: What the agents answered in this turn, as ``{"agent", "answer"}``, in the order in which they were asked.
    """

    answers: Annotated[list[dict[str, str]], _gather]


class Route(BaseModel):
    """A question for an agent."""

    model_config = ConfigDict(extra="forbid")

    agent: str
    question: str = Field(description="What it is asked, with all that it needs to know.")


_CHOOSE = "Choose who is to answer the user, and what each is asked. Agents:\n{agents}"
_JOIN = "Answer the user by what these agents found. Do not mention them.\n\n{answers}"


def create_router(
    agents: Mapping[str, tuple[CompiledGraph, str]],
    *,
    model: str | ChatModel | None = None,
    keywords: Mapping[str, Sequence[str]] | None = None,
    default: str | None = None,
    parallel: bool = False,
    synthesizer: str | ChatModel | None = None,
    name: str = "router",
    limits: Limits | Mapping[str, Any] | None = None,
    context_schema: type | None = None,
    store: Store | Callable[[], Store] | None = None,
) -> CompiledGraph:
    """Make a graph that sends each question to the agent, or agents, that can answer it.

    With keywords, an agent is chosen if the question has one of its words, or a word that begins with it, in the order of the agents;
    the model is asked only if none has. An agent that the model chose gets the question that the model wrote for it, any other the whole
    conversation. A thread that runs again goes on with its conversation.

    Args:
        agents: By name: the agent, and what it is for.
        model: Model that chooses.
        keywords: For an agent, the words that choose it; any case.
        default: Who answers if nobody was chosen. Without one the run fails.
        parallel: Whether several may be chosen. They answer side by side.
        synthesizer: Model that makes one answer of several. Default: `model`; without any, the answers are put one below the other.
        name: Name of the graph.
        limits: What a run, its agents included, may use; at the limit it fails with `BudgetExceededError`. Default: 50 model calls.
        context_schema: Type of the context of its runs; see `StateGraph.compile`.
        store: What its threads, and its agents without a store of their own, share; see `StateGraph.compile`.

    Raises:
        GraphCompileError: There is nothing to choose by, or a name is none of the agents.
    """
    if model is None and not keywords:
        raise GraphCompileError(f"{name}: give a model or keywords to choose by.")
    if unknown := [item for item in (*(keywords or {}), *([default] if default else [])) if item not in agents]:
        raise GraphCompileError(f"{name}: {unknown[0]!r} is none of the agents ({', '.join(agents)}).")
    chooser = None if model is None else init_chat_model(model)
    joiner = chooser if synthesizer is None else init_chat_model(synthesizer)
    words = {agent: [beginning_of_word(word) for word in found] for agent, found in (keywords or {}).items()}
    listed = "\n".join(f"- {agent}: {what}" for agent, (_, what) in agents.items())
    plan = _plan(list(agents), parallel)

    async def route(state: RouterState, ctx: Context) -> Command:
        said: Sequence[Message] = state["messages"]
        chosen = [(agent, said) for agent in agents if _has(said[-1].content, words.get(agent, ()))]
        if not chosen and chooser is not None:
            chosen = [(item.agent, [Message.human(item.question)]) for item in await _choose(chooser, said, ctx)]
        if not chosen and default is not None:
            chosen = [(default, said)]
        if not chosen:
            raise StructuredOutputError(f"{name}: no agent was chosen for this question, and there is no default.")
        if not parallel:
            chosen = chosen[:1]
        asked = [Send(agent, {"messages": list(messages)}) for agent, messages in chosen]
        return Command(update={"answers": None}, goto=asked)

    async def _choose(chooser: ChatModel, messages: Sequence[Message], ctx: Context) -> list[Any]:
        asked = [Message.system(_CHOOSE.format(agents=listed)), *messages]
        try:
            answer = await ctx.llm(chooser, asked, response_format=plan, held=True)
        except StructuredOutputError:
            return []
        return list(plan.model_validate_json(answer.content).routes)  # type: ignore[attr-defined]

    async def join(state: RouterState, ctx: Context) -> dict[str, Any]:
        answers = state["answers"]
        text = "\n\n".join(item["answer"] for item in answers)
        if len(answers) > 1 and joiner is not None:
            found = "\n\n".join(f"{item['agent']}:\n{item['answer']}" for item in answers)
            asked = [Message.system(_JOIN.format(answers=found)), *state["messages"]]
            return {"messages": [await ctx.llm(joiner, asked)]}
        return {"messages": [Message.ai(text)]}

    graph = StateGraph(RouterState)
    graph.add_node("route", route).add_node("join", join)
    graph.add_edge(START, "route").add_edge("join", END)
    for agent, (compiled, _) in agents.items():
        graph.add_subgraph(agent, compiled, output=_answer(agent))
        graph.add_edge(agent, "join")
    return graph.compile(
        name=name, limits=run_limits(limits), continues=True, context_schema=context_schema, store=store
    )


def _answer(agent: str) -> Callable[[Any], dict[str, Any]]:
    def answer(state: Any) -> dict[str, Any]:
        said = [message.content for message in state["messages"] if message.message_type == "ai"]
        return {"answers": [{"agent": agent, "answer": said[-1] if said else ""}]}

    return answer


def _has(text: str, words: Sequence[re.Pattern[str]]) -> bool:
    return any(word.search(text) for word in words)


def _plan(agents: list[str], parallel: bool) -> type[BaseModel]:
    """What the choosing model answers."""
    kinds: Any = Literal[tuple(agents)]
    chosen = create_model("Route", __base__=Route, agent=(kinds, ...))
    most = len(agents) if parallel else 1
    return create_model("Plan", __config__=ConfigDict(extra="forbid"), routes=(list[chosen], Field(max_length=most)))
