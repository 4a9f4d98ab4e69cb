"""What an agent knows later: its thread, and what all threads share: ``python examples/memory.py``.

A thread goes on with its conversation. A store is for all threads; here it is in this process, on Temporal let it be a
SQLiteStore (one machine) or a PostgresStore (any number of workers).
"""

import asyncio

from oris_temporal import InMemoryStore, Runtime, create_agent, tool

MODEL = "fake:tools"  # or "openai:gpt-6-luna", "anthropic:claude-haiku-5-5", ... with its key in the environment


@tool
async def remember(fact: str, runtime: Runtime) -> str:
    """Remember a fact about the user.

    Args:
        fact: The fact, in a sentence.
    """
    await runtime.store.put(("facts", runtime.context["user"]), fact, {"fact": fact}, ttl="365d")
    return "Noted."


@tool
async def recall(runtime: Runtime) -> str:
    """All facts that are known about the user."""
    found = await runtime.store.search(("facts", runtime.context["user"]))
    return " ".join(item.value["fact"] for item in found) or "Nothing."


store = InMemoryStore()
listener = create_agent(
    MODEL, [remember], name="listener", store=store, system_prompt="Remember what the user tells you."
)
helper = create_agent(MODEL, [recall], name="helper", store=store, system_prompt="Answer by what you can recall.")


async def main() -> None:
    ada = {"user": "ada"}
    monday = {"configurable": {"thread_id": "monday"}}
    for said in ("I like chess.", "I live in Oslo."):
        result = await listener.invoke(said, monday, context=ada)
        print(f"{said} -> {result.state['messages'][-1].content} ({len(result.state['messages'])} messages so far)")

    for user in ("ada", "bob"):
        result = await helper.invoke("What do you know of me?", context={"user": user})  # a thread of its own
        print(f"{user}: {result.state['messages'][-1].content}")


if __name__ == "__main__":
    asyncio.run(main())
