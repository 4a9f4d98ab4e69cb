"""Hooks around what an agent does: two that are there, and one of your own: ``python examples/middleware.py``.

oris-temporal dev --graphs examples.middleware:agent
oris-temporal run careful_agent --input "Write to ann@example.com."
"""

import asyncio
from dataclasses import replace
from typing import NotRequired, TypedDict

from oris_temporal import create_agent
from oris_temporal.agents import BudgetMiddleware, Middleware, PIIMiddleware

MODEL = "fake:echo"  # or "openai:gpt-6-luna", "anthropic:claude-haiku-5-5", ... with its key in the environment


class Counted(TypedDict):
    words: NotRequired[int]


class CountWords(Middleware):
    """Counts the words of all answers, and asks for short ones once there were many."""

    state_schema = Counted

    async def wrap_model_call(self, call, handler):
        if call.state.get("words", 0) > 10:
            call = replace(call, system_prompt="Answer in one word.")
        return await handler(call)

    async def after_model(self, state, ctx):
        count = len(state["messages"][-1].content.split())
        ctx.log(f"An answer of {count} words.")  # once, however often the run is replayed
        return {"words": state.get("words", 0) + count}


agent = create_agent(
    MODEL,
    name="careful_agent",
    system_prompt="Answer briefly.",
    middleware=[PIIMiddleware(), BudgetMiddleware(max_turns=5), CountWords()],  # the first is the outermost
)


async def main() -> None:
    thread = {"configurable": {"thread_id": "a-thread"}}
    for said in ("Write to ann@example.com.", "Now call her, on any day but Sunday."):
        result = await agent.invoke(said, thread)
        print(f"{result.state['messages'][-1].content} (words so far: {result.state['words']})")


if __name__ == "__main__":
    asyncio.run(main())
