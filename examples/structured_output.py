"""An answer as an object: ``python examples/structured_output.py``.

The provider holds the model to the schema where it can; elsewhere, or with ToolStrategy(Place), the model answers by a tool call. An
answer that does not fit is sent back with what is wrong.

    oris-temporal dev --graphs examples.structured_output:agent
    oris-temporal run place_reader --input Oslo
"""

import asyncio
from typing import Literal

from pydantic import BaseModel, Field

from oris_temporal import create_agent

MODEL = "fake:tools"  # or "openai:gpt-6-luna", "anthropic:claude-haiku-5-5", ... with its key in the environment


class Place(BaseModel):
    """A place on a map."""

    name: str
    kind: Literal["city", "country", "river"]
    people: int = Field(ge=1, description="How many people live there, roughly.")


agent = create_agent(
    MODEL, name="place_reader", system_prompt="Say what the place is that you are given.", response_format=Place
)


async def main() -> None:
    result = await agent.invoke("Oslo")
    place = result.state["structured_response"]  # a Place
    print(f"{type(place).__name__}: {place.name} is a {place.kind}; people: {place.people}")


if __name__ == "__main__":
    asyncio.run(main())
