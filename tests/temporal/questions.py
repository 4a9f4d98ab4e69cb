"""Graphs that ask people."""

from __future__ import annotations

import operator
from typing import Annotated, TypedDict

from pydantic import BaseModel

from oris_temporal import END, START, CompiledGraph, Context, StateGraph, interrupt


class Answers(TypedDict):
    answers: Annotated[list[str], operator.add]


class Approval(BaseModel):
    ok: bool
    note: str = ""


async def left(state: Answers, ctx: Context) -> dict:
    return {"answers": [f"left={await ctx.interrupt('left?')}"]}


async def right(state: Answers, ctx: Context) -> dict:
    return {"answers": [f"right={await ctx.interrupt('right?')}"]}


async def remote(state: Answers) -> dict:
    """An activity: it runs again from its beginning with every answer."""
    return {"answers": [f"remote={await interrupt('remote?')}"]}


async def typed(state: Answers, ctx: Context) -> dict:
    approval = await ctx.interrupt("typed?", schema=Approval)
    return {"answers": [f"ok={approval.ok} note={approval.note}"]}


def asking(*nodes: str, name: str = "asking") -> CompiledGraph:
    """Asks everything at once."""
    graph = StateGraph(Answers)
    for node in nodes:
        graph.add_node(node, {"left": left, "right": right, "remote": remote, "typed": typed}[node])
        graph.add_edge(START, node).add_edge(node, END)
    return graph.compile(name=name)
