"""Agents that pass the conversation to each other: ``python examples/handoffs.py``.

Who has the conversation has it in the next turn too, after crashes and deploys as well.

    oris-temporal dev --graphs examples.handoffs:support
    oris-temporal run support --input "What do I owe?" --thread-id ann
"""

import asyncio

from oris_temporal import create_agent, tool
from oris_temporal.agents import HandoffMiddleware, create_handoffs

MODEL = "fake:tools"  # or "openai:gpt-6-luna", "anthropic:claude-haiku-5-5", ... with its key in the environment


@tool
async def open_bills() -> str:
    """The user's open bills."""
    return "One bill is open: 12 euros."


support = create_handoffs(
    {
        "desk": create_agent(
            MODEL,
            name="desk",
            system_prompt="You welcome people. You know nothing of bills.",
            middleware=[HandoffMiddleware({"billing": "It answers whatever is about bills and money."})],
        ),
        "billing": create_agent(
            MODEL,
            [open_bills],
            name="billing",
            system_prompt="You answer questions about bills.",
            middleware=[HandoffMiddleware({})],  # it passes the conversation to nobody
        ),
    },
    default="desk",
    name="support",
)


async def main() -> None:
    thread = {"configurable": {"thread_id": "ann"}}
    for said in ("What do I owe?", "Are you sure?"):
        result = await support.invoke(said, thread)
        answer = result.state["messages"][-1].content.splitlines()[
            -1
        ]  # the fake model repeats what every tool returned
        print(f"{said} -> {result.state['active_agent']}: {answer}")


if __name__ == "__main__":
    asyncio.run(main())
