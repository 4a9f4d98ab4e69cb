"""Watching a run: every mode, from any point, by any number of watchers, at no cost to the run."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import pytest
from review_graph import review
from temporal_support import Serve, event_names

from oris_temporal import END, START, CompiledGraph, Context, OrisClient, StateGraph, StreamChunk
from oris_temporal.graph.errors import StreamModeError


class Log(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


async def fetch(state: Log, writer: Any) -> dict:
    for part in ("one", "two"):
        writer({"part": part})
    return {"log": ["fetch"]}


async def think(state: Log, ctx: Context) -> dict:
    ctx.write({"thought": 1})
    return {"log": ["think"]}


async def ask(state: Log, ctx: Context) -> dict:
    return {"log": [f"ask {await ctx.interrupt('ok?')}"]}


def sequence(**nodes: Any) -> CompiledGraph:
    graph = StateGraph(Log)
    for name, fn in nodes.items():
        graph.add_node(name, fn)
    for one, other in zip([START, *nodes], [*nodes, END], strict=True):
        graph.add_edge(one, other)
    return graph.compile(name="sequence")


async def collect(client: OrisClient, thread: str, **options: Any) -> list[StreamChunk]:
    return [chunk async for chunk in client.stream(thread, **options)]


async def test_each_mode_shows_its_part(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(sequence(fetch=fetch, think=think)):
        await client.run("sequence", thread, {})
        assert [chunk.data for chunk in await collect(client, thread)] == [
            {"fetch": {"log": ["fetch"]}},
            {"think": {"log": ["think"]}},
        ]
        assert [chunk.data for chunk in await collect(client, thread, mode="custom")] == [
            {"part": "one"},
            {"part": "two"},
            {"thought": 1},
        ]
        values = [chunk.data for chunk in await collect(client, thread, mode="values")]
        assert values == [{"log": []}, {"log": ["fetch"]}, {"log": ["fetch", "think"]}]  # one per superstep, none twice
        kinds = [chunk.data["event_type"] for chunk in await collect(client, thread, mode="debug")]
        assert (kinds[0], kinds[-1]) == ("run_started", "run_completed")
        both = await collect(client, thread, mode=["updates", "values"])
        assert [chunk.mode for chunk in both] == ["values", "updates", "values", "updates", "values"]


async def test_messages_are_streamed_with_the_node_that_wrote_them(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(review):
        await client.run("review", thread, "storks")
        [(message, metadata)] = [chunk.data for chunk in await collect(client, thread, mode="messages")]
    assert message["content"] == "findings about storks"
    assert metadata["graph_node"] == "research"


async def test_a_watcher_sees_what_happens_as_it_happens(client: OrisClient, serve: Serve, thread: str) -> None:
    go_on = asyncio.Event()

    async def gated(state: Log) -> dict:
        await go_on.wait()
        return {"log": ["gated"]}

    async with serve(sequence(fetch=fetch, gated=gated)):
        await client.start("sequence", thread, {})
        stream = client.stream(thread)
        first = await anext(stream)
        assert first.data == {"fetch": {"log": ["fetch"]}}  # while the second node still runs
        go_on.set()
        assert [chunk.data async for chunk in stream] == [{"gated": {"log": ["gated"]}}]


async def test_a_stream_goes_on_after_a_cursor(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(sequence(fetch=fetch, think=think, ask=ask)):
        await client.run("sequence", thread, {})
        modes = ["values", "updates", "custom", "debug"]
        whole = await collect(client, thread, mode=modes)
        for index, chunk in enumerate(whole):
            rest = await collect(client, thread, mode=modes, cursor=chunk.cursor)
            assert rest == whole[index + 1 :]
        await client.resume(thread, "yes")


async def test_a_stream_ends_at_a_pause_and_another_one_shows_the_resumed_run(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(sequence(fetch=fetch, ask=ask, think=think)):
        await client.run("sequence", thread, {})
        before = await collect(client, thread)
        assert before[-1].data == {"__interrupt__": [{"id": f"int-{thread}-0", "value": "ok?"}]}
        await client.resume(thread, "yes")
        after = await collect(client, thread, cursor=before[-1].cursor)
        assert [chunk.data for chunk in after] == [{"ask": {"log": ["ask yes"]}}, {"think": {"log": ["think"]}}]


async def test_a_watcher_may_follow_through_pauses_to_the_end(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(sequence(fetch=fetch, ask=ask)):
        await client.run("sequence", thread, {})
        seen: list[Any] = []
        paused = asyncio.Event()

        async def watch() -> None:
            async for chunk in client.stream(thread, follow=True):
                seen.append(chunk.data)
                if "__interrupt__" in chunk.data:
                    paused.set()

        watching = asyncio.ensure_future(watch())
        await paused.wait()
        await client.resume(thread, "yes")
        await watching
    assert [next(iter(data)) for data in seen] == ["fetch", "__interrupt__", "ask"]


async def test_the_next_run_of_a_thread_has_a_stream_of_its_own(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(sequence(fetch=fetch)):
        await client.run("sequence", thread, {})
        [first] = await collect(client, thread)
        await client.run("sequence", thread, {})
        [second] = await collect(client, thread)
        assert (first.cursor.split("-")[0], second.cursor.split("-")[0]) == ("1", "2")
        assert await collect(client, thread, cursor=first.cursor) == [second]  # a cursor of an earlier run starts over


async def test_what_happens_in_a_subgraph_is_shown_on_request(client: OrisClient, serve: Serve, thread: str) -> None:
    inner = StateGraph(Log).add_node("think", think).add_edge(START, "think").add_edge("think", END)
    outer = StateGraph(Log).add_subgraph("inner", inner.compile(name="inner")).add_edge(START, "inner")
    async with serve(outer.add_edge("inner", END).compile(name="outer")):
        await client.run("outer", thread, {})
        assert [chunk.data for chunk in await collect(client, thread)] == [{"inner": {"log": ["think"]}}]
        both = await collect(client, thread, subgraphs=True)
        assert [next(iter(chunk.data)) for chunk in both] == ["think", "inner"]
        assert both[0].namespace.startswith("inner:")
        assert both[1].namespace == ""


async def test_a_hundred_watchers_leave_no_trace_in_the_history(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(sequence(fetch=fetch, ask=ask, think=think), max_cached_workflows=100):
        await client.run("sequence", thread, {})
        before = await event_names(client, thread)
        seen_by = 0
        all_watch = asyncio.Event()

        async def watch() -> list[str]:
            nonlocal seen_by
            found: list[str] = []
            async for chunk in client.stream(thread, follow=True):
                found.append(next(iter(chunk.data)))
                if found[-1] == "__interrupt__":
                    seen_by += 1
                    if seen_by == 100:
                        all_watch.set()
            return found

        watching = [asyncio.ensure_future(watch()) for _ in range(100)]
        await all_watch.wait()
        assert await event_names(client, thread) == before
        await client.resume(thread, "yes")
        for found in await asyncio.gather(*watching):
            assert found == ["fetch", "__interrupt__", "ask", "think"]
        watched = await event_names(client, thread)

        alone = f"{thread}-alone"
        await client.run("sequence", alone, {})
        await client.resume(alone, "yes")
        assert watched == await event_names(client, alone)


async def test_a_failed_run_ends_its_stream_with_what_went_wrong(client: OrisClient, serve: Serve, thread: str) -> None:
    async def bad(state: Log) -> None:
        raise ValueError("bad")

    async with serve(sequence(fetch=fetch, bad=bad)):
        await client.run("sequence", thread, {})
        last = (await collect(client, thread, mode="debug"))[-1]
    assert last.data["event_type"] == "run_failed"
    assert last.data["code"] == "node"


@pytest.mark.parametrize("options", [{"mode": "everything"}, {"cursor": "yesterday"}])
async def test_a_mode_or_cursor_that_does_not_exist(
    client: OrisClient, serve: Serve, thread: str, options: dict[str, str]
) -> None:
    async with serve(sequence(fetch=fetch)):
        await client.run("sequence", thread, {})
        with pytest.raises(StreamModeError):
            await collect(client, thread, **options)
