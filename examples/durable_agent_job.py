"""Research, a person's approval, an answer.

In this process:  ``python examples/durable_agent_job.py``

On Temporal, so that it survives crashes and waits for days:

    oris-temporal dev --graphs examples.durable_agent_job:job
    oris-temporal run job --input "Should the bridge be closed?" --thread-id bridge
    oris-temporal resume bridge --value yes
"""

import asyncio

from oris_temporal import END, START, Command, Context, Message, MessagesState, StateGraph


async def research(state: MessagesState) -> dict:
    """An activity: it may call anything, is retried, and does not run again once it has finished."""
    return {"messages": [Message.ai(f"Three sources on: {state['messages'][-1].content}")]}


async def approve(state: MessagesState, ctx: Context) -> dict:
    """Inside the workflow: it waits for the person at no cost."""
    answer = await ctx.interrupt({"question": "Publish this?", "findings": state["messages"][-1].content})
    return {"messages": [Message.ai(f"The person said: {answer}")]}


graph = StateGraph(MessagesState)
graph.add_node("research", research).add_node("approve", approve)
graph.add_edge(START, "research").add_edge("research", "approve").add_edge("approve", END)
job = graph.compile(name="job")


async def main() -> None:
    config = {"configurable": {"thread_id": "bridge"}}
    waiting = await job.invoke("Should the bridge be closed?", config)
    [question] = waiting.interrupts
    print(f"{waiting.status}: {question.value['question']} ({question.id})")

    done = await job.invoke(Command(resume="yes"), config)
    print(f"{done.status}:")
    for message in done.state["messages"]:
        print(f"  {message.message_type}: {message.content}")
    print("trace:", ", ".join(kind for event in [*waiting.trace, *done.trace] for kind in event))


if __name__ == "__main__":
    asyncio.run(main())
