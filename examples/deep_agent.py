"""An agent for long work: it plans, writes files, has a helper look at them, and remembers what matters.

In this process, without a key:  ``python examples/deep_agent.py``

With a real model: set MODEL to its name, such as "anthropic:claude-sonnet-4-5" or "openai:gpt-4o", and its key in the environment.

On Temporal, where it survives crashes and deploys, and people see what it does:

    oris-temporal dev --graphs examples.deep_agent:writer
    oris-temporal run writer --input "Write about storks."
"""

import asyncio

from oris_temporal import InMemoryStore, ToolCall, tool
from oris_temporal.agents import SubAgent, create_deep_agent
from oris_temporal.models.fake import fake_model
from oris_temporal.tools import CompositeBackend, StateBackend, StoreBackend

MODEL = "fake:script"


@tool
async def look_up(what: str) -> str:
    """Look something up in the encyclopedia."""
    return f"A {what} is a bird. It is two metres tall."


def edit(call_id: str, path: str, old: str, new: str) -> ToolCall:
    return ToolCall(call_id, "edit_file", {"path": path, "replacements": [{"old_string": old, "new_string": new}]})


SCRIPTS = {
    "writer": [
        ToolCall("c1", "write_todos", {"todos": [{"title": "draft", "status": "in_progress"}, {"title": "check"}]}),
        ToolCall("c2", "look_up", {"what": "stork"}),
        ToolCall("c3", "write_file", {"path": "stork.md", "content": "A stork is a bird of two metres.\n"}),
        ToolCall("c4", "task", {"description": "Check the facts in stork.md.", "subagent_type": "critic"}),
        edit("c5", "stork.md", "two metres", "one metre"),
        ToolCall("c6", "write_file", {"path": "memories/AGENTS.md", "content": "The encyclopedia errs about sizes.\n"}),
        ToolCall("c7", "write_todos", {"todos": [{"title": title, "status": "done"} for title in ("draft", "check")]}),
        "It is in stork.md.",
    ],
    "critic": [ToolCall("c1", "read_file", {"path": "stork.md"}), "Storks are one metre tall."],
}


def model(name: str):
    return fake_model(*SCRIPTS[name], name=name) if MODEL.startswith("fake:") else MODEL


writer = create_deep_agent(
    model("writer"),
    [look_up],
    name="writer",
    system_prompt="You write short articles into files, and have the critic check them.",
    subagents={"critic": SubAgent(description="Checks facts in a file.", model=model("critic"), tools=[])},
    backend=CompositeBackend(StateBackend(), {"memories/": StoreBackend()}),  # files of the thread, and of all threads
    memory=["memories/AGENTS.md"],
    store=InMemoryStore(),  # SQLiteStore or PostgresStore, for more than one process
)


async def main() -> None:
    done = await writer.invoke("Write about storks.")
    for message in done.state["messages"]:
        if message.message_type == "tool" and message.extra["name"] == "task":
            print("critic:", message.content)
    print("writer:", done.state["messages"][-1].content)
    for path, text in done.state["files"].items():
        print(f"{path}: {text.strip()}")
    print("todos:", ", ".join(f"{item.title} {item.status}" for item in done.state["todos"]))

    other = await writer.invoke("And about herons?")  # another thread
    print("remembered:", other.state["memory"]["memories/AGENTS.md"].strip())


if __name__ == "__main__":
    asyncio.run(main())
