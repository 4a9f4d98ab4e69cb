"""Agents as tools of another agent: ``python examples/subagents.py``.

A subagent has a conversation of its own, which begins with the task, and answers once. It runs as part of its caller's run: its
questions are asked there, its model calls count there, and nothing that it finished runs again.

    oris-temporal dev --graphs examples.subagents:writer
    oris-temporal run writer --input storks
"""

import asyncio

from oris_temporal import create_agent, tool
from oris_temporal.agents import agent_tool

MODEL = "fake:tools"  # or "openai:gpt-6-luna", "anthropic:claude-haiku-5-5", ... with its key in the environment


@tool
async def search_library(query: str) -> str:
    """Search the library."""
    return f"Three books are about {query}."


@tool
async def search_archive(query: str) -> str:
    """Search the newspapers of the last hundred years."""
    return f"Nothing was written about {query} lately."


librarian = create_agent(MODEL, [search_library], name="librarian", system_prompt="Find books.")
archivist = create_agent(MODEL, [search_archive], name="archivist", system_prompt="Find articles.")

writer = create_agent(
    MODEL,
    [
        agent_tool(librarian, description="Finds books about a subject."),
        agent_tool(archivist, description="Finds newspaper articles about a subject."),
    ],
    name="writer",
    system_prompt="Ask both about the subject you are given, at once, and sum up what they found.",
)


async def main() -> None:
    result = await writer.invoke("storks")
    for message in result.state["messages"]:
        calls = ", ".join(f"{call.name}({call.args})" for call in message.calls)
        print(f"{message.message_type}: {message.content or calls}")


if __name__ == "__main__":
    asyncio.run(main())
