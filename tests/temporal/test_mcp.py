"""MCP servers as sources of tools, over stdio and streamable HTTP, with real servers in processes of their own."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp_support import PROGRAM, RUNTIME, appears, by_name, http_server, stdio

from oris_temporal.graph.errors import ConfigurationError, ToolError
from oris_temporal.graph.messages import Image
from oris_temporal.tools import McpServer, ToolOutput, mcp


@asynccontextmanager
async def made(transport: str, directory: Path) -> AsyncIterator[McpServer]:
    if transport == "stdio":
        async with stdio(directory) as server:
            yield server
    else:
        async with http_server(directory) as process, McpServer.http(process.url) as server:
            yield server


@pytest.fixture(params=["stdio", "http"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[McpServer]:
    async with made(request.param, tmp_path) as server:
        yield server


async def call(server: McpServer, name: str, **args: Any) -> ToolOutput:
    tools = by_name(await server.tools())
    return await tools[name].call(tools[name].check(args), RUNTIME)


async def test_its_tools_have_its_names_descriptions_and_schemas(server: McpServer) -> None:
    add = by_name(await server.tools())["add"]
    assert add.description == "Add two numbers."
    assert add.spec.parameters["required"] == ["a", "b"]
    assert add.spec.parameters["properties"]["a"]["type"] == "integer"


@pytest.mark.parametrize(
    ("name", "args", "content"),
    [
        ("add", {"a": 1, "b": 2}, "3"),
        ("names", {}, "Ada\nGrace"),
        ("report", {}, 'It is warm.\n{"degrees": 20}'),
        ("files", {}, "[a.txt](file:///a.txt) - the first\nfile:///b.txt:\ninside"),
    ],
)
async def test_whatever_a_tool_returns_is_carried(server: McpServer, name: str, args: Any, content: str) -> None:
    output = await call(server, name, **args)
    assert (output.content, output.is_error) == (content, False)


async def test_structured_content_that_the_text_has_is_not_repeated(server: McpServer) -> None:
    output = await call(server, "weather", city="Bern")
    assert json.loads(output.content) == {"city": "Bern", "degrees": 20}


async def test_pictures_are_carried(server: McpServer) -> None:
    output = await call(server, "picture")
    assert output.message("c-1", "picture").images == [Image("data:image/png;base64,iVBORw0KGgo=")]


async def test_an_error_of_a_tool_is_for_the_model(server: McpServer) -> None:
    output = await call(server, "fail", why="The library is closed.")
    assert output.is_error
    assert "The library is closed." in output.content


async def test_arguments_that_do_not_fit_its_schema_are_told_to_the_model(server: McpServer) -> None:
    add = by_name(await server.tools())["add"]
    with pytest.raises(
        ToolError, match=r"The arguments of tool add do not fit: .*'b' is a required property"
    ) as raised:
        add.check({"a": "one"})
    assert raised.value.kind == "invalid_input"
    assert "a: 'one' is not of type 'integer'" in raised.value.message


async def test_calls_share_one_connection(tmp_path: Path) -> None:
    async with stdio(tmp_path) as server:
        answers = await asyncio.gather(*(call(server, "who_am-i") for _ in range(5)))
    assert len({answer.content for answer in answers}) == 1


async def test_the_connection_ends_with_its_last_user(tmp_path: Path) -> None:
    server = stdio(tmp_path)
    async with server:
        async with server:
            pid = json.loads((await call(server, "who_am-i")).content)["pid"]
        assert json.loads((await call(server, "who_am-i")).content)["pid"] == pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_cancelling_a_call_ends_it_on_the_server(server: McpServer, tmp_path: Path) -> None:
    calling = asyncio.create_task(call(server, "wait"))
    await appears(tmp_path / "started")
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    await appears(tmp_path / "cancelled")
    assert (await call(server, "add", a=1, b=1)).content == "2"  # the connection is as good as before


async def test_a_server_killed_between_calls_is_started_again(tmp_path: Path) -> None:
    async with stdio(tmp_path) as server:
        pid = json.loads((await call(server, "who_am-i")).content)["pid"]
        tools = by_name(await server.tools())
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(ToolError, match="MCP server demo cannot be reached") as raised:
            await tools["add"].call({"a": 1, "b": 2}, RUNTIME)
        assert (raised.value.kind, raised.value.is_retryable) == ("network", True)
        assert (await tools["add"].call({"a": 1, "b": 2}, RUNTIME)).content == "3"


async def test_a_server_killed_during_a_call(tmp_path: Path) -> None:
    async with stdio(tmp_path) as server:
        calling = asyncio.create_task(call(server, "wait"))
        os.kill(int(await appears(tmp_path / "started")), signal.SIGKILL)
        with pytest.raises(ToolError, match="cannot be reached"):
            await calling


async def test_an_http_server_killed_during_a_call_and_back_again(tmp_path: Path) -> None:
    async with http_server(tmp_path) as process, McpServer.http(process.url) as server:
        tools = by_name(await server.tools())
        calling = asyncio.create_task(tools["wait"].call({}, RUNTIME))
        await appears(tmp_path / "started")
        await process.kill()
        for _ in range(2):  # the one under way, and one while the server is down
            with pytest.raises(ToolError, match="cannot be reached") as raised:
                await calling
            assert raised.value.is_retryable
            calling = asyncio.create_task(tools["add"].call({"a": 1, "b": 2}, RUNTIME))
        with pytest.raises(ToolError):
            await calling
        await process.start()
        assert (await tools["add"].call({"a": 1, "b": 2}, RUNTIME)).content == "3"


async def test_a_session_that_the_server_forgot_is_begun_anew(tmp_path: Path) -> None:
    async with http_server(tmp_path, OLD="1") as process, McpServer.http(process.url) as server:
        tools = by_name(await server.tools())
        assert (await tools["add"].call({"a": 1, "b": 2}, RUNTIME)).content == "3"
        await process.kill()
        await process.start()
        with pytest.raises(ToolError, match="cannot be reached") as raised:
            await tools["add"].call({"a": 1, "b": 2}, RUNTIME)
        assert raised.value.is_retryable
        assert (await tools["add"].call({"a": 1, "b": 2}, RUNTIME)).content == "3"


async def test_tools_are_chosen_and_named(tmp_path: Path) -> None:
    async with stdio(tmp_path) as server:
        chosen = await server.tools(prefix="demo_", include=["add", "w*"], exclude=["wait"])
        assert [tool.name for tool in chosen] == ["demo_add", "demo_weather", "demo_who_am-i"]
        with pytest.raises(ConfigurationError, match=r"has no tool 'sub'; there are add, weather"):
            await server.tools(include=["sub"])


async def test_the_same_tool_asked_for_twice_is_one(tmp_path: Path) -> None:
    async with stdio(tmp_path) as server:
        first, second, slower = [by_name(await server.tools(timeout=limit)) for limit in ("1m", "1m", "2m")]
    assert first["add"] is second["add"]
    assert slower["add"] is not first["add"]


async def test_secrets_are_read_where_the_server_is_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "hunter2\n")
    async with http_server(tmp_path, TOKEN="hunter2") as process:
        server = McpServer.http(process.url, headers={"Authorization": "Bearer env:MY_TOKEN"})
        assert (await call(server, "add", a=1, b=2)).content == "3"
    server = stdio(tmp_path, env={"GREETING": "hello env:MY_TOKEN"})
    assert json.loads((await call(server, "who_am-i")).content)["greeting"] == "hello hunter2"


async def test_arguments_of_a_program_may_name_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_DIRECTORY", str(tmp_path))
    server = McpServer.stdio(sys.executable, [PROGRAM, "env:MY_DIRECTORY"])
    assert (await call(server, "add", a=1, b=2)).content == "3"
    with pytest.raises(ToolError, match="has no MY_OTHER"):
        await McpServer.stdio("x", ["--token=env:MY_OTHER"]).tools()


async def test_no_secret_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with http_server(tmp_path, TOKEN="hunter2") as process:
        monkeypatch.setenv("MY_URL", f"{process.url}?key=hunter3")
        monkeypatch.setenv("MY_TOKEN", "hunter2")
        server = McpServer.http("env:MY_URL", headers={"Authorization": "Bearer env:MY_TOKEN"})
        assert (await call(server, "add", a=1, b=2)).content == "3"
    with pytest.raises(ToolError) as raised:
        await call(server, "add", a=1, b=2)
    said = f"{caplog.text} {raised.value}"
    assert "/mcp" in said or "***" in said
    assert "hunter" not in said


async def test_a_server_that_refuses_who_calls(tmp_path: Path) -> None:
    async with http_server(tmp_path, TOKEN="hunter2") as process:
        with pytest.raises(ToolError, match="HTTP status 401") as raised:
            await McpServer.http(process.url).tools()
    assert (raised.value.kind, raised.value.is_retryable) == ("permission", False)


async def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    server = McpServer.http("http://127.0.0.1:1/mcp", headers={"Authorization": "env:NOT_THERE"}, name="library")
    with pytest.raises(ToolError, match="MCP server library: the worker's environment has no NOT_THERE") as raised:
        await server.tools()
    assert raised.value.kind == "credentials"


async def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"MCP server no-such-program cannot be reached: FileNotFoundError") as raised:
        await McpServer.stdio("no-such-program").tools()
    assert not raised.value.is_retryable


async def test_a_program_that_speaks_no_mcp() -> None:
    with pytest.raises(ToolError, match="MCP server true cannot be reached"):
        await McpServer.stdio("true").tools()


MUTE = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked or asked["method"] == "tools/list":
        continue
    answer = {"error": {"code": -32601, "message": "no such method"}}
    if asked["method"] == "initialize":
        about = {"capabilities": {"tools": {}}, "serverInfo": {"name": "mute", "version": "1"}}
        answer = {"result": {"protocolVersion": asked["params"]["protocolVersion"], **about}}
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **answer}), flush=True)
"""


async def test_a_program_that_never_lists_its_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp, "OPEN_SECONDS", 1)
    with pytest.raises(ToolError, match="MCP server mute did not list its tools within 2 s") as raised:
        await McpServer.stdio(sys.executable, ["-c", MUTE], name="mute").tools()
    assert raised.value.kind == "timeout"


async def test_a_program_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp, "OPEN_SECONDS", 0.1)
    with pytest.raises(ToolError, match=r"MCP server asleep cannot be reached: no answer within 0\.1 s"):
        await McpServer.stdio("sleep", ["60"], name="asleep").call("add", {})


@pytest.mark.parametrize(
    "make",
    [
        lambda: McpServer.http("http://x/mcp", headers={"Authorization": "Bearer hunter2"}),
        lambda: McpServer.http("http://me:hunter2@x/mcp"),
        lambda: McpServer.http("http://x/mcp?api_key=hunter2"),
        lambda: McpServer.stdio("server", env={"API_KEY": "hunter2"}),
    ],
)
def test_secrets_themselves_are_refused(make: Any) -> None:
    with pytest.raises(ConfigurationError, match="env:NAME") as raised:
        make()
    assert "hunter2" not in str(raised.value)
