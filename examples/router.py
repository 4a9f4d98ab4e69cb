"""A question goes to all agents that know of it, and one answer comes back: ``python examples/router.py``.

Who is asked follows from words of the question, or else a model chooses. The agents answer side by side.

    oris-temporal dev --graphs examples.router:desk
    oris-temporal run travel_desk --input "How is the weather, and when is the next train?"
"""

import asyncio

from oris_temporal import create_agent, tool
from oris_temporal.agents import create_router

MODEL = "fake:tools"  # or "openai:gpt-6-luna", "anthropic:claude-haiku-5-5", ... with its key in the environment


@tool
async def forecast() -> str:
    """The weather of today."""
    return "Sunny, with some wind."


@tool
async def departures() -> str:
    """The next trains."""
    return "A train leaves at 10:15."


desk = create_router(
    {
        "weather": (create_agent(MODEL, [forecast], name="weather_agent"), "Knows the weather."),
        "trains": (create_agent(MODEL, [departures], name="train_agent"), "Knows the trains."),
    },
    keywords={"weather": ["weather", "rain", "sun"], "trains": ["train", "station"]},
    model=MODEL,  # chooses where no word does
    parallel=True,
    synthesizer=MODEL,  # makes one answer of several; the fake one repeats the question
    default="weather",
    name="travel_desk",
)


async def main() -> None:
    for question in ("Will it rain?", "How is the weather, and when is the next train?"):
        result = await desk.invoke(question)
        print(f"{question} -> {result.state['messages'][-1].content}")
        for item in result.state["answers"]:
            print(f"  {item['agent']}: {item['answer']}")


if __name__ == "__main__":
    asyncio.run(main())
