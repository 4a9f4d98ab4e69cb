"""A person looks at tool calls before they are made: ``python examples/human_in_the_loop.py``.

On Temporal the run waits for as long as it takes, and the answer may come from anywhere:

    oris-temporal dev --graphs examples.human_in_the_loop:agent
    oris-temporal run announcer --input "The bridge is closed on Monday." --thread-id bridge
    oris-temporal resume bridge --value '{"decisions": [{"type": "approve"}]}'
"""

import asyncio

from oris_temporal import Command, create_agent, tool

MODEL = "fake:tools"  # or "openai:gpt-6-luna", "anthropic:claude-haiku-5-5", ... with its key in the environment


@tool
async def announce(text: str) -> str:
    """Announce something to everybody."""
    return f"Announced: {text}"


@tool
async def count_readers() -> str:
    """How many people read announcements."""
    return "12,000 readers."


agent = create_agent(
    MODEL,
    [announce, count_readers],
    name="announcer",
    system_prompt="Announce what you are told, and say how many people will read it.",
    interrupt_on={"announce": {"allowed_decisions": ["approve", "edit", "reject"]}},  # other tools are called at once
)


async def main() -> None:
    config = {"configurable": {"thread_id": "bridge"}}
    result = await agent.invoke("The bridge is closed on Monday.", config)
    while result.status == "interrupted":
        decisions = []
        for action in result.interrupts[0].value["action_requests"]:
            print(f"May I call {action['name']} with {action['args']}?")
            edited = {**action, "args": {"text": "Until noon: " + action["args"]["text"]}}
            decisions.append({"type": "edit", "edited_action": edited})  # or approve, or reject with a message
        result = await agent.invoke(Command(resume={"decisions": decisions}), config)
    print(result.state["messages"][-1].content)


if __name__ == "__main__":
    asyncio.run(main())
