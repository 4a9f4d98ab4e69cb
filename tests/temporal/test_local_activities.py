"""`run_as="local"`: a node as a local activity, for short work."""

from __future__ import annotations

import operator
from typing import Annotated, TypedDict

from temporal_support import Serve, event_counts

from oris_temporal import END, NO_RETRY, START, OrisClient, RetryPolicy, StateGraph, interrupt


class Log(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


async def test_it_runs_in_the_worker_that_has_the_workflow(client: OrisClient, serve: Serve, thread: str) -> None:
    graph = StateGraph(Log)
    graph.add_node("plain", lambda state: {"log": ["plain"]}, run_as="local")

    async def later(state: Log) -> dict:
        return {"log": [*state["log"], "later"]}

    graph.add_node("later", later, run_as="local")
    graph.add_edge(START, "plain").add_edge("plain", "later").add_edge("later", END)
    async with serve(graph.compile(name="locally")):
        result = await client.run("locally", thread, {})
    assert result.values == {"log": ["plain", "plain", "later"]}
    counts = await event_counts(client, thread)
    assert (counts["MARKER_RECORDED"], counts["ACTIVITY_TASK_SCHEDULED"]) == (2, 0)


async def test_it_is_retried_and_fails_like_any_node(client: OrisClient, serve: Serve, thread: str) -> None:
    attempts: list[str] = []

    async def flaky(state: Log) -> dict:
        attempts.append("flaky")
        if len(attempts) < 3:
            raise OSError("busy")
        return {"log": ["worked"]}

    async def bad(state: Log) -> dict:
        raise OSError("broken")

    graph = StateGraph(Log)
    graph.add_node("flaky", flaky, run_as="local", retry=RetryPolicy(initial_interval="5ms"))
    graph.add_node("bad", bad, run_as="local", retry=NO_RETRY)
    graph.add_edge(START, "flaky").add_edge("flaky", "bad").add_edge("bad", END)
    async with serve(graph.compile(name="locally"), max_cached_workflows=10):
        result = await client.run("locally", thread, {})
    assert result.error is not None
    assert (result.status, result.error["details"]["node"]) == ("failed", "locally.bad")
    assert result.values == {"log": ["worked"]}
    assert len(attempts) == 3


async def test_it_may_ask_people(client: OrisClient, serve: Serve, thread: str) -> None:
    async def ask(state: Log) -> dict:
        return {"log": [await interrupt("ok?")]}

    graph = StateGraph(Log).add_node("ask", ask, run_as="local").add_edge(START, "ask").add_edge("ask", END)
    async with serve(graph.compile(name="locally")):
        paused = await client.run("locally", thread, {})
        assert [item.value for item in paused.interrupts] == ["ok?"]
        assert (await client.resume(thread, "yes")).values == {"log": ["yes"]}
