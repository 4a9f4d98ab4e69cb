"""Queries are plain JSON: the Web UI, the command line and any SDK may ask."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from questions import asking
from review_graph import review
from temporal_support import Serve, event_names
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client, OutboundInterceptor, QueryWorkflowInput
from temporalio.client import Interceptor as ClientInterceptor
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import HandleQueryInput, Interceptor, WorkflowInboundInterceptor

from oris_temporal import END, START, Context, MessagesState, OrisClient, StateGraph
from oris_temporal.devserver import DevServer


async def test_a_waiting_run_answers_them_all_at_no_cost(
    client: OrisClient, temporal: Client, serve: Serve, thread: str
) -> None:
    async with serve(review):
        await client.run("review", thread, "storks")
        before = await event_names(client, thread)
        handle = temporal.get_workflow_handle(thread)

        state = await handle.query("state")
        assert state["status"] == "interrupted"
        assert state["next"] == ["approve"]
        assert [item["id"] for item in state["interrupts"]] == [f"int-{thread}-0"]
        assert len(state["values"]["messages"]) == 2

        page = await handle.query("history")
        history = page["items"]
        assert not page["more"]
        assert [item["config"]["checkpoint_id"] for item in history] == ["0001-000001", "0001-000002"]
        assert "values" not in history[0]
        assert "values" in (await handle.query("history", args=["", True]))["items"][0]
        assert (await handle.query("checkpoint", "0001-000001"))["next"] == ["research"]
        assert await handle.query("checkpoint", "0009-000001") is None

        [interrupt] = (await handle.query("interrupts"))["items"]
        assert interrupt["value"] == {"question": "Publish?"}
        assert [event["event_type"] for event in (await handle.query("timeline"))["items"]][-1] == "interrupt"

        graph = await handle.query("graph")
        assert (graph["name"], graph["digest"]) == ("review", review.digest)
        assert graph["mermaid"] == review.to_mermaid()
        assert "messages" in graph["schema"]["properties"]

        assert await event_names(client, thread) == before
        json.dumps([state, history, interrupt, graph])


async def test_a_closed_run_answers_them_too(client: OrisClient, temporal: Client, serve: Serve, thread: str) -> None:
    async with serve(asking("left")):
        await client.run("asking", thread, {"answers": []})
        await client.resume(thread, "yes")
        handle = temporal.get_workflow_handle(thread)
        assert await handle.query("state") == {
            "status": "completed",
            "checkpoint_id": "0001-000002",
            "values": {"answers": ["left=yes"]},
            "next": [],
            "interrupts": [],
        }
        assert (await handle.query("interrupts"))["items"] == []
        assert [item["status"] for item in (await handle.query("interrupts", True))["items"]] == ["resumed"]
        assert len((await handle.query("history"))["items"]) == 2


async def test_every_signal_update_and_query_is_described_for_the_web_ui(
    client: OrisClient, temporal: Client, serve: Serve, thread: str
) -> None:
    async with serve(review):
        await client.run("review", thread, "storks")
        metadata = await temporal.get_workflow_handle(thread).query(
            "__temporal_workflow_metadata", result_type=WorkflowMetadata
        )
    definition = metadata.definition
    assert definition.type == "review"
    for found, names in (
        (definition.query_definitions, {"state", "history", "interrupts", "timeline", "graph"}),
        (definition.signal_definitions, {"resume"}),
        (definition.update_definitions, {"resume", "reject", "update_state", "wait"}),
    ):
        described = {item.name: item.description for item in found}
        assert names <= described.keys()
        assert all(described[name] for name in names)


class Refusing(Interceptor):
    """A worker with it answers no query, as one that has too much to do."""

    def workflow_interceptor_class(self, input: Any) -> type[WorkflowInboundInterceptor]:
        class Inbound(WorkflowInboundInterceptor):
            async def handle_query(self, input: HandleQueryInput) -> Any:
                raise RuntimeError("not now")

        return Inbound


async def test_who_waits_is_told_of_a_question_also_when_the_run_cannot_be_asked_just_then(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    go_on = asyncio.Event()

    async def research(state: MessagesState) -> dict:
        await go_on.wait()
        return {}

    async def approve(state: MessagesState, ctx: Context) -> dict:
        return {"messages": [await ctx.interrupt("Publish?")]}

    graph = StateGraph(MessagesState).add_node("research", research).add_node("approve", approve)
    graph.add_edge(START, "research").add_edge("research", "approve").add_edge("approve", END)
    async with serve(graph.compile(name="held"), interceptors=[Refusing()]), asyncio.timeout(30):
        await client.start("held", thread, "storks")
        waiting = asyncio.create_task(client.result(thread))
        assert (await client.inspect(thread)).status == "running"
        go_on.set()
        result = await waiting
    assert (result.status, [item.value for item in result.interrupts]) == ("interrupted", ["Publish?"])


class LosesQuestions(ClientInterceptor):
    """Something happens when a run is first asked, and the question is lost over it."""

    def __init__(self, happens: Callable[[], Awaitable[object]]) -> None:
        self._happens: list[Callable[[], Awaitable[object]]] = [happens]

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        happens = self._happens

        class Losing(OutboundInterceptor):
            async def query_workflow(self, input: QueryWorkflowInput) -> Any:
                if not happens:
                    return await self.next.query_workflow(input)
                await happens.pop()()
                raise RPCError("lost", RPCStatusCode.UNAVAILABLE, b"")

        return Losing(next)


@pytest.mark.parametrize("ends", ["completed", "cancelled"])
async def test_a_run_that_ends_while_it_is_read_is_read_as_it_ended(
    client: OrisClient, dev_server: DevServer, serve: Serve, thread: str, ends: str
) -> None:
    async def end() -> None:
        await (client.resume(thread, "yes") if ends == "completed" else client.cancel(thread, reason="enough"))

    async with serve(asking("left")):
        await client.run("asking", thread, {"answers": []})
        reader = OrisClient(await dev_server.connect(interceptors=[LosesQuestions(end)]), task_queue=client.task_queue)
        info = await reader.inspect(thread)
    assert info.status == ends
    assert info.values == {"answers": ["left=yes"] if ends == "completed" else []}
    assert info.reason == (None if ends == "completed" else "enough")
