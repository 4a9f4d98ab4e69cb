"""`fuse=True`: nodes one after the other in one activity. A crash in the middle is in `test_crash_worker.py`."""

from __future__ import annotations

import operator
from typing import Annotated, TypedDict

import pytest
from temporal_support import Serve, event_counts, events

from oris_temporal import END, START, Command, CompiledGraph, OrisClient, RetryPolicy, StateGraph, interrupt


class Log(TypedDict, total=False):
    log: Annotated[list[str], operator.add]
    count: int


def chain(**nodes: object) -> CompiledGraph:
    graph = StateGraph(Log)
    names = list(nodes)
    retry = RetryPolicy(initial_interval="10ms")
    for name, fn in nodes.items():
        graph.add_node(name, fn, fuse=name != names[0], retry=retry)
    for one, other in zip([START, *names], [*names, END], strict=True):
        graph.add_edge(one, other)
    return graph.compile(name="chain")


async def first(state: Log) -> dict:
    return {"log": ["first"], "count": 1}


async def second(state: Log) -> dict:
    return {"log": [f"second after {state['log'][-1]}"], "count": state["count"] + 1}


def third(state: Log) -> dict:
    return {"log": [f"third at {state['count']}"]}


async def test_each_node_sees_what_those_before_it_wrote(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(chain(first=first, second=second, third=third)):
        result = await client.run("chain", thread, {})
        assert result.values == {"log": ["first", "second after first", "third at 2"], "count": 2}
        [scheduled] = [
            event.activity_task_scheduled_event_attributes
            for event in await events(client, thread)
            if event.HasField("activity_task_scheduled_event_attributes")
        ]
        assert scheduled.activity_type.name == "chain.first+second+third"
        history = await client.history(thread)
        assert [snapshot.next for snapshot in history] == [["first"], ["second"], ["third"], []]
        completed = [event.node for event in await client.timeline(thread) if event.kind == "task_completed"]
        assert completed == ["first", "second", "third"]


async def test_a_node_that_fails_is_tried_again_without_those_before_it(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    ran: list[str] = []

    async def counted(state: Log) -> dict:
        ran.append("counted")
        return {"log": ["counted"]}

    async def flaky(state: Log) -> dict:
        ran.append("flaky")
        if ran.count("flaky") < 3:
            raise OSError("busy")
        return {"log": ["flaky"]}

    async with serve(chain(counted=counted, flaky=flaky, third=lambda state: {"log": ["third"]})):
        result = await client.run("chain", thread, {})
    assert result.values["log"] == ["counted", "flaky", "third"]
    assert ran == ["counted", "flaky", "flaky", "flaky"]


async def test_a_node_that_asks_ends_the_chain_there(client: OrisClient, serve: Serve, thread: str) -> None:
    ran: list[str] = []

    async def counted(state: Log) -> dict:
        ran.append("counted")
        return {"log": ["counted"]}

    async def ask(state: Log) -> dict:
        return {"log": [await interrupt("ok?")]}

    async with serve(chain(counted=counted, ask=ask, after=lambda state: {"log": ["after"]})):
        paused = await client.run("chain", thread, {})
        assert (paused.next, paused.values) == (["ask"], {"log": ["counted"]})
        assert [item.node for item in paused.interrupts] == ["ask"]
        done = await client.resume(thread, "yes")
    assert done.values["log"] == ["counted", "yes", "after"]
    assert ran == ["counted"]


async def test_a_node_that_goes_elsewhere_ends_the_chain(client: OrisClient, serve: Serve, thread: str) -> None:
    async def jump(state: Log) -> Command:
        return Command(update={"log": ["jump"]}, goto="aside")

    graph = StateGraph(Log).add_node("jump", jump).add_node("tail", lambda state: {"log": ["tail"]}, fuse=True)
    graph.add_node("aside", lambda state: {"log": ["aside"]})
    graph.add_edge(START, "jump").add_edge("jump", "tail").add_edge("tail", END).add_edge("aside", END)
    async with serve(graph.compile(name="jumping")):
        result = await client.run("jumping", thread, {})
    assert result.values["log"] == ["jump", "tail", "aside"]


async def test_breakpoints_of_a_run_undo_the_fusing(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(chain(first=first, second=second, third=third)):
        paused = await client.run("chain", thread, {}, interrupt_before=["second"])
        assert (paused.status, paused.next) == ("interrupted", ["second"])
        done = await client.resume(thread)
        assert done.values["count"] == 2
    assert (await event_counts(client, thread))["ACTIVITY_TASK_SCHEDULED"] == 3


@pytest.mark.parametrize(("attempts", "status"), [(1, "failed"), (2, "completed")])
async def test_a_later_node_has_the_attempts_of_its_policy_and_no_more(
    client: OrisClient, serve: Serve, thread: str, attempts: int, status: str
) -> None:
    ran: list[str] = []

    async def one(state: Log) -> dict:
        ran.append("one")
        return {}

    async def two(state: Log) -> dict:
        ran.append("two")
        if ran.count("two") == 1:
            raise ConnectionError("once more")
        return {}

    retry = RetryPolicy(maximum_attempts=attempts, initial_interval=0.01)
    graph = StateGraph(Log).add_node("one", one).add_node("two", two, fuse=True, retry=retry)
    graph.add_edge(START, "one").add_edge("one", "two").add_edge("two", END)
    async with serve(graph.compile(name="fused")):
        done = await client.run("fused", thread, {})
    assert (done.status, ran) == (status, ["one", *["two"] * attempts])
