"""Edits of a state beside tasks that have finished, wait or run, on every host of ours."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from cases import says
from hosts import OrisHost
from states import Log

from oris_temporal import END, START, Command, CompiledGraph, Context, RunnableConfig, StateGraph
from oris_temporal.graph.errors import OrisError


@pytest.fixture
def thread(host: OrisHost) -> str:
    return f"{host.name}-{uuid4().hex[:12]}"


@dataclass
class Gate:
    """Where a node waits for its test."""

    entered: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)


gates: dict[str, Gate] = {}


async def held(state: Log, config: RunnableConfig) -> dict[str, Any]:
    gate = gates[config["configurable"]["thread_id"]]
    gate.entered.set()
    await gate.opened.wait()
    return {"log": ["held"]}


async def ask(state: Log, ctx: Context) -> dict[str, Any]:
    return {"log": [str(await ctx.interrupt("ok?"))]}


def joined(name: str) -> CompiledGraph:
    """``done`` finishes, ``ask`` waits for a person; then both are joined."""
    graph = StateGraph(Log).add_node("done", says("done")).add_node("ask", ask).add_node("join", says("join"))
    graph.add_edge(START, "done").add_edge(START, "ask")
    graph.add_edge(["done", "ask"], "join").add_edge("join", END)
    return graph.compile(name=name)


class TestAsANodeThatWaits:
    async def test_what_its_sibling_wrote_is_kept_and_their_join_comes_next(self, host: OrisHost, thread: str) -> None:
        graph = joined("edit_join")
        await host.start(graph, {"log": []}, thread)

        await host.update_state(graph, thread, {"log": ["by hand"]}, as_node="ask")

        snapshot = await host.state(graph, thread)
        assert (snapshot.values, snapshot.next) == ({"log": ["done", "by hand"]}, ["join"])
        assert [item.kind for item in snapshot.interrupts] == ["before"]  # the question is withdrawn
        done = await host.proceed(graph, thread)
        assert (done.status, done.values) == ("completed", {"log": ["done", "by hand", "join"]})


class TestAsANodeThatHasFinished:
    async def test_a_join_that_waits_for_another_node_refuses_it(self, host: OrisHost, thread: str) -> None:
        graph = joined("edit_incomplete_join")
        await host.start(graph, {"log": []}, thread)

        with pytest.raises(OrisError, match="join waits for ask as well"):
            await host.update_state(graph, thread, {"log": ["by hand"]}, as_node="done")

        assert (await host.state(graph, thread)).values == {"log": []}
        assert (await host.resume(graph, thread, "yes")).values == {"log": ["done", "yes", "join"]}


class TestGoingElsewhere:
    async def test_what_a_sibling_wrote_is_kept(self, host: OrisHost, thread: str) -> None:
        graph = joined("goto_join")
        await host.start(graph, {"log": []}, thread)

        done = await host.command(graph, thread, Command(update={"log": ["by hand"]}, goto="join"))

        assert (done.status, done.values) == ("completed", {"log": ["done", "by hand", "join"]})


class TestBesideANodeThatRuns:
    async def test_the_edit_is_made_when_it_has_finished_and_the_run_goes_on(self, host: OrisHost, thread: str) -> None:
        """The node goes on when the edit has been asked for: its update comes first, then the edit."""
        gates[thread] = gate = Gate()
        graph = StateGraph(Log).add_node("held", held).add_node("after", says("after"))
        graph.add_edge(START, "held").add_edge("held", "after").add_edge("after", END)
        compiled = graph.compile(name="edit_beside_running")
        running = asyncio.create_task(host.start(compiled, {"log": []}, thread))
        await gate.entered.wait()

        editing = asyncio.create_task(host.update_state(compiled, thread, {"log": ["edited"]}))
        await asyncio.wait([editing], timeout=1)
        assert not editing.done()
        gate.opened.set()
        await editing

        assert (await running).values == {"log": ["held", "edited", "after"]}
