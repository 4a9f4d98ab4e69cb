"""An agent that leads others: it gives each the work that it is best at, and answers for all of them.

In this process, without a key:  ``python examples/supervisor.py``

With a real model: set MODEL to its name, such as "openai:gpt-4o" or "anthropic:claude-sonnet-4-5", and its key in the environment.

On Temporal, where the approval may take days:

    oris-temporal dev --graphs examples.supervisor:desk
    oris-temporal run desk --input "Book a table for Ada." --thread-id table
    oris-temporal resume table --value '{"decisions": [{"type": "approve"}]}'
"""

import asyncio

from oris_temporal import Command, Message, ToolCall, create_agent, tool
from oris_temporal.agents import create_supervisor
from oris_temporal.models.fake import fake_model

MODEL = "fake:script"


@tool
async def search(kind: str) -> str:
    """Find places of a kind, such as restaurants."""
    return "Zum Anker, open until ten"


@tool
async def book(place: str, name: str) -> str:
    """Book a table. It cannot be undone."""
    return f"{place}: a table for {name} is booked."


@tool
async def weather(city: str) -> str:
    """The weather of tonight."""
    return f"Rain in {city}."


SCRIPTS = {
    "desk": [
        Message.ai(
            "",
            [
                ToolCall("c1", "delegate_to_scout", {"task": "Find a restaurant."}),
                ToolCall("c2", "delegate_to_meteorologist", {"task": "Does it rain tonight?"}),
            ],
        ),
        ToolCall("c3", "delegate_to_booker", {"task": "Book a table inside at Zum Anker for Ada."}),
        "A table inside at Zum Anker is booked for Ada; it is going to rain.",
    ],
    "scout": [ToolCall("c1", "search", {"kind": "restaurants"}), "Zum Anker is open until ten."],
    "meteorologist": [ToolCall("c1", "weather", {"city": "Bern"}), "It rains."],
    "booker": [ToolCall("c1", "book", {"place": "Zum Anker", "name": "Ada"}), "Booked."],
}


def model(name: str):
    return fake_model(*SCRIPTS[name], name=name) if MODEL.startswith("fake:") else MODEL


desk = create_supervisor(
    model("desk"),
    {
        "scout": (create_agent(model("scout"), [search], name="scout"), "Finds places."),
        "meteorologist": (create_agent(model("meteorologist"), [weather], name="meteorologist"), "Knows the weather."),
        "booker": (
            create_agent(model("booker"), [book], name="booker", interrupt_on={"book": True}),
            "Books tables; a person approves.",
        ),
    },
    name="desk",
)


async def main() -> None:
    config = {"configurable": {"thread_id": "table"}}
    result = await desk.invoke("Book a table for Ada.", config)
    while result.interrupts:
        [question] = result.interrupts
        for action in question.value["action_requests"]:
            print(f"approve? {action['name']} {action['args']}")
        result = await desk.invoke(Command(resume={"decisions": [{"type": "approve"}]}), config)
    for message in result.state["messages"]:
        if message.message_type == "tool":
            print(f"{message.extra['agent']}: {message.content}")
    print(f"desk: {result.state['messages'][-1].content}")


if __name__ == "__main__":
    asyncio.run(main())
