"""An agent that calls tools until it has an answer: ``python examples/agent_with_tools.py``.

On Temporal each call of the model and of a tool is an activity:

    oris-temporal dev --graphs examples.agent_with_tools:agent
    oris-temporal run place_agent --input Oslo
"""

import asyncio

from oris_temporal import RetryPolicy, create_agent, tool

MODEL = "fake:tools"  # or "openai:gpt-6-luna", "anthropic:claude-haiku-5-5", ... with its key in the environment


@tool
async def weather(city: str, days: int = 1) -> str:
    """The weather forecast.

    Args:
        city: Name of the city.
        days: How many days ahead.
    """
    return f"Sunny in {city} for {days} day(s)."


@tool(timeout="10s", retry=RetryPolicy(maximum_attempts=5))
def population(city: str) -> dict:
    """How many people live in a city."""
    return {"city": city, "people": 700_000}


agent = create_agent(
    MODEL,
    [weather, population],
    name="place_agent",
    system_prompt="You are given a place. Say in one sentence what your tools know of it.",
)


async def main() -> None:
    result = await agent.invoke("Oslo")
    for message in result.state["messages"]:
        calls = ", ".join(f"{call.name}({call.args})" for call in message.calls)
        print(f"{message.message_type}: {message.content or calls}")


if __name__ == "__main__":
    asyncio.run(main())
