"""Custom stream data of an activity reaches watchers while the activity runs, once, and in order."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import pytest
from temporal_support import Serve, event_counts

from oris_temporal import END, NO_RETRY, START, CompiledGraph, OrisClient, RetryPolicy, StateGraph, StreamWriter


class Log(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


def graph_of(node: Any, retry: RetryPolicy = NO_RETRY) -> CompiledGraph:
    graph = StateGraph(Log).add_node("work", work_of(node), retry=retry).add_edge(START, "work").add_edge("work", END)
    return graph.compile(name="working")


def work_of(node: Any) -> Any:
    async def work(state: Log, writer: StreamWriter) -> dict:
        await node(writer)
        return {"log": ["done"]}

    return work


@pytest.mark.parametrize("mode", ["custom", ["updates", "custom"]])
async def test_while_it_runs_and_not_again_when_it_ends(
    client: OrisClient, serve: Serve, thread: str, mode: str | list[str]
) -> None:
    gate = asyncio.Event()

    async def node(writer: StreamWriter) -> None:
        for number in range(5):
            writer(number)
        await gate.wait()
        for number in range(5, 8):
            writer(number)

    async with serve(graph_of(node), max_cached_workflows=10):
        await client.start("working", thread, {})
        got: list[Any] = []
        async for chunk in client.stream(thread, mode=mode):
            if chunk.mode == "custom":
                got.append(chunk.data)
            if got and got[-1] == 4:
                assert (await event_counts(client, thread))["ACTIVITY_TASK_COMPLETED"] == 0
                gate.set()
        assert got == list(range(8))
        again = [chunk.data async for chunk in client.stream(thread, mode="custom")]
        assert again == list(range(8))  # who comes later gets what was recorded


async def test_any_number_of_watchers_each_get_all(client: OrisClient, serve: Serve, thread: str) -> None:
    gate = asyncio.Event()

    async def node(writer: StreamWriter) -> None:
        writer("before")
        await gate.wait()
        writer("after")

    async with serve(graph_of(node), max_cached_workflows=10):
        await client.start("working", thread, {})
        waiting = 20

        async def watch() -> list[Any]:
            nonlocal waiting
            got = []
            async for chunk in client.stream(thread, mode="custom"):
                got.append(chunk.data)
                if chunk.data == "before":
                    waiting -= 1
                    if not waiting:
                        gate.set()
            return got

        assert await asyncio.gather(*(watch() for _ in range(20))) == [["before", "after"]] * 20
        assert (await event_counts(client, thread)).total() == 11


async def test_an_attempt_that_failed_shows_what_it_wrote_and_the_next_one_what_it_writes(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    attempts, gate = 0, asyncio.Event()

    async def node(writer: StreamWriter) -> None:
        nonlocal attempts
        attempts += 1
        writer(f"attempt {attempts}")
        if attempts == 1:
            await gate.wait()
            raise ConnectionError("once more")

    async with serve(graph_of(node, RetryPolicy(initial_interval=0.01)), max_cached_workflows=10):
        await client.start("working", thread, {})
        got = []
        async for chunk in client.stream(thread, mode="custom"):
            got.append(chunk.data)
            gate.set()
    assert got == ["attempt 1", "attempt 2"]


async def test_a_flood_of_large_pieces_harms_nobody(client: OrisClient, serve: Serve, thread: str) -> None:
    gate = asyncio.Event()

    async def node(writer: StreamWriter) -> None:
        for number in range(100):
            writer(f"{number} " + "x" * 15_000)
        await gate.wait()

    async with serve(graph_of(node), max_cached_workflows=10):
        await client.start("working", thread, {})
        got = []
        async for chunk in client.stream(thread, mode="custom"):
            got.append(int(chunk.data.split()[0]))
            gate.set()
        assert set(got) == set(range(100))
