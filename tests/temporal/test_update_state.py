"""Editing the state of a run from outside."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, TypedDict

import pytest
from temporal_support import Serve, event_counts, eventually

from oris_temporal import END, START, CompiledGraph, Context, OrisClient, StateGraph
from oris_temporal.graph.errors import NotInterruptedError


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]
    topic: str


async def draft(state: State) -> dict:
    return {"log": [f"draft {state['topic']}"]}


async def review(state: State, ctx: Context) -> dict:
    return {"log": [f"review {await ctx.interrupt('ok?')}"]}


async def publish(state: State) -> dict:
    return {"log": [f"publish {state['topic']}"]}


def sequence(**nodes: object) -> CompiledGraph:
    graph = StateGraph(State)
    names = list(nodes)
    for name, fn in nodes.items():
        graph.add_node(name, fn)
    for one, other in zip([START, *names], [*names, END], strict=True):
        graph.add_edge(one, other)
    return graph.compile(name="sequence")


async def test_while_it_waits_the_state_changes_at_once_and_the_question_stays(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(sequence(draft=draft, review=review, publish=publish)):
        paused = await client.run("sequence", thread, {"topic": "storks"})
        checkpoint = await client.update_state(thread, {"topic": "cranes", "log": ["edited"]})
        info = await client.inspect(thread)
        assert info.values == {"topic": "cranes", "log": ["draft storks", "edited"]}
        assert info.checkpoint_id == checkpoint > paused.checkpoint_id
        assert [item.id for item in info.interrupts] == [paused.interrupts[0].id]

        done = await client.resume(thread, "yes")
        assert done.values["log"] == ["draft storks", "edited", "review yes", "publish cranes"]
        sources = [snapshot.metadata["source"] for snapshot in await client.history(thread)]
        assert sources == ["input", "loop", "update", "loop", "loop"]


async def test_while_a_node_runs_the_change_waits_for_the_end_of_the_step(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def slow(state: State) -> dict:
        started.set()
        await go_on.wait()
        return {"log": [f"slow {state['topic']}"]}

    async with serve(sequence(slow=slow, publish=publish)):
        await client.start("sequence", thread, {"topic": "storks"})
        await started.wait()
        editing = asyncio.ensure_future(client.update_state(thread, {"topic": "cranes"}))

        async def accepted() -> bool:
            return (await event_counts(client, thread))["WORKFLOW_EXECUTION_UPDATE_ACCEPTED"] == 1

        await eventually(accepted)
        assert not editing.done()
        go_on.set()
        await editing
        done = await client.result(thread)
    assert done.values == {"topic": "cranes", "log": ["slow storks", "publish cranes"]}


async def test_as_if_a_node_had_written_it_the_run_goes_on_after_that_node_when_told_to(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(sequence(draft=draft, review=review, publish=publish)):
        await client.run("sequence", thread, {"topic": "storks"})
        await client.update_state(thread, {"log": ["approved by mail"]}, as_node="review")
        held = await client.inspect(thread)
        assert (held.status, held.next) == ("interrupted", ["publish"])
        assert [(item.kind, item.node) for item in held.interrupts] == [("before", "publish")]
        done = await client.resume(thread)
    assert done.values["log"] == ["draft storks", "approved by mail", "publish storks"]


async def test_as_if_a_node_had_written_it_while_it_runs(client: OrisClient, serve: Serve, thread: str) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def slow(state: State) -> dict:
        started.set()
        await go_on.wait()
        return {"log": ["slow"]}

    async with serve(sequence(slow=slow, draft=draft, publish=publish)):
        await client.start("sequence", thread, {"topic": "storks"})
        await started.wait()
        editing = asyncio.ensure_future(client.update_state(thread, {"log": ["by hand"]}, as_node="draft"))

        async def accepted() -> bool:
            return (await event_counts(client, thread))["WORKFLOW_EXECUTION_UPDATE_ACCEPTED"] == 1

        await eventually(accepted)
        go_on.set()
        await editing
        held = await client.result(thread)
        assert (held.status, held.next) == ("interrupted", ["publish"])
        done = await client.resume(thread)
    assert done.values["log"] == ["slow", "by hand", "publish storks"]


async def test_an_answer_may_bring_an_update_and_another_way(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(sequence(draft=draft, review=review, publish=publish)):
        await client.run("sequence", thread, {"topic": "storks"})
        again = await client.resume(thread, update={"topic": "cranes"}, goto="draft")
        assert again.values == {"topic": "cranes", "log": ["draft storks", "draft cranes"]}
        assert [item.value for item in again.interrupts] == ["ok?"]
        done = await client.resume(thread, "yes", update={"topic": "herons"})
    assert done.values["log"][-2:] == ["review yes", "publish herons"]


async def test_a_run_that_is_over_is_forked_instead(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(sequence(draft=draft, publish=publish)):
        await client.run("sequence", thread, {"topic": "storks"})
        with pytest.raises(NotInterruptedError, match="fork"):
            await client.update_state(thread, {"topic": "cranes"})
