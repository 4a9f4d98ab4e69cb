"""Results larger than Temporal takes: on both hosts the run goes on, with a preview, and history stays small."""

from __future__ import annotations

import re
from pathlib import Path

from scripted_provider import ScriptedProvider
from temporal_support import Serve, events
from tool_agents import agent, asking, last

from oris_temporal import OrisClient, RetryPolicy, ToolCall
from oris_temporal.models import ModelReply, ModelRequest
from oris_temporal.models.providers import Emit
from oris_temporal.tools import ToolResultEviction, tool

TEXT = "".join(f"line {number}\n" for number in range(270_000))


@tool
async def dump() -> str:
    """Three megabytes."""
    assert len(TEXT) > 3_000_000
    return TEXT


def dumping_and_reading_on() -> ScriptedProvider:
    async def script(request: ModelRequest, emit: Emit, call: int) -> ModelReply:
        told = [message.content for message in request.messages if message.message_type == "tool"]
        if len(told) == 2:
            return ModelReply(told[1], model="scripted-1")
        asked = ToolCall("c1", "dump", {})
        if told:
            key = re.findall(r"result='(\w+)'", told[0])[0]
            asked = ToolCall("c2", "read_result", {"result": key, "find": "line 269999", "limit": 100})
        return ModelReply("", [asked.to_wire()], stop_reason="tool_calls", model="scripted-1")

    return ScriptedProvider(script)


async def test_three_megabytes_leave_a_small_history_and_can_be_read(
    client: OrisClient, serve: Serve, thread: str, tmp_path: Path
) -> None:
    dumping_and_reading_on()
    graph = agent(dump, evict=ToolResultEviction(tmp_path))
    here = await graph.invoke("hello")
    async with serve(graph):
        there = await client.run("agent", thread, "hello")
    assert here.status == there.status == "completed"
    assert last(here.values) == last(there.values)
    assert last(there.values).startswith("line 269999\n")
    assert sum(event.ByteSize() for event in await events(client, thread)) < 50_000


async def test_several_workers_that_share_the_directory(
    client: OrisClient, other: OrisClient, serve: Serve, thread: str, tmp_path: Path
) -> None:
    dumping_and_reading_on()
    graphs = [agent(dump, evict=ToolResultEviction(tmp_path)) for _ in range(2)]
    async with serve(graphs[0]), serve(graphs[1], over=other):
        done = await client.run("agent", thread, "hello")
    assert last(done.values).startswith("line 269999\n")


async def test_another_attempt_after_it_was_kept(client: OrisClient, serve: Serve, thread: str, tmp_path: Path) -> None:
    asking(ToolCall("c1", "dump", {}))
    lost = []

    class Losing(ToolResultEviction):
        async def apply(self, *args):  # type: ignore[no-untyped-def]
            output = await super().apply(*args)
            if not lost:
                lost.append(output)
                raise ConnectionError("the answer of the first attempt is lost")
            return output

    again = tool(name="dump", description="Again.", retry=RetryPolicy(initial_interval=0.01))(dump.fn)
    async with serve(agent(again, evict=Losing(tmp_path))):
        done = await client.run("agent", thread, "hello")
    assert last(done.values) == lost[0].content
    assert len(list((tmp_path / "large_results").iterdir())) == 1
