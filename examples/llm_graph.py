"""Models in a graph of your own: ``python examples/llm_graph.py``.

A ready node asks a model about the conversation; ``ctx.llm`` does it anywhere in a workflow-side node.

    oris-temporal dev --graphs examples.llm_graph:editor
    oris-temporal run editor --input "Why do storks come back in spring?"
"""

import asyncio

from oris_temporal import END, START, Context, MessagesState, StateGraph
from oris_temporal.agents import llm_node

MODEL = "fake:echo"  # or "openai:gpt-6-luna", "anthropic:claude-haiku-5-5", ... with its key in the environment


class State(MessagesState, total=False):
    title: str


async def entitle(state: State, ctx: Context) -> dict:
    """Inside the workflow: the call is an activity, and made once however often the run is replayed."""
    answer = await ctx.llm(MODEL, ["Give this text a title: " + state["messages"][-1].content], max_retries=3)
    return {"title": answer.content}


def is_long(state: State) -> str:
    return "shorten" if len(state["messages"][-1].content) > 30 else "entitle"


graph = StateGraph(State)
graph.add_node("answer", llm_node(MODEL, system_prompt="Answer in a paragraph.", max_tokens=500))
graph.add_node("shorten", llm_node(MODEL, system_prompt="Say the same in one sentence."))
graph.add_node("entitle", entitle)
graph.add_edge(START, "answer").add_conditional_edges("answer", is_long, ["shorten", "entitle"])
graph.add_edge("shorten", "entitle").add_edge("entitle", END)
editor = graph.compile(name="editor")


async def main() -> None:
    result = await editor.invoke("Why do storks come back in spring?")
    for message in result.state["messages"]:
        print(f"{message.message_type}: {message.content}")
    print(f"title: {result.state['title']}")


if __name__ == "__main__":
    asyncio.run(main())
