"""Tenants share a cluster fairly: their name and the priority of a run reach the server."""

from __future__ import annotations

import operator
from typing import Annotated, TypedDict

from temporal_support import Serve, events

from oris_temporal import END, START, OrisClient, StateGraph


class Log(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


async def test_tenant_and_priority_reach_the_start_of_the_run_and_its_activities(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    graph = StateGraph(Log)
    graph.add_node("plain", lambda state: {"log": ["plain"]}).add_node("urgent", lambda state: {}, priority=1)
    graph.add_edge(START, "plain").add_edge("plain", "urgent").add_edge("urgent", END)
    async with serve(graph.compile(name="ranked")):
        await client.run("ranked", thread, {}, tenant="acme", priority=4)
        history = await events(client, thread)
    started = history[0].workflow_execution_started_event_attributes.priority
    assert (started.priority_key, started.fairness_key) == (4, "acme")
    plain, urgent = (
        event.activity_task_scheduled_event_attributes.priority
        for event in history
        if event.HasField("activity_task_scheduled_event_attributes")
    )
    assert (plain.priority_key, plain.fairness_key) in ((4, "acme"), (0, ""))  # unset: inherited from the run
    assert urgent.priority_key == 1
    assert urgent.fairness_key in ("acme", "")
    assert (await client.inspect(thread)).tenant == "acme"


async def test_a_replay_and_a_fork_have_the_same_tenant_and_priority(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    graph = StateGraph(Log).add_node("node", lambda state: {"log": ["x"]}).add_edge(START, "node").add_edge("node", END)
    async with serve(graph.compile(name="tenanted")):
        await client.run("tenanted", thread, {}, tenant="acme", priority=4)
        await client.replay(thread)
        fork = await client.fork(thread)
        assert (await client.inspect(thread)).tenant == "acme"
        assert (await client.inspect(fork.thread_id)).tenant == "acme"
        for again in (thread, fork.thread_id):
            started = (await events(client, again))[0].workflow_execution_started_event_attributes
            assert (started.priority.priority_key, started.priority.fairness_key) == (4, "acme")
