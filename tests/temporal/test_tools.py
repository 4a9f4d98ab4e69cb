"""Tools in a graph: activities of their own, in parallel, with errors that the model hears of."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from temporal_support import Serve, event_names, events
from temporalio.api.enums.v1 import EventType
from tool_agents import State, agent, asking, last

from oris_temporal import (
    END,
    START,
    Command,
    Context,
    Message,
    OrisClient,
    RetryPolicy,
    StateGraph,
    ToolCall,
    Worker,
)
from oris_temporal.agents import llm_node
from oris_temporal.graph.errors import ConfigurationError, ToolError
from oris_temporal.tools import Runtime, tool

ran: list[str] = []


@tool
async def search(query: str) -> str:
    """Search the library."""
    ran.append(query)
    return f"found {query}"


@tool
async def note(text: str, runtime: Runtime) -> Command:
    """Write something down."""
    runtime.write({"noted": text})
    count = len(runtime.state["notes"])
    return Command(update={"notes": [f"{text} by {runtime.tool_call_id}, after {count}"]})


@tool(run_as="workflow")
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool(run_as="local")
def upper(text: str) -> str:
    """Make it loud."""
    return text.upper()


@tool
async def broken(text: str) -> str:
    """Always fails."""
    raise ToolError(f"{text} is not to be had", kind="not_found")


CALLS = [
    ToolCall("c1", "search", {"query": "storks"}),
    ToolCall("c2", "note", {"text": "storks"}),
    ToolCall("c3", "add", {"a": 2, "b": 3}),
    ToolCall("c4", "upper", {"text": "storks"}),
]


async def test_calls_of_one_turn_run_at_once_and_are_answered_in_order(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    asking(*CALLS)
    graph = agent(search, note, add, upper)
    async with serve(graph):
        done = await client.run("agent", thread, "hello")
        written = [chunk.data async for chunk in client.stream(thread, mode="custom")]
    assert last(done.values) == "found storks |  | 5 | STORKS"
    assert [message["id"] for message in done.values["messages"][2:6]] == ["c1", "c2", "c3", "c4"]
    assert done.values["notes"] == ["storks by c2, after 0"]
    assert written == [{"noted": "storks"}]
    scheduled = [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in await events(client, thread)
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    assert scheduled == ["llm", "tool.search", "tool.note", "llm"]
    names = await event_names(client, thread)
    first = names.index("ACTIVITY_TASK_SCHEDULED", names.index("ACTIVITY_TASK_COMPLETED"))
    assert names[first : first + 2] == ["ACTIVITY_TASK_SCHEDULED"] * 2  # both in one workflow task


async def test_the_same_in_this_process(client: OrisClient, serve: Serve, thread: str) -> None:
    asking(*CALLS)
    graph = agent(search, note, add, upper)
    here = await graph.invoke("hello")
    async with serve(graph):
        there = await client.run("agent", thread, "hello")
    assert here.values == there.values


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (ToolCall("c1", "serach", {"query": "x"}), "There is no tool 'serach'; there are search, broken."),
        (ToolCall("c1", "search", {"q": "x"}), "The arguments of tool search do not fit: query: Field required"),
        (ToolCall("c1", "broken", {"text": "x"}), "x is not to be had"),
        (
            {"id": "c1", "type": "function", "function": {"name": "search", "arguments": "{oops"}},
            "A tool call cannot be read",
        ),
    ],
    ids=["unknown tool", "wrong arguments", "tool error", "no JSON"],
)
async def test_what_goes_wrong_is_told_to_the_model(
    client: OrisClient, serve: Serve, thread: str, call: Any, told: str
) -> None:
    asking(call)
    graph = agent(search, broken)
    here = await graph.invoke("hello")
    async with serve(graph):
        done = await client.run("agent", thread, "hello")
    assert done.status == "completed"
    assert told in last(done.values)
    [answer] = [message for message in done.values["messages"] if message["message_type"] == "tool"]
    assert (answer["id"], answer["extra"]["is_error"]) == ("c1", True)
    assert here.values == done.values


async def test_a_tool_is_tried_again_as_its_policy_says(client: OrisClient, serve: Serve, thread: str) -> None:
    attempts = []

    @tool(retry=RetryPolicy(maximum_attempts=3, initial_interval=0.01))
    async def flaky() -> str:
        """Works the second time."""
        attempts.append(1)
        if len(attempts) % 2:
            raise ConnectionError("once more")
        return "there"

    asking(ToolCall("c1", "flaky", {}))
    graph = agent(flaky)
    here = await graph.invoke("hello")
    async with serve(graph):
        done = await client.run("agent", thread, "hello")
    assert last(done.values) == "there"
    assert here.values == done.values
    assert len(attempts) == 4


async def test_one_that_fails_for_good_names_its_cause(client: OrisClient, serve: Serve, thread: str) -> None:
    @tool(retry=RetryPolicy(maximum_attempts=1))
    async def down() -> str:
        """Does not work."""
        raise ConnectionError("no route")

    async def call(state: State, ctx: Context) -> dict:
        try:
            await ctx.tool(down, {})
        except ToolError as error:
            return {"notes": [f"{error.kind} {error.details['cause_type']}: {error.message}"]}
        return {"notes": ["worked"]}

    graph = StateGraph(State).add_node("call", call).add_tools(down).add_edge(START, "call").add_edge("call", END)
    compiled = graph.compile(name="calling")
    here = await compiled.invoke("hello")
    async with serve(compiled):
        done = await client.run("calling", thread, "hello")
    expected = ["execution ConnectionError: Tool down failed: ConnectionError: no route"]
    assert done.values["notes"] == here.values["notes"] == expected


async def test_a_tool_that_is_too_slow(client: OrisClient, serve: Serve, thread: str) -> None:
    @tool(timeout="200ms", retry=RetryPolicy(maximum_attempts=1))
    async def slow() -> str:
        """Takes for ever."""
        await asyncio.Event().wait()
        return ""

    asking(ToolCall("c1", "slow", {}))
    graph = agent(slow)
    async with serve(graph):
        done = await client.run("agent", thread, "hello")
    assert "did not finish an attempt in time" in last(done.values)


async def test_arguments_are_checked_before_anything_is_scheduled(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    asking(ToolCall("c1", "search", {"q": 1}))
    async with serve(agent(search)):
        await client.run("agent", thread, "hello")
    assert (await event_names(client, thread)).count("ACTIVITY_TASK_SCHEDULED") == 2  # both of them the model's


async def test_the_last_answer_may_come_from_a_large_state(client: OrisClient, serve: Serve, thread: str) -> None:
    @tool
    async def count(runtime: Runtime) -> int:
        """Count characters."""
        return sum(len(message.content) for message in runtime.state["messages"])

    asking(ToolCall("c1", "count", {}))
    async with serve(agent(count), max_cached_workflows=10):
        done = await client.run("agent", thread, Message.human("x" * 300_000).content)
    assert last(done.values) == "300000"


async def test_half_a_character_in_arguments_is_replaced(client: OrisClient, serve: Serve, thread: str) -> None:
    function = {"name": "search", "arguments": '{"query": "half \\ud83d"}'}
    asking({"id": "c1", "type": "function", "function": function})
    async with serve(agent(search)):
        done = await client.run("agent", thread, "hi")
    assert last(done.values) == "found half \N{REPLACEMENT CHARACTER}"


async def test_models_are_told_of_tools_as_they_are(client: OrisClient, serve: Serve, thread: str) -> None:
    async def node(state: State, ctx: Context) -> dict[str, Any]:
        return {"messages": [await ctx.llm("scripted:one", ["hi"], tools=[search, add.spec])]}

    provider = asking()
    graph = StateGraph(State).add_node("node", node).add_edge(START, "node").add_edge("node", END)
    async with serve(graph.compile(name="told")):
        await client.run("told", thread, "hi")
    assert [spec.name for spec in provider.requests[0].tools] == ["search", "add"]
    with pytest.raises(ConfigurationError, match="tools takes what @tool makes"):
        llm_node("scripted:one", tools=[print])  # type: ignore[list-item]


@tool(name="search")
async def other_search(query: str) -> str:
    """Another one."""
    return f"another {query}"


async def test_agents_of_one_worker_may_have_tools_of_one_name(client: OrisClient, serve: Serve, thread: str) -> None:
    asking(ToolCall("c1", "search", {"query": "x"}))
    async with serve(agent(search), agent(other_search, name="other"), max_cached_workflows=10):
        found = [last((await client.run(name, f"{thread}-{name}", "hi")).values) for name in ("agent", "other")]
    assert found == ["found x", "another x"]


async def test_a_worker_without_the_graph_calls_the_tool_of_that_name(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    queue = f"{client.task_queue}-far"
    asking(ToolCall("c1", "search", {"query": "x"}))
    far = Worker(client, [agent(other_search, name="other")], task_queue=queue)
    async with serve(agent(replace(search, task_queue=queue))), far:
        assert last((await client.run("agent", thread, "hi")).values) == "another x"


async def test_a_worker_without_the_graph_does_not_choose_among_several(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    queue = f"{client.task_queue}-far"
    asking(ToolCall("c1", "search", {"query": "x"}))
    far = Worker(client, [agent(search, name="one"), agent(other_search, name="two")], task_queue=queue)
    async with serve(agent(replace(search, task_queue=queue))), far:
        told = last((await client.run("agent", thread, "hi")).values)
    assert "tool 'search' of graph agent, which it does not serve" in told
