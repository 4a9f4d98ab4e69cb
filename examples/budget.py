"""What a run may use: ``python examples/budget.py``.

Limits end a run with an error that says which limit it was. A BudgetMiddleware can have the agent answer by what it has instead.

    oris-temporal dev --graphs examples.budget:strict,examples.budget:thrifty
    oris-temporal run thrifty --input "Where is the treasure?"
"""

import asyncio

from oris_temporal import create_agent, errors, tool
from oris_temporal.agents import BudgetMiddleware

MODEL = "fake:tools"  # or "openai:gpt-6-luna", "anthropic:claude-haiku-5-5", ... with its key in the environment


@tool
async def next_clue() -> str:
    """The next clue; there is always another one."""
    return "Look behind the next tree."


PROMPT = "Find the treasure. Follow the clues."
strict = create_agent(
    MODEL,
    [next_clue],
    name="strict",
    system_prompt=PROMPT,
    limits={"max_turns": 1, "max_tokens": 10_000, "max_time": "5m"},
)
thrifty = create_agent(
    MODEL,
    [next_clue],
    name="thrifty",
    system_prompt=PROMPT,
    middleware=[BudgetMiddleware(max_turns=2, on_limit="answer")],  # the last turn has no tools
)


async def main() -> None:
    try:
        result = await strict.invoke("Where is the treasure?")
    except errors.BudgetExceededError as error:
        print(f"{error.code}: {error}")

    result = await thrifty.invoke("Where is the treasure?")
    print(f"answer: {result.state['messages'][-1].content}")
    used = sum(usage.calls for usage in result.usage.values())  # by model: calls, tokens, and cost where it is known
    print(f"model calls: {used}")


if __name__ == "__main__":
    asyncio.run(main())
