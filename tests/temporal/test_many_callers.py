"""Many who wait, ask and answer at once: they do not get in each other's way."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import pytest
from questions import asking
from temporal_support import Serve, event_counts, events, eventually

from oris_temporal import END, START, CompiledGraph, Context, OrisClient, RunResult, Send, StateGraph
from oris_temporal.graph.errors import InterruptConflictError, NotInterruptedError


class Log(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]


async def ask(item: int, ctx: Context) -> dict:
    return {"log": [await ctx.interrupt(item)]}


def wide(questions: int) -> CompiledGraph:
    return (
        StateGraph(Log)
        .add_node("ask", ask)
        .add_conditional_edges(START, lambda state: [Send("ask", number) for number in range(questions)], ["ask"])
        .add_edge("ask", END)
        .compile(name="wide")
    )


def gated(started: asyncio.Event, gate: asyncio.Event) -> CompiledGraph:
    async def work(state: Log) -> dict:
        started.set()
        await gate.wait()
        return {"log": ["worked"]}

    graph = StateGraph(Log).add_node("work", work).add_node("left", lambda state: {"log": ["after"]})
    return graph.add_edge(START, "work").add_edge("work", "left").add_edge("left", END).compile(name="gated")


async def test_thirty_answers_at_once_all_arrive(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(wide(30), max_cached_workflows=10):
        paused = await client.run("wide", thread, {})
        await asyncio.gather(
            *(client.resume(thread, f"answer {item.value}", interrupt_id=item.id) for item in paused.interrupts)
        )
        done = await client.result(thread)
    assert done.values == {"log": [f"answer {number}" for number in range(30)]}


async def test_more_questions_than_a_search_attribute_takes(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(wide(120)):
        paused = await client.run("wide", thread, {})
        assert (paused.status, len(paused.interrupts)) == ("interrupted", 120)
        done = await client.resume(thread, {item.id: item.value for item in paused.interrupts}, by_id=True)
    assert done.values == {"log": list(range(120))}


async def test_of_two_different_answers_one_counts_and_the_other_is_told(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(asking("left", "right")):
        paused = await client.run("asking", thread, {"answers": []})
        left, right = (item.id for item in paused.interrupts)
        results = await asyncio.gather(
            *(client.resume(thread, answer, interrupt_id=left) for answer in ("yes", "no", "yes", "no")),
            return_exceptions=True,
        )
        accepted = [result for result in results if isinstance(result, RunResult)]
        refused = [result for result in results if isinstance(result, InterruptConflictError)]
        assert (len(accepted), len(refused)) == (2, 2)
        done = await client.resume(thread, "?", interrupt_id=right)
    winner = "yes" if isinstance(results[0], RunResult) else "no"
    assert done.values == {"answers": [f"left={winner}", "right=?"]}


async def test_those_who_wait_leave_room_for_those_who_act(client: OrisClient, serve: Serve, thread: str) -> None:
    started, gate = asyncio.Event(), asyncio.Event()
    async with serve(gated(started, gate), max_cached_workflows=10):
        await client.start("gated", thread, {})
        await started.wait()
        waiting = [asyncio.ensure_future(client.result(thread)) for _ in range(25)]
        # All of them wait; Temporal takes ten updates at a time.
        edits = [asyncio.ensure_future(client.update_state(thread, {"log": [number]})) for number in range(5)]

        async def accepted() -> bool:
            names = [
                event.workflow_execution_update_accepted_event_attributes.accepted_request.input.name
                for event in await events(client, thread)
            ]
            return names.count("update_state") == 5

        await eventually(accepted, 10)
        gate.set()
        await asyncio.gather(*edits)
        results = await asyncio.gather(*waiting)
        counts = await event_counts(client, thread)
    assert {result.status for result in results} == {"completed"}
    assert sorted(item for item in results[0].values["log"] if isinstance(item, int)) == list(range(5))
    assert counts["WORKFLOW_EXECUTION_UPDATE_ACCEPTED"] <= 5 + 1  # waiting is not what updates are for


async def test_an_edit_that_comes_too_late_is_told_so(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(asking("left")):
        await client.run("asking", thread, {"answers": []})
        await client.resume(thread, "yes")
        with pytest.raises(NotInterruptedError):
            await client.update_state(thread, {"answers": ["late"]})
        with pytest.raises(NotInterruptedError):
            await client.signal(thread, "news")


async def test_those_who_replace_a_run_at_once_all_get_one(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(asking("left"), max_cached_workflows=10):
        await client.run("asking", thread, {"answers": []})
        replacing = (client.run("asking", thread, {"answers": []}, on_conflict="replace") for _ in range(8))
        results = await asyncio.gather(*replacing)
        assert {result.status for result in results} == {"interrupted"}
        assert (await client.inspect(thread)).run == 9
        asked = await client.interrupts(thread, all=True)
        assert sorted(int(item.id.rpartition("-")[2]) for item in asked) == list(range(len(asked)))
