"""Tools of an MCP server: ``python examples/mcp_tools.py``. This file is the server, too: ``python examples/mcp_tools.py serve``.

The server is asked for its tools once, when the agent is made. On Temporal every worker has a connection of its own, and each call is an
activity ``tool.<name>``:

    oris-temporal dev --graphs examples.mcp_tools:make_agent
    oris-temporal run reader --input Moby-Dick
"""

import asyncio
import sys

from oris_temporal import CompiledGraph, create_agent
from oris_temporal.tools import McpServer

MODEL = "fake:tools"  # or "openai:gpt-6-luna", "anthropic:claude-haiku-5-5", ... with its key in the environment

# or McpServer.http("https://example.com/mcp", headers={"Authorization": "Bearer env:MY_TOKEN"})
library = McpServer.stdio(sys.executable, [__file__, "serve"])


def make_agent() -> CompiledGraph:
    tools = asyncio.run(library.tools(prefix="library_", exclude=["delete_*"]))
    return create_agent(MODEL, tools, name="reader", system_prompt="Look up the book you are given.")


async def main(agent: CompiledGraph) -> None:
    async with library:  # in this process; a worker does that by itself
        result = await agent.invoke("Moby-Dick")
    for message in result.state["messages"]:
        calls = ", ".join(f"{call.name}({call.args})" for call in message.calls)
        print(f"{message.message_type}: {message.content or calls}")


def serve() -> None:
    """Be the server."""
    from mcp.server.mcpserver import MCPServer

    server = MCPServer("library", log_level="ERROR")

    @server.tool()
    def find_book(title: str) -> str:
        """Where a book is."""
        return f"{title} is on shelf 7."

    @server.tool()
    def delete_book(title: str) -> str:
        """Throw a book away."""
        return f"{title} is gone."

    server.run()


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["serve"] else asyncio.run(main(make_agent()))
