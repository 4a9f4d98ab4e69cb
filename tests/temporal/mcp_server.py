"""A real MCP server: ``mcp_server.py <directory>`` on stdio, ``mcp_server.py <directory> <port>`` on streamable HTTP."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, EmbeddedResource, ResourceLink, TextContent, TextResourceContents
from pydantic import BaseModel

DIRECTORY = Path(sys.argv[1])
PIXEL = bytes.fromhex("89504e470d0a1a0a")

server = MCPServer("demo", log_level="ERROR")


class Weather(BaseModel):
    city: str
    degrees: int


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def weather(city: str) -> Weather:
    """The weather."""
    return Weather(city=city, degrees=20)


@server.tool()
def report() -> CallToolResult:
    """Text for people and data for programs."""
    return CallToolResult(content=[TextContent(text="It is warm.")], structured_content={"degrees": 20})


@server.tool()
def names() -> list[str]:
    """Two names."""
    return ["Ada", "Grace"]


@server.tool()
def picture() -> Image:
    """A picture."""
    return Image(data=PIXEL, format="png")


@server.tool()
def files() -> CallToolResult:
    """Where things are."""
    inside = TextResourceContents(uri="file:///b.txt", mime_type="text/plain", text="inside")
    link = ResourceLink(uri="file:///a.txt", name="a.txt", description="the first")
    return CallToolResult(content=[link, EmbeddedResource(resource=inside)])


@server.tool()
def fail(why: str) -> str:
    """Fails."""
    raise ToolError(why)


@server.tool(name="who.am-i")
def who() -> dict[str, Any]:
    """The process and a variable of its environment."""
    return {"pid": os.getpid(), "greeting": os.environ.get("GREETING")}


@server.tool()
async def wait() -> str:
    """Never ends."""
    (DIRECTORY / "started").write_text(str(os.getpid()))
    try:
        await asyncio.Event().wait()
    finally:
        (DIRECTORY / "cancelled").touch()
    return ""


class Guarded:
    """Lets in only who knows the token, if there is one; with ``OLD`` it is a server of the time when sessions began with a handshake."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        token = os.environ.get("TOKEN")
        given = dict(scope.get("headers") or ()).get(b"authorization", b"").decode()
        if scope["type"] == "http" and token and given != f"Bearer {token}":
            await refuse(send, 401)
        elif scope["type"] == "http" and os.environ.get("OLD"):
            first = await receive()
            waiting = [first]

            async def again() -> Any:
                return waiting.pop() if waiting else await receive()

            if b"server/discover" in first.get("body", b""):
                await refuse(send, 404)
            else:
                await self._app(scope, again, send)
        else:
            await self._app(scope, receive, send)


async def refuse(send: Any, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b"no"})


if __name__ == "__main__":
    if len(sys.argv) > 2:
        uvicorn.run(Guarded(server.streamable_http_app()), port=int(sys.argv[2]), log_level="error")
    else:
        server.run()
