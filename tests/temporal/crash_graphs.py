"""Graphs for workers that are killed: what they do is noted in files of the directory ``ORIS_TEST_DIR``."""

from __future__ import annotations

import asyncio
import operator
import os
from pathlib import Path
from typing import Annotated, Any, TypedDict

from temporal_support import lines, note

from oris_temporal import END, NO_RETRY, START, CompiledGraph, Context, RetryPolicy, Send, StateGraph

SOON = RetryPolicy(initial_interval="100ms", backoff_coefficient=1)
OPTIONS: dict[str, Any] = {"heartbeat": "1s", "retry": SOON}


class Log(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


def directory() -> Path:
    return Path(os.environ["ORIS_TEST_DIR"])


async def until(name: str) -> None:
    """Wait for a file."""
    while not (directory() / name).exists():
        await asyncio.sleep(0.02)


def did(what: str) -> None:
    note(directory() / "done", what)


# --- one node after the other; the second waits --------------------------------------------------------------------


async def first(state: Log) -> dict:
    did("first")
    return {"log": ["first"]}


async def second(state: Log) -> dict:
    did("second-begins")
    await until("go")
    did("second")
    return {"log": ["second"]}


async def third(state: Log) -> dict:
    did("third")
    return {"log": ["third"]}


def sequence(name: str, *, fuse: bool = False, **options: Any) -> CompiledGraph:
    graph = StateGraph(Log).add_node("first", first, **{**OPTIONS, **options})
    graph.add_node("second", second, fuse=fuse, **{**OPTIONS, **options})
    graph.add_node("third", third, fuse=fuse, **{**OPTIONS, **options})
    graph.add_edge(START, "first").add_edge("first", "second").add_edge("second", "third").add_edge("third", END)
    return graph.compile(name=name)


steps = sequence("steps")
fused = sequence("fused", fuse=True)
once = sequence("once", retry=NO_RETRY)


# --- twenty at once; the upper half waits --------------------------------------------------------------------------


async def item(number: int) -> dict:
    did(f"begin-{number}")
    if number >= 10:
        await until("go")
    did(f"end-{number}")
    return {"log": [str(number)]}


fan = (
    StateGraph(Log)
    .add_node("item", item, **OPTIONS)
    .add_conditional_edges(START, lambda state: [Send("item", number) for number in range(20)], ["item"])
    .add_edge("item", END)
    .compile(name="fan")
)


# --- a node of the workflow that works, asks, and works ------------------------------------------------------------


async def work(what: str) -> str:
    did(what)
    return what


async def approve(state: Log, ctx: Context) -> dict:
    before = await ctx.activity(work, "before")
    answer = await ctx.interrupt("ok?")
    after = await ctx.activity(work, "after")
    return {"log": [before, answer, after]}


approval = (
    StateGraph(Log)
    .add_node("first", first, **OPTIONS)
    .add_node("approve", approve)
    .add_activity(work)
    .add_edge(START, "first")
    .add_edge("first", "approve")
    .add_edge("approve", END)
    .compile(name="approval")
)


# --- thirty items for two workers; each waits until both have begun ------------------------------------------------


async def shared_item(number: int) -> dict:
    did(str(os.getpid()))
    while len(set(lines(directory() / "done"))) < 2:
        await asyncio.sleep(0.02)
    return {"log": [str(number)]}


shared = (
    StateGraph(Log)
    .add_node("item", shared_item, **OPTIONS)
    .add_conditional_edges(START, lambda state: [Send("item", number) for number in range(30)], ["item"])
    .add_edge("item", END)
    .compile(name="shared")
)


# --- one graph, twice: as it was deployed, and as it is deployed next ----------------------------------------------


async def ask(state: Log, ctx: Context) -> dict:
    return {"log": [await ctx.interrupt("ok?")]}


def version(tail: str, *, before: bool = False) -> CompiledGraph:
    """`before` puts a node before the question, which runs that wait there cannot have passed."""

    async def finish(state: Log) -> dict:
        did(tail)
        return {"log": [tail]}

    graph = StateGraph(Log).add_node("first", first, **OPTIONS).add_node("ask", ask)
    graph.add_node("finish", finish, **OPTIONS).add_edge("ask", "finish").add_edge("finish", END)
    if before:
        graph.add_node("extra", third, **OPTIONS).add_edge(START, "extra").add_edge("extra", "first")
    else:
        graph.add_edge(START, "first")
    return graph.add_edge("first", "ask").compile(name="evolving")


def old() -> CompiledGraph:
    return version("old")


def new() -> CompiledGraph:
    """Another body of a node: runs of the old code go on."""
    return version("new")


def incompatible() -> CompiledGraph:
    """Another first node: runs of the old code do not replay."""
    return version("new", before=True)
