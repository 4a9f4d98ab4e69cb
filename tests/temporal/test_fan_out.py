"""Many nodes at once."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, TypedDict

from temporal_support import Serve, events

from oris_temporal import END, START, OrisClient, Send, StateGraph


class Log(TypedDict, total=False):
    log: Annotated[list[int], operator.add]


async def test_fifty_go_out_in_one_workflow_task_and_run_together(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    running = 0
    together = asyncio.Event()

    async def work(item: int) -> dict:
        nonlocal running
        running += 1
        if running == 50:
            together.set()
        await together.wait()
        return {"log": [item]}

    graph = StateGraph(Log).add_node("work", work).add_edge("work", END)
    graph.add_conditional_edges(START, lambda state: [Send("work", n) for n in range(50)], ["work"])
    async with serve(graph.compile(name="wide")):
        result = await client.run("wide", thread, {})
        history = await events(client, thread)
    assert result.values == {"log": list(range(50))}
    scheduled = [
        event.activity_task_scheduled_event_attributes
        for event in history
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    assert len(scheduled) == 50
    assert len({item.workflow_task_completed_event_id for item in scheduled}) == 1


async def test_the_order_of_updates_is_that_of_the_tasks_not_of_their_ends(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    ended: list[int] = []
    turns = [asyncio.Event() for _ in range(6)]
    turns[5].set()

    async def backwards(item: int) -> dict:
        await turns[item].wait()
        ended.append(item)
        if item:
            turns[item - 1].set()
        return {"log": [item]}

    graph = StateGraph(Log).add_node("backwards", backwards).add_edge("backwards", END)
    graph.add_conditional_edges(START, lambda state: [Send("backwards", n) for n in range(6)], ["backwards"])
    async with serve(graph.compile(name="backwards_graph")):
        result = await client.run("backwards_graph", thread, {})
    assert ended == [5, 4, 3, 2, 1, 0]
    assert result.values == {"log": [0, 1, 2, 3, 4, 5]}


async def test_more_than_the_server_takes_in_one_transaction(client: OrisClient, serve: Serve, thread: str) -> None:
    """40 tasks of 200 kB are 8 MB of input: twice what fits into one workflow task."""
    sizes: list[int] = []

    async def measure(item: dict) -> dict:
        sizes.append(len(item["text"]))
        return {"log": [item["number"]]}

    graph = StateGraph(Log).add_node("measure", measure).add_edge("measure", END)
    graph.add_conditional_edges(
        START, lambda state: [Send("measure", {"number": n, "text": "x" * 200_000}) for n in range(40)], ["measure"]
    )
    async with serve(graph.compile(name="heavy"), max_cached_workflows=10):
        result = await client.run("heavy", thread, {})
    assert result.values == {"log": list(range(40))}
    assert sizes == [200_000] * 40
