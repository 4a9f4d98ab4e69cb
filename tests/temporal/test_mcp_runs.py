"""MCP servers behind graphs: real servers in processes of their own, called from both hosts."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest
from mcp_support import http_server, stdio
from temporal_support import Serve, events, eventually
from temporalio.api.enums.v1 import EventType
from tool_agents import agent, asking, asking_in_turn, last

from oris_temporal import OrisClient, RetryPolicy, ToolCall
from oris_temporal.tools import McpServer, Runtime, tool

SOON = RetryPolicy(maximum_attempts=5, initial_interval=0.01)

CALLS = [
    ToolCall("c1", "add", {"a": 1, "b": 2}),
    ToolCall("c2", "weather", {"city": "Bern"}),
    ToolCall("c3", "fail", {"why": "The library is closed."}),
    ToolCall("c4", "add", {"a": "one"}),
]


async def test_stdio_on_both_hosts(client: OrisClient, serve: Serve, thread: str, tmp_path: Path) -> None:
    asking(*CALLS)
    graph = agent(*await stdio(tmp_path).tools())
    here = await graph.invoke("hello")
    async with serve(graph):
        there = await client.run("agent", thread, "hello")
    assert here.values == there.values
    answers = {item["id"]: item for item in there.values["messages"] if item["message_type"] == "tool"}
    assert answers["c1"]["content"] == "3"
    assert json.loads(answers["c2"]["content"]) == {"city": "Bern", "degrees": 20}
    assert answers["c3"]["extra"]["is_error"] is True
    assert "The library is closed." in answers["c3"]["content"]
    assert "The arguments of tool add do not fit: " in answers["c4"]["content"]
    types = [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in await events(client, thread)
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    assert types == ["llm", "tool.add", "tool.weather", "tool.fail", "llm"]


async def test_http_on_both_hosts_without_the_secret_in_history(
    client: OrisClient, serve: Serve, thread: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "hunter2")
    asking(*CALLS)
    async with http_server(tmp_path, TOKEN="hunter2") as process:
        server = McpServer.http(process.url, headers={"Authorization": "Bearer env:MY_TOKEN"})
        graph = agent(*await server.tools())
        here = await graph.invoke("hello")
        async with serve(graph):
            there = await client.run("agent", thread, "hello")
    assert here.values == there.values
    assert not any("hunter2" in str(event) for event in await events(client, thread))


async def test_a_server_killed_between_calls_does_not_fail_the_run(
    client: OrisClient, serve: Serve, thread: str, tmp_path: Path
) -> None:
    @tool
    async def kill(runtime: Runtime) -> str:
        """Kill the server, of which the call before told the process id."""
        os.kill(json.loads(runtime.state["messages"][-2].content)["pid"], signal.SIGKILL)
        return "killed"

    asking_in_turn(ToolCall("c1", "who_am-i", {}), ToolCall("c2", "kill", {}), ToolCall("c3", "who_am-i", {}))
    async with serve(agent(*await stdio(tmp_path).tools(retry=SOON), kill)):
        done = await client.run("agent", thread, "hello")
    before, killed, after = last(done.values).split(" | ")
    assert killed == "killed"
    assert json.loads(before)["pid"] != json.loads(after)["pid"]


async def test_cancelling_a_run_ends_its_call(client: OrisClient, serve: Serve, thread: str, tmp_path: Path) -> None:
    asking(ToolCall("c1", "wait", {}))
    async with serve(agent(*await stdio(tmp_path).tools())):
        running = asyncio.create_task(client.run("agent", thread, "hello"))
        await eventually((tmp_path / "started").exists)
        await client.cancel(thread)
        done = await running
        assert done.status == "cancelled"
        await eventually((tmp_path / "cancelled").exists)


async def test_a_server_that_is_gone_is_told_to_the_model(
    client: OrisClient, serve: Serve, thread: str, tmp_path: Path
) -> None:
    async with http_server(tmp_path) as process:
        tools = await McpServer.http(process.url, name="demo").tools(retry=SOON)
    asking(ToolCall("c1", "add", {"a": 1, "b": 2}))
    graph = agent(*tools)
    here = await graph.invoke("hello")
    async with serve(graph):
        done = await client.run("agent", thread, "hello")
    assert "MCP server demo cannot be reached" in last(done.values)
    assert last(here.values) == last(done.values)


async def test_the_connection_is_closed_with_the_worker(
    client: OrisClient, serve: Serve, thread: str, tmp_path: Path
) -> None:
    asking(ToolCall("c1", "who_am-i", {}))
    async with serve(agent(*await stdio(tmp_path).tools())):
        done = await client.run("agent", thread, "hello")
        pid = json.loads(last(done.values))["pid"]
        os.kill(pid, 0)  # it is there
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
