"""What one thread learns, another knows.

In this process:  ``python examples/shared_memory.py``

On Temporal the same graph keeps it in a file that all workers of the machine share; with PostgresStore, all workers anywhere.
"""

import asyncio
import tempfile
from pathlib import Path

from typing_extensions import TypedDict

from oris_temporal import END, START, Context, SQLiteStore, StateGraph, Store


class Talk(TypedDict, total=False):
    user: str
    likes: str
    greeting: str


async def learn(state: Talk, store: Store) -> dict:
    """An activity: it gets the store as a parameter."""
    if "likes" in state:
        await store.put(("users", state["user"]), "likes", {"what": state["likes"]}, ttl="365d")
    return {}


async def greet(state: Talk, ctx: Context) -> dict:
    """Inside the workflow: each operation is an activity, and done once however often the run is replayed."""
    found = await ctx.store.get(("users", state["user"]), "likes")
    return {"greeting": f"{state['user']} likes {found.value['what']}" if found else f"Who is {state['user']}?"}


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with SQLiteStore(Path(folder) / "memory.db") as store:
            graph = StateGraph(Talk).add_node("learn", learn).add_node("greet", greet)
            graph.add_edge(START, "learn").add_edge("learn", "greet").add_edge("greet", END)
            talk = graph.compile(name="talk", store=store)
            for said in ({"user": "Ada"}, {"user": "Ada", "likes": "chess"}, {"user": "Ada"}):
                done = await talk.invoke(said)  # each time on a thread of its own
                print(done.state["greeting"])
            print("all that is known:", [item.value for item in await store.search(("users",))])


if __name__ == "__main__":
    asyncio.run(main())
