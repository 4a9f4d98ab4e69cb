"""Models of different providers on task queues of their own, with limits of their own."""

from __future__ import annotations

import asyncio

import pytest
from temporal_support import Serve, events
from temporalio.api.enums.v1 import EventType

from oris_temporal import END, START, Context, MessagesState, OrisClient, StateGraph, Worker
from oris_temporal.graph.errors import ConfigurationError
from oris_temporal.models import ModelReply, ModelRequest, Provider, register_provider
from oris_temporal.models.providers import Emit


class Quick:
    """A provider that answers at once."""

    async def generate(self, request: ModelRequest, emit: Emit) -> ModelReply:
        return ModelReply("yes", model="quick-1")

    async def close(self) -> None: ...


@pytest.fixture(autouse=True)
def providers() -> None:
    for name in ("one", "two", "three"):
        register_provider(Provider(name, lambda settings: Quick(), aliases=[f"the-{name}"]))


async def ask_all(state: MessagesState, ctx: Context) -> dict:
    return {"messages": [await ctx.llm(f"{name}:m", state["messages"]) for name in ("one", "two", "three")]}


async def ask_much(state: MessagesState, ctx: Context) -> dict:
    await asyncio.gather(*(ctx.llm("one:m", state["messages"]) for _ in range(12)))
    return {}


def graph_of(node, name: str):  # type: ignore[no-untyped-def]
    return (
        StateGraph(MessagesState)
        .add_node("node", node)
        .add_edge(START, "node")
        .add_edge("node", END)
        .compile(name=name)
    )


async def test_each_provider_has_its_queue_and_the_others_the_runs_own(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    queues = {"one": f"{client.task_queue}-one", "the-two": f"{client.task_queue}-two"}
    graph = graph_of(ask_all, "asking")
    async with (
        serve(graph, model_task_queue=queues),
        Worker(client, [], task_queue=queues["one"]),  # it calls models and knows no graph
        Worker(client, [], task_queue=queues["the-two"]),
    ):
        done = await client.run("asking", thread, "hello")
    assert done.status == "completed"
    scheduled = [
        event.activity_task_scheduled_event_attributes.task_queue.name
        for event in await events(client, thread)
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    assert scheduled == [queues["one"], queues["the-two"], client.task_queue]


async def test_a_limit_of_calls_per_second_holds_on_its_queue(client: OrisClient, serve: Serve, thread: str) -> None:
    queue = f"{client.task_queue}-one"
    graph = graph_of(ask_much, "asking")
    async with (
        serve(graph, model_task_queue={"one": queue}),
        Worker(client, [], task_queue=queue, max_task_queue_activities_per_second=4),
    ):
        await client.run("asking", thread, "hello")
    started = [
        event.event_time.ToMilliseconds()
        for event in await events(client, thread)
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
    ]
    assert len(started) == 12
    assert (
        max(started) - min(started) >= 1_500
    )  # (12 - a burst of 4) / 4 takes 2 s; without the limit it is some 100 ms


def test_a_provider_that_nobody_knows_is_refused(client: OrisClient) -> None:
    with pytest.raises(ConfigurationError, match="There is no model provider 'opnai'"):
        Worker(client, [], model_task_queue={"opnai": "models"})


def test_a_provider_with_two_queues_is_refused(client: OrisClient) -> None:
    with pytest.raises(ConfigurationError, match="two task queues for provider 'one'"):
        Worker(client, [], model_task_queue={"one": "a", "the-one": "b"})
