"""The graph most people meet first: research, then a person approves, then the result is published."""

from __future__ import annotations

from oris_temporal import END, START, Context, Message, MessagesState, StateGraph


async def research(state: MessagesState) -> dict:
    return {"messages": [Message.ai(f"findings about {state['messages'][0].content}")]}


async def approve(state: MessagesState, ctx: Context) -> dict:
    answer = await ctx.interrupt({"question": "Publish?"})
    return {"messages": [Message.human(f"approved={answer['ok']}")]}


async def publish(state: MessagesState) -> dict:
    return {"messages": [Message.ai("published")]}


review = (
    StateGraph(MessagesState)
    .add_node("research", research)
    .add_node("approve", approve)
    .add_node("publish", publish)
    .add_edge(START, "research")
    .add_edge("research", "approve")
    .add_edge("approve", "publish")
    .add_edge("publish", END)
    .compile(name="review")
)


def texts(values: dict) -> list[str]:
    """Contents of the messages of a state."""
    return [message["content"] for message in values["messages"]]
