"""``ctx.llm``: a model call is one activity, its conversation is passed by reference, and its errors are typed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel
from scripted_provider import ScriptedProvider, say
from temporal_support import Serve, event_counts, events, eventually
from temporalio.api.enums.v1 import EventType

from oris_temporal import END, START, CompiledGraph, Context, Message, MessagesState, OrisClient, StateGraph
from oris_temporal.agents import llm_node
from oris_temporal.graph.errors import ConfigurationError, ModelError
from oris_temporal.models import ModelReply, ModelRequest, ToolSpec, Usage
from oris_temporal.models.providers import Emit

SEARCH = ToolSpec("search", "Search the library.", {"type": "object", "properties": {"query": {"type": "string"}}})


def graph_of(node: Callable[..., Any], name: str = "talk", router: Callable[..., Any] | None = None) -> CompiledGraph:
    graph = StateGraph(MessagesState).add_node("node", node).add_edge(START, "node")
    if router is None:
        graph.add_edge("node", END)
    else:
        graph.add_conditional_edges("node", router, ["node", END])
    return graph.compile(name=name)


async def talk(state: MessagesState, ctx: Context) -> dict:
    return {"messages": [await ctx.llm("scripted:one", state["messages"], temperature=0.5, tools=[SEARCH])]}


async def echo(request: ModelRequest, emit: Emit, call: int) -> ModelReply:
    return await say(f"You said: {request.messages[-1].content}", emit)


def texts(values: dict[str, Any]) -> list[str]:
    return [message["content"] for message in values["messages"]]


async def test_a_call_is_one_activity_and_answers_with_a_message(client: OrisClient, serve: Serve, thread: str) -> None:
    provider = ScriptedProvider(echo)
    async with serve(graph_of(talk)):
        done = await client.run("talk", thread, "hello")
    assert texts(done.values) == ["hello", "You said: hello"]
    assert done.values["messages"][1]["extra"] == {
        "provider": "scripted",
        "model": "scripted-1",
        "stop_reason": "stop",
        "usage": {"prompt": 10, "completion": 3, "calls": 1, "unpriced": 1},
    }
    [request] = provider.requests
    assert (request.model.name, request.model.options.temperature) == ("scripted:one", 0.5)
    assert request.tools == [SEARCH]
    [scheduled] = [
        event
        for event in await events(client, thread)
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    assert scheduled.activity_task_scheduled_event_attributes.activity_type.name == "llm"
    assert scheduled.user_metadata.summary.data == b'"scripted:one - 1 message"'
    assert "1/node/0" in str(scheduled.event_group_markers)


async def test_the_same_in_this_process(client: OrisClient, serve: Serve, thread: str) -> None:
    ScriptedProvider(echo)
    graph = graph_of(talk)
    here = await graph.invoke("hello")
    async with serve(graph):
        there = await client.run("talk", thread, "hello")
    assert here.values == there.values


async def test_a_conversation_is_in_history_once(client: OrisClient, serve: Serve, thread: str) -> None:
    """50 turns of a loop with tool results of 5 kB, on a prompt of 100 kB. With full inputs: above 11 MB."""

    async def answer(request: ModelRequest, emit: Emit, call: int) -> ModelReply:
        assert len(request.messages) == 1 + 2 * call
        wanted = {"id": f"call-{call}", "type": "function", "function": {"name": "search", "arguments": "{}"}}
        return ModelReply("", [wanted], stop_reason="tool_calls", model="scripted-1")

    async def loop(state: MessagesState, ctx: Context) -> dict:
        reply = await ctx.llm("scripted:one", state["messages"], tools=[SEARCH])
        found = await ctx.activity(look_up, reply.calls[0].id)
        return {"messages": [reply, Message.tool(found, reply.calls[0].id)]}

    async def look_up(call: str) -> str:
        return call + "." * 5_000

    def again(state: MessagesState) -> str:
        return "node" if len(state["messages"]) < 101 else END

    graph = StateGraph(MessagesState).add_node("node", loop).add_activity(look_up).add_edge(START, "node")
    graph.add_conditional_edges("node", again, ["node", END])
    ScriptedProvider(answer)
    async with serve(graph.compile(name="turns"), max_cached_workflows=10):
        done = await client.run("turns", thread, "x" * 100_000)
    assert len(done.values["messages"]) == 101
    info = await client.inspect(thread)
    result = sum(len(message["content"]) for message in done.values["messages"])
    assert info.history_bytes - result < 500_000  # the final state is the workflow's result, whoever runs it


async def test_any_number_of_conversations_at_once(client: OrisClient, serve: Serve, thread: str) -> None:
    async def ask_many(state: MessagesState, ctx: Context) -> dict:
        prompts = [f"{number} {'x' * 2_500}" for number in range(40)]
        calls = [ctx.branch(str(number)).llm("scripted:one", [prompt]) for number, prompt in enumerate(prompts)]
        return {"messages": await asyncio.gather(*calls)}

    ScriptedProvider(lambda request, emit, call: say(request.messages[0].content.partition(" ")[0], emit))
    async with serve(graph_of(ask_many), max_cached_workflows=10):
        done = await client.run("talk", thread, "hello")
    assert texts(done.values)[1:] == [str(number) for number in range(40)]


async def test_watchers_get_what_it_writes_as_it_is_written(client: OrisClient, serve: Serve, thread: str) -> None:
    gate = asyncio.Event()
    ScriptedProvider(lambda request, emit, call: say("one two three", emit, gate=gate))
    async with serve(graph_of(talk), max_cached_workflows=10):
        await client.start("talk", thread, "hello")
        said: list[Any] = []
        async for chunk in client.stream(thread, mode="messages"):
            message, where = chunk.data
            said.append(message)
            assert where["graph_node"] == "node"
            if message["content"].endswith("two"):
                gate.set()
        assert (await event_counts(client, thread))["ACTIVITY_TASK_COMPLETED"] == 1
    written = "".join(message["content"] for message in said if message.get("chunk"))
    assert written.startswith("one two")
    assert "one two three".startswith(written)
    assert [message["content"] for message in said if not message.get("chunk")] == ["one two three"]


async def test_a_provider_that_fails_for_a_moment_is_asked_again(client: OrisClient, serve: Serve, thread: str) -> None:
    async def busy(request: ModelRequest, emit: Emit, call: int) -> ModelReply:
        if call == 0:
            emit({"type": "text", "text": "half an ans"})
            raise ModelError("Too fast.", kind="rate_limit", provider="scripted", status=429, retry_after=0.05)
        return await say("the answer", emit)

    for host in ("process", "temporal"):
        provider = ScriptedProvider(busy)
        graph = graph_of(talk)
        if host == "process":
            values = (await graph.invoke("hello")).values
        else:
            async with serve(graph):
                values = (await client.run("talk", thread, "hello")).values
        assert texts(values) == ["hello", "the answer"]
        assert len(provider.requests) == 2


async def test_one_that_refuses_ends_the_run_with_a_typed_error(client: OrisClient, serve: Serve, thread: str) -> None:
    async def refuse(request: ModelRequest, emit: Emit, call: int) -> ModelReply:
        raise ModelError("No such model.", kind="not_found", provider="scripted", status=404)

    provider = ScriptedProvider(refuse)
    graph = graph_of(talk)
    with pytest.raises(ModelError, match=r"talk\.node: No such model") as here:
        await graph.invoke("hello")
    async with serve(graph):
        done = await client.run("talk", thread, "hello")
    assert done.error is not None
    assert (done.status, done.error["code"], done.error["message"]) == (
        "failed",
        "model",
        "talk.node: No such model.",
    )
    expected = {"kind": "not_found", "provider": "scripted", "status": 404, "node": "talk.node"}
    assert done.error["details"] == here.value.details == expected
    assert len(provider.requests) == 2  # once on each host


async def test_a_node_may_answer_for_a_model_that_fails(client: OrisClient, serve: Serve, thread: str) -> None:
    async def careful(state: MessagesState, ctx: Context) -> dict:
        try:
            return {"messages": [await ctx.llm("scripted:one", state["messages"], max_retries=1)]}
        except ModelError as error:
            return {"messages": [Message.ai(f"{error.kind}: no answer")]}

    async def down(request: ModelRequest, emit: Emit, call: int) -> ModelReply:
        raise ModelError("Down.", kind="server", provider="scripted", status=500, retry_after=0.01)

    provider = ScriptedProvider(down)
    async with serve(graph_of(careful)):
        done = await client.run("talk", thread, "hello")
    assert texts(done.values) == ["hello", "server: no answer"]
    assert len(provider.requests) == 2


async def test_one_that_does_not_answer_in_time_is_a_model_error(client: OrisClient, serve: Serve, thread: str) -> None:
    async def never(request: ModelRequest, emit: Emit, call: int) -> ModelReply:
        await asyncio.Event().wait()
        raise AssertionError

    async def answer(state: MessagesState, ctx: Context) -> dict:
        try:
            return {"messages": [await ctx.llm("scripted:one", ["hi"], timeout="100ms", max_retries=0)]}
        except ModelError as error:
            return {"messages": [Message.ai(f"{error.kind} of {error.provider}")]}

    ScriptedProvider(never)
    graph = graph_of(answer)
    here = await graph.invoke("hello")
    async with serve(graph):
        there = await client.run("talk", thread, "hello")
    assert texts(here.values) == texts(there.values) == ["hello", "timeout of scripted"]


async def test_missing_credentials_name_the_variable(
    client: OrisClient, serve: Serve, thread: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask(state: MessagesState, ctx: Context) -> dict:
        return {"messages": [await ctx.llm("anthropic:claude-x", state["messages"])]}

    for name in ("ANTHROPIC_API_KEY", "CLAUDE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    async with serve(graph_of(ask)):
        done = await client.run("talk", thread, "hello")
    assert done.error is not None
    assert done.error["details"]["kind"] == "credentials"
    assert "ANTHROPIC_API_KEY or CLAUDE_API_KEY" in done.error["message"]


async def test_a_wrong_option_ends_the_run_at_once(client: OrisClient, serve: Serve, thread: str) -> None:
    async def ask(state: MessagesState, ctx: Context) -> dict:
        return {"messages": [await ctx.llm("scripted:one", state["messages"], temprature=1)]}

    provider = ScriptedProvider(echo)
    async with serve(graph_of(ask)):
        done = await client.run("talk", thread, "hello")
    assert done.error is not None
    assert "'temprature'" in done.error["message"]
    assert provider.requests == []
    with pytest.raises(Exception, match="temprature") as here:
        await graph_of(ask).invoke("hello")
    assert isinstance(here.value, ConfigurationError) or isinstance(here.value.__cause__, ConfigurationError)


async def test_a_ready_node_puts_its_instructions_before_the_conversation(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    provider = ScriptedProvider(echo)
    node = llm_node("scripted:one", system_prompt="Be brief.", temperature=0)
    async with serve(graph_of(node)):
        done = await client.run("talk", thread, "hello")
    assert texts(done.values) == ["hello", "You said: hello"]
    [request] = provider.requests
    assert [message.content for message in request.messages] == ["Be brief.", "hello"]
    assert request.model.options.temperature == 0


async def test_cancelling_the_run_ends_the_request(client: OrisClient, serve: Serve, thread: str) -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def endless(request: ModelRequest, emit: Emit, call: int) -> ModelReply:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    ScriptedProvider(endless)
    async with serve(graph_of(talk)):
        await client.start("talk", thread, "hello")
        await started.wait()
        cancelled = await client.cancel(thread)
        async with asyncio.timeout(5):
            await ended.wait()
    assert cancelled.status == "cancelled"


class Bird(BaseModel):
    legs: int


async def test_an_answer_that_is_not_of_the_type_is_asked_for_again(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async def answer(request: ModelRequest, emit: Emit, call: int) -> ModelReply:
        return await say("two" if call < 4 else '{"legs": 2}', emit)

    graph = graph_of(llm_node("scripted:one", response_format=Bird))
    provider = ScriptedProvider(answer)
    async with serve(graph):
        failed = await client.run("talk", thread, "hello")
        assert failed.error is not None
        assert (failed.status, failed.error["code"]) == ("failed", "structured_output")
        assert len(provider.requests) == 3
        last = (await client.history(thread))[-1]
        again = await client.replay(thread, last.checkpoint_id)
    assert texts(again.values) == ["hello", '{"legs": 2}']
    assert [len(request.messages) for request in provider.requests] == [1, 3, 5, 1, 3]
    assert "legs" not in provider.requests[1].messages[-1].content
    assert "is no Bird" in provider.requests[1].messages[-1].content


async def test_usage_and_conversation_survive_continue_as_new(client: OrisClient, serve: Serve, thread: str) -> None:
    async def again(state: MessagesState, ctx: Context) -> dict:
        return {"messages": [await ctx.llm("scripted:one", state["messages"])]}

    def router(state: MessagesState) -> str:
        return "node" if len(state["messages"]) < 13 else END

    provider = ScriptedProvider(lambda request, emit, call: say(f"answer {len(request.messages)}", emit))
    async with serve(graph_of(again, router=router), max_cached_workflows=10):
        done = await client.run("talk", thread, "hello", continue_as_new_after=30)
        info = await client.inspect(thread)
    assert texts(done.values) == ["hello", *(f"answer {number}" for number in range(1, 13))]
    used = {"scripted:one": Usage(prompt=120, completion=24, calls=12, unpriced=12)}
    assert done.usage == used == info.usage
    assert [len(request.messages) for request in provider.requests] == list(range(1, 13))


async def test_models_may_have_a_task_queue_of_their_own(client: OrisClient, serve: Serve, thread: str) -> None:
    ScriptedProvider(echo)
    queue = f"{client.task_queue}-models"
    graph = graph_of(talk)
    async with serve(graph, model_task_queue=queue), serve(graph, task_queue=queue):
        done = await client.run("talk", thread, "hello")
        assert texts(done.values)[-1] == "You said: hello"

        async def queues() -> list[str]:
            return [
                event.activity_task_scheduled_event_attributes.task_queue.name
                for event in await events(client, thread)
                if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
            ]

        assert await eventually(queues) == [queue]
