"""Custom stream data of an activity reaches watchers while the activity runs, once, and in order."""

from __future__ import annotations

import asyncio
import operator
from contextlib import aclosing
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


async def test_who_connects_again_goes_on_exactly_where_it_was(client: OrisClient, serve: Serve, thread: str) -> None:
    go_on, end = asyncio.Event(), asyncio.Event()

    async def node(writer: StreamWriter) -> None:
        for number in range(5):
            writer(number)
        await go_on.wait()
        for number in range(5, 8):
            writer(number)
        await end.wait()

    async with serve(graph_of(node), max_cached_workflows=10):
        await client.start("working", thread, {})
        got: list[Any] = []
        cursor = None
        while len(got) < 5:  # a connection for each piece
            async with aclosing(client.stream(thread, mode="custom", cursor=cursor)) as chunks:
                chunk = await anext(chunks)
                got.append(chunk.data)
                cursor = chunk.cursor
        go_on.set()
        async for chunk in client.stream(thread, mode="custom", cursor=cursor):
            got.append(chunk.data)
            if chunk.data == 7:
                end.set()
        assert got == list(range(8))


async def test_a_cursor_counts_what_can_no_longer_be_seen(client: OrisClient, serve: Serve, thread: str) -> None:
    flood, go_on, end = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def node(writer: StreamWriter) -> None:
        writer(0)
        await flood.wait()
        for number in range(1, 1000):
            writer(number)
        await go_on.wait()
        writer(1000)
        await end.wait()

    async with serve(graph_of(node), max_cached_workflows=10):
        await client.start("working", thread, {})
        async with aclosing(client.stream(thread, mode="custom")) as chunks:
            async for chunk in chunks:
                flood.set()
                if chunk.data == 999:
                    break
        go_on.set()
        later = []
        async for more in client.stream(thread, mode="custom", cursor=chunk.cursor):
            later.append(more.data)
            end.set()
        assert later == [1000]
