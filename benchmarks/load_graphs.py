"""The graphs that the facade is asked to run under load: little work, so that what is measured is the facade."""

from __future__ import annotations

from typing import TypedDict

from oris_temporal import END, START, CompiledGraph, Context, StateGraph


class Note(TypedDict, total=False):
    text: str
    answer: str


async def write(state: Note, ctx: Context) -> dict[str, str]:
    return {"text": f"{state.get('text', '')}!"}


async def ask(state: Note, ctx: Context) -> dict[str, str]:
    return {"answer": str(await ctx.interrupt("Publish?"))}


def _line(name: str, *nodes: object) -> CompiledGraph:
    graph, before = StateGraph(Note), START
    for node in nodes:
        graph.add_node(node)  # type: ignore[arg-type]
        graph.add_edge(before, node.__name__)  # type: ignore[attr-defined]
        before = node.__name__  # type: ignore[attr-defined]
    return graph.add_edge(before, END).compile(name=name)


def graphs() -> list[CompiledGraph]:
    return [_line("note", write), _line("question", write, ask)]
