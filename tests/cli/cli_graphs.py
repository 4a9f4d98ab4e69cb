"""Graphs for the command line's tests."""

from __future__ import annotations

import asyncio
import operator
from pathlib import Path
from typing import Annotated, TypedDict

from oris_temporal import (
    END,
    NO_RETRY,
    START,
    CompiledGraph,
    Context,
    Message,
    MessagesState,
    StateGraph,
    StreamWriter,
)


async def research(state: MessagesState, writer: StreamWriter) -> dict:
    writer("looking")
    return {"messages": [Message.ai("findings")]}


async def approve(state: MessagesState, ctx: Context) -> dict:
    answer = await ctx.interrupt({"question": "Publish?"}, timeout="24h", default={"ok": False})
    return {"messages": [Message.ai(f"answer={answer}")]}


async def boom(state: MessagesState) -> dict:
    raise ValueError("this node always fails")


class Trail(TypedDict):
    """What happened, and a directory in which the nodes and the test talk."""

    trail: Annotated[list[str], operator.add]
    directory: str


async def step(state: Trail) -> dict:
    return {"trail": ["step"]}


async def ask_left(state: Trail, ctx: Context) -> dict:
    return {"trail": [f"left={await ctx.interrupt('left?')}"]}


async def ask_right(state: Trail, ctx: Context) -> dict:
    return {"trail": [f"right={await ctx.interrupt('right?')}"]}


async def hold(state: Trail) -> dict:
    """Tell that it runs, then run until the test lets it go."""
    directory = Path(state["directory"])
    (directory / "running").touch()
    while not (directory / "go").exists():
        await asyncio.sleep(0.02)
    return {"trail": ["held"]}


def make_review() -> CompiledGraph:
    graph = StateGraph(MessagesState)
    graph.add_node("research", research).add_node("approve", approve)
    graph.add_edge(START, "research").add_edge("research", "approve").add_edge("approve", END)
    return graph.compile(name="review")


def make_failing() -> CompiledGraph:
    graph = StateGraph(MessagesState).add_node("boom", boom, retry=NO_RETRY)
    return graph.add_edge(START, "boom").add_edge("boom", END).compile(name="failing")


def make_pair() -> CompiledGraph:
    """Asks two people at the same time."""
    graph = StateGraph(Trail).add_node("left", ask_left).add_node("right", ask_right)
    graph.add_edge(START, "left").add_edge(START, "right").add_edge("left", END).add_edge("right", END)
    return graph.compile(name="pair")


def make_holding() -> CompiledGraph:
    graph = StateGraph(Trail).add_node("hold", hold).add_edge(START, "hold").add_edge("hold", END)
    return graph.compile(name="holding")


def make_steps(*names: str) -> CompiledGraph:
    """A chain of nodes; those called ``ask...`` ask a person, so that their runs stay open."""
    graph = StateGraph(Trail)
    for name in names:
        graph.add_node(name, ask_left if name.startswith("ask") else step)
    for source, target in zip((START, *names), (*names, END), strict=True):
        graph.add_edge(source, target)
    return graph.compile(name="steps")


def old_steps() -> CompiledGraph:
    return make_steps("first", "second", "third")


def renamed_steps() -> CompiledGraph:
    return make_steps("first", "replaced", "third")


def asking_steps() -> CompiledGraph:
    return make_steps("first", "ask_somebody", "third")


graphs = [make_review(), make_failing(), make_pair(), make_holding()]
