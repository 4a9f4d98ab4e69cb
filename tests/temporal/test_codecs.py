"""Payload codecs: what enters history is encoded, and whatever people do works all the same."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, TypedDict

import pytest
from temporal_support import Serve, events, eventually
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec, default

from oris_temporal import END, START, Context, OrisClient, Send, StateGraph, StreamWriter, interrupt
from oris_temporal.devserver import DevServer
from oris_temporal.graph.errors import ConfigurationError

SECRET = "the storks come back in march"


class Cipher(PayloadCodec):
    """Stands for an encryption: it refuses whatever it did not encode itself."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload(metadata={"encoding": b"cipher"}, data=_mixed(item.SerializeToString())) for item in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        decoded: list[Payload] = []
        for item in payloads:
            assert item.metadata.get("encoding") == b"cipher", f"not encoded: {item}"
            decoded.append(Payload.FromString(_mixed(item.data)))
        return decoded


def _mixed(data: bytes) -> bytes:
    return bytes(byte ^ 0x5A for byte in data)


class Log(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


async def remote(state: Log, writer: StreamWriter) -> dict:
    writer({"progress": SECRET})
    return {"log": [f"{SECRET} {await interrupt(SECRET)}"]}


async def large(state: Log) -> dict:
    return {"log": [f"{SECRET} {len(state['log'])}" * 2_000]}


async def here(state: Log, ctx: Context) -> dict:
    return {"log": [str(await ctx.interrupt({"question": SECRET})), await ctx.wait_signal("news")]}


inner = StateGraph(Log).add_node("here", here).add_edge(START, "here").add_edge("here", END).compile(name="inner")

graph = (
    StateGraph(Log)
    .add_node("remote", remote)
    .add_node("large", large)
    .add_node("again", large)
    .add_subgraph("child", inner, run_as="child_workflow")
    .add_edge(START, "remote")
    .add_edge("remote", "large")
    .add_edge("large", "again")
    .add_conditional_edges("again", lambda state: [Send("child", {"log": [SECRET]})], ["child"])
    .add_edge("child", END)
    .compile(name="secretive")
)


@pytest.fixture
async def encoded(client: OrisClient, dev_server: DevServer) -> OrisClient:
    """Client with a codec."""
    temporal = await dev_server.connect(data_converter=replace(default(), payload_codec=Cipher()))
    return OrisClient(temporal, task_queue=client.task_queue)


@pytest.mark.no_replay  # with the codec's client, below
async def test_everything_works_through_a_strict_codec(encoded: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(graph, over=encoded) as worker:
        paused = await encoded.run("secretive", thread, {"log": [SECRET]}, continue_as_new_after=15)
        assert (paused.status, paused.interrupts[0].value) == ("interrupted", SECRET)
        info = await encoded.inspect(thread)
        assert (info.graph, info.status, info.values) == ("secretive", "interrupted", {"log": [SECRET]})

        async def listed() -> bool:
            threads = {item.thread_id for item in await encoded.list(status="interrupted")}
            return thread in threads and paused.interrupts[0].id in {item.id for item in await encoded.interrupts()}

        await eventually(listed)
        await encoded.update_state(thread, {"log": [SECRET]})
        paused = await encoded.resume(thread, SECRET)
        assert paused.interrupts[0].value == {"question": SECRET}
        await encoded.signal(thread, "news", SECRET)
        done = await encoded.resume(thread, SECRET)
        assert done.status == "completed"
        assert done.values["log"][-2:] == [SECRET, SECRET]
        assert (await encoded.checkpoint(thread)).values == done.values
        assert len(await encoded.history(thread)) >= 5
        assert [chunk.data async for chunk in encoded.stream(thread, mode="custom")][-1] == {"progress": SECRET}
        again = await encoded.replay(thread)
        assert again.interrupts[0].value == SECRET
        await encoded.cancel(thread)
        await worker.check_replay()
        for workflow_id, run_id in worker.runs:
            for event in await events(encoded, workflow_id, run_id):
                assert SECRET.encode() not in event.SerializeToString(), event


async def test_threads_of_another_codec_are_listed_and_cannot_be_read(
    client: OrisClient, encoded: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(graph, over=encoded):
        await encoded.run("secretive", thread, {"log": []})
    async with serve(graph):
        await client.run("secretive", f"{thread}-plain", {"log": []})

    async def listed() -> bool:
        wanted = {thread, f"{thread}-plain"}
        return all([wanted <= {item.thread_id for item in await each.list()} for each in (client, encoded)])

    await eventually(listed)
    with pytest.raises(ConfigurationError, match="codec"):
        await client.inspect(thread)
    with pytest.raises(ConfigurationError, match="codec"):
        await encoded.inspect(f"{thread}-plain")
