"""A first graph for the cluster: research a topic, let a person approve, publish. It needs no API key."""

from __future__ import annotations

from oris_temporal import END, START, Context, Message, MessagesState, StateGraph


async def research(state: MessagesState) -> dict[str, object]:
    """Runs as an activity: free to do I/O, retried by Temporal."""
    topic = state["messages"][-1].content
    return {"messages": [Message.ai(f"Findings on {topic!r}: it is worth publishing.")]}


async def approve(state: MessagesState, ctx: Context) -> dict[str, object]:
    """Runs in the workflow: waits for a person, for a day at most."""
    answer = await ctx.interrupt({"question": "Publish?"}, timeout="24h", default={"ok": False})
    return {"messages": [Message.ai("Approved." if answer.get("ok") else "Not approved.")]}


async def publish(state: MessagesState) -> dict[str, object]:
    """Publishes what was approved."""
    approved = state["messages"][-1].content == "Approved."
    return {"messages": [Message.ai("Published." if approved else "Kept back.")]}


graph = StateGraph(MessagesState)
graph.add_node("research", research, timeout="1m")
graph.add_node("approve", approve)
graph.add_node("publish", publish, timeout="1m")
graph.add_edge(START, "research")
graph.add_edge("research", "approve")
graph.add_edge("approve", "publish")
graph.add_edge("publish", END)
review = graph.compile(name="review")
