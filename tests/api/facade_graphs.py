"""The graphs of the conformance cases (G-plain, G-int, G-eff) and of the facade's own tests."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter, defaultdict
from typing import Any, TypedDict

from oris_temporal.agents import create_agent, llm_node
from oris_temporal.graph.builder import StateGraph
from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.context import Context
from oris_temporal.graph.control import END, START
from oris_temporal.graph.interrupts import interrupt
from oris_temporal.graph.messages import Message, MessagesState, ToolCall
from oris_temporal.graph.node import StreamWriter
from oris_temporal.graph.options import RetryPolicy
from oris_temporal.models.fake import fake_model, slow
from oris_temporal.tools import tool

effects: Counter[str] = Counter()
"""How often the effect of G-eff happened, by the text of the run's first message."""


async def answer_ok(state: MessagesState) -> dict[str, Any]:
    return {"messages": [Message.ai("ok")]}


async def approve(state: MessagesState, ctx: Context) -> dict[str, Any]:
    answer = await ctx.interrupt("approve?")
    return {"messages": [Message.ai(f"approved={json.dumps(answer)}")]}


async def prepare(state: MessagesState) -> dict[str, Any]:
    return {}


async def effect(state: MessagesState) -> dict[str, Any]:
    effects[str(state["messages"][0].content)] += 1
    return {}


async def wait(state: MessagesState, ctx: Context) -> dict[str, Any]:
    await ctx.interrupt("confirm replay")
    return {}


async def fail(state: MessagesState) -> dict[str, Any]:
    raise ValueError("no tides today")


async def sleep(state: MessagesState, ctx: Context) -> dict[str, Any]:
    await ctx.sleep("1h")
    return {}


gates: defaultdict[str, threading.Event] = defaultdict(threading.Event)
"""What `at_gate` waits for, by the text of the run's first message."""


async def at_gate(state: MessagesState, writer: StreamWriter) -> dict[str, Any]:
    writer({"at": "gate"})
    await asyncio.to_thread(gates[str(state["messages"][0].content)].wait, 20)
    writer({"at": "end"})
    return {"messages": [Message.ai("through")]}


class Report(TypedDict, total=False):
    topic: str
    text: str


async def write(state: Report) -> dict[str, Any]:
    return {"text": f"all about {state['topic']}"}


async def ask_left(state: MessagesState, ctx: Context) -> dict[str, Any]:
    return {"messages": [Message.ai(f"left={json.dumps(await ctx.interrupt('left?'))}")]}


async def ask_right(state: MessagesState, ctx: Context) -> dict[str, Any]:
    return {"messages": [Message.ai(f"right={json.dumps(await ctx.interrupt('right?'))}")]}


async def ask_twice(state: MessagesState, ctx: Context) -> dict[str, Any]:
    first = await ctx.interrupt("first?")
    second = await ctx.interrupt("second?")
    return {"messages": [Message.ai(f"{first} and {second}")]}


def _chain(name: str, schema: type, *nodes: Any) -> CompiledGraph:
    graph = StateGraph(schema)
    before = START
    for node in nodes:
        graph.add_node(node.__name__, node)
        graph.add_edge(before, node.__name__)
        before = node.__name__
    graph.add_edge(before, END)
    return graph.compile(name=name)


def _both() -> CompiledGraph:
    graph = StateGraph(MessagesState)
    for node in (ask_left, ask_right):
        graph.add_node(node.__name__, node)
        graph.add_edge(START, node.__name__)
        graph.add_edge(node.__name__, END)
    return graph.compile(name="both")


async def ask_late(state: MessagesState) -> dict[str, Any]:
    """An activity: it asks when `ask_right`, which runs beside it in the workflow, has asked already."""
    return {"messages": [Message.ai(f"late={json.dumps(await interrupt('late?'))}")]}


def _out_of_turn() -> CompiledGraph:
    """Asks in another order than that of its tasks."""
    graph = StateGraph(MessagesState)
    for node in (ask_late, ask_right):
        graph.add_node(node.__name__, node)
        graph.add_edge(START, node.__name__)
        graph.add_edge(node.__name__, END)
    return graph.compile(name="out_of_turn")


STORY = "Once upon a time there was a heron who could count"


def _story(name: str, between: str) -> CompiledGraph:
    graph = StateGraph(MessagesState)
    graph.add_node("tell", llm_node(fake_model(slow(STORY, between=between))))
    return graph.add_edge(START, "tell").add_edge("tell", END).compile(name=name)


@tool
async def send(to: str) -> str:
    """Send a letter, if somebody agrees."""
    return f"{to}: {await interrupt(f'Send it to {to}?')}"


def _clerk() -> CompiledGraph:
    calls = [ToolCall(f"call-{name}", "send", {"to": name}) for name in ("ada", "bob")]
    return create_agent(fake_model(Message.ai("", calls), "Sent."), [send], name="clerk")


class Page(TypedDict, total=False):
    image: str
    text: str
    words: int


async def count_words(state: Page) -> dict[str, Any]:
    return {"words": len(state["text"].split())}


def _scan(name: str, node: str) -> CompiledGraph:
    """A page is read by HTTP workers."""
    graph = StateGraph(Page)
    graph.add_node(node, run_as="remote", reads=["image"], timeout="1m", retry=RetryPolicy(maximum_attempts=1))
    graph.add_node("count_words", count_words)
    graph.add_edge(START, node).add_edge(node, "count_words").add_edge("count_words", END)
    return graph.compile(name=name)


def all_graphs() -> list[CompiledGraph]:
    """The graphs by which a worker serves the tests."""
    return [
        _chain("plain", MessagesState, answer_ok),
        _chain("int", MessagesState, approve),
        _chain("eff", MessagesState, prepare, effect, wait),
        _chain("failing", MessagesState, fail),
        _chain("sleepy", MessagesState, sleep),
        _chain("report", Report, write),
        _chain("gated", MessagesState, answer_ok, at_gate),
        _chain("asked", MessagesState, approve, at_gate),
        _story("story", between="40ms"),
        _story("long-story", between="300ms"),
        _chain("twice", MessagesState, ask_twice),
        _both(),
        _out_of_turn(),
        _clerk(),
        _scan("scan", "ocr"),
        _scan("scan-example", "read_page"),
    ]
