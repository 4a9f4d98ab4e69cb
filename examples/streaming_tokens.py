"""What a model writes, as it writes it: ``python examples/streaming_tokens.py``.

On Temporal ``client.stream("a-thread", mode="messages")`` gives the same to any number of watchers, and costs nothing in history:

    oris-temporal dev --graphs examples.streaming_tokens:agent
    oris-temporal run storyteller --input "Tell me of storks." --thread-id storks
    oris-temporal stream storks --mode messages
"""

import asyncio

from oris_temporal import create_agent

MODEL = "fake:echo"  # or "openai:gpt-6-luna", "anthropic:claude-haiku-5-5", ... with its key in the environment

agent = create_agent(MODEL, name="storyteller", system_prompt="Answer in two sentences.")


async def main() -> None:
    async for chunk in agent.stream("Tell me of storks.", mode="messages"):
        message, where = chunk.data
        if message.get("restart"):
            print("\n(the call failed on the way, and is made again)")
        elif message.get("chunk"):
            print(message["content"], end="|", flush=True)
        elif message["message_type"] == "ai":
            print(f"\nThe whole answer, from node {where['graph_node']}: {message['content']}")


if __name__ == "__main__":
    asyncio.run(main())
