"""One node, one message, no server: ``python examples/hello_world.py``."""

import asyncio

from oris_temporal import END, START, Message, MessagesState, StateGraph


def greet(state: MessagesState) -> dict:
    return {"messages": [Message.ai(f"Hello! You said: {state['messages'][-1].content}")]}


graph = StateGraph(MessagesState).add_node("greet", greet).add_edge(START, "greet").add_edge("greet", END)
hello = graph.compile(name="hello")


async def main() -> None:
    result = await hello.invoke("good morning")
    for message in result.state["messages"]:
        print(f"{message.message_type}: {message.content}")


if __name__ == "__main__":
    asyncio.run(main())
