"""`oris_temporal.testing`: what users get for their own tests."""

from __future__ import annotations

import asyncio
import operator
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, TypedDict

import pytest
from questions import asking
from temporal_support import Serve

from oris_temporal import END, START, Command, CompiledGraph, Context, OrisClient, RetryPolicy, StateGraph
from oris_temporal.graph.errors import InterruptTimeoutError, SignalTimeoutError, ThreadNotFoundError
from oris_temporal.testing import FakeClock, ReplayingWorker, check_replay


class Log(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


def one(fn: object, **options: object) -> CompiledGraph:
    return (
        StateGraph(Log)
        .add_node("node", fn, **options)
        .add_edge(START, "node")
        .add_edge("node", END)
        .compile(name="one")
    )


CONFIG = {"configurable": {"thread_id": "t"}}


# --- the fake clock ------------------------------------------------------------------------------------------------


async def publish(state: Log, ctx: Context) -> dict:
    answer = await ctx.interrupt("Publish?", timeout="24h", default="no", escalate_after="1h")
    return {"log": [answer]}


async def test_a_deadline_passes_when_the_test_says_so() -> None:
    graph = one(publish)
    with FakeClock() as clock:
        paused = await graph.invoke({}, CONFIG)
        assert paused.interrupts[0].deadline == datetime(2030, 1, 2, tzinfo=UTC)
        await clock.advance("23h")
        waiting = await graph.get_state(CONFIG)
        assert waiting.interrupts[0].escalated
        await clock.advance("1h")
        assert (await graph.get_state(CONFIG)).values == {"log": ["no"]}


async def test_an_answer_in_time_counts() -> None:
    graph = one(publish)
    with FakeClock() as clock:
        await graph.invoke({}, CONFIG)
        await clock.advance("23h")
        done = await graph.invoke(Command(resume="yes"), CONFIG)
        await clock.advance("23h")
    assert done.values == {"log": ["yes"]}


async def test_a_deadline_without_a_default_fails_the_run() -> None:
    async def strictly(state: Log, ctx: Context) -> None:
        await ctx.interrupt("Publish?", timeout="24h")

    asked = asyncio.Event()

    async def for_ever(state: Log) -> None:
        asked.set()
        await asyncio.Event().wait()

    graph = StateGraph(Log).add_node("strictly", strictly).add_node("for_ever", for_ever)
    graph.add_edge(START, "strictly").add_edge(START, "for_ever").add_edge("strictly", END).add_edge("for_ever", END)
    with FakeClock() as clock:
        running = asyncio.ensure_future(graph.compile(name="both").invoke({}))
        await asked.wait()
        await clock.advance("24h")
        with pytest.raises(InterruptTimeoutError):
            await running


async def test_sleeping_passes_at_once_and_in_order() -> None:
    order: list[str] = []

    async def nap(state: Log, ctx: Context, *, name: str, hours: int) -> dict:
        await ctx.sleep(timedelta(hours=hours))
        order.append(f"{name} at {ctx.now().hour}")
        return {"log": [name]}

    graph = StateGraph(Log)
    for name, hours in (("long", 5), ("short", 2), ("middle", 3)):

        async def node(state: Log, ctx: Context, name: str = name, hours: int = hours) -> dict:
            return await nap(state, ctx, name=name, hours=hours)

        graph.add_node(name, node).add_edge(START, name).add_edge(name, END)
    before = time.monotonic()
    with FakeClock() as clock:
        result = await graph.compile(name="naps").invoke({})
        assert clock.now() == datetime(2030, 1, 1, 5, tzinfo=UTC)
    assert order == ["short at 2", "middle at 3", "long at 5"]
    assert result.values == {"log": ["long", "short", "middle"]}
    assert time.monotonic() - before < 5


async def test_waits_between_attempts_pass_at_once() -> None:
    attempts: list[datetime] = []

    with FakeClock() as clock:

        async def flaky(state: Log) -> dict:
            attempts.append(clock.now())
            if len(attempts) < 4:
                raise OSError("busy")
            return {"log": ["worked"]}

        retry = RetryPolicy(maximum_attempts=4, initial_interval="1h", maximum_interval="3h")
        result = await one(flaky, retry=retry).invoke({})
    assert result.values == {"log": ["worked"]}
    assert [(attempt - attempts[0]).total_seconds() / 3600 for attempt in attempts] == [0, 1, 3, 6]


async def test_a_sleeper_does_not_wait_for_people_who_do_not_answer() -> None:
    """A branch that sleeps for three days passes the deadline of one that waits for a day."""

    async def sleeper(state: Log, ctx: Context) -> dict:
        await ctx.sleep("3d")
        return {"log": ["slept"]}

    graph = StateGraph(Log).add_node("publish", publish).add_node("sleeper", sleeper)
    graph.add_edge(START, "publish").add_edge(START, "sleeper").add_edge("publish", END).add_edge("sleeper", END)
    with FakeClock():
        result = await graph.compile(name="both").invoke({})
    assert result.values == {"log": ["no", "slept"]}


async def test_a_signal_that_does_not_come() -> None:
    begun = asyncio.Event()

    async def wait(state: Log, ctx: Context) -> None:
        begun.set()
        await ctx.wait_signal("news", timeout="7d")

    graph = one(wait)
    with FakeClock() as clock:
        running = asyncio.ensure_future(graph.invoke({}, CONFIG))
        await begun.wait()
        await clock.advance("8d")
        with pytest.raises(SignalTimeoutError):
            await running


async def test_outside_of_its_block_time_is_real() -> None:
    with FakeClock():
        pass

    async def nap(state: Log, ctx: Context) -> dict:
        before = ctx.now()
        await ctx.sleep("20ms")
        return {"log": [str((ctx.now() - before) >= timedelta(milliseconds=20))]}

    assert (await one(nap).invoke({})).values == {"log": ["True"]}


# --- workers and the replay check ----------------------------------------------------------------------------------


async def test_a_replaying_worker_knows_every_run_it_carried(client: OrisClient, thread: str) -> None:
    inner = asking("left", name="inner")
    graph = StateGraph(Log).add_subgraph(
        "child", inner, input=lambda state: {}, output=lambda state: {"log": state["answers"]}, run_as="child_workflow"
    )
    outer = graph.add_edge(START, "child").add_edge("child", END).compile(name="outer")
    async with ReplayingWorker(client, [outer]) as worker:
        await client.run("outer", thread, {})
        await client.resume(thread, "yes")
        await client.run("outer", thread, {})
        workflow_ids = [workflow_id for workflow_id, _ in worker.runs]
        assert workflow_ids.count(thread) == 2
        assert len(workflow_ids) == 4  # and those of the child
        assert await worker.check_replay() == 4
        await client.cancel(thread)


async def test_check_replay_of_threads_or_of_all_that_a_task_queue_saw(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    graph = asking("left")
    async with serve(graph):
        for number in range(2):
            await client.run("asking", f"{thread}-{number}", {"answers": []})
        await client.resume(f"{thread}-0", "yes")
        await client.run("asking", f"{thread}-0", {"answers": []})
        assert await check_replay(client, [graph], [f"{thread}-0"]) == 2  # both runs
        assert await check_replay(client, [graph], [f"{thread}-0", f"{thread}-1"]) == 3
        assert await check_replay(client, [graph], []) == 0
        with pytest.raises(ThreadNotFoundError):
            await check_replay(client, [graph], ["nobody"])
        while await check_replay(client, [graph]) < 3:  # the list lags behind
            await asyncio.sleep(0.05)


async def test_the_fixtures_work_in_somebody_elses_project(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "from oris_temporal.testing import dev_server, oris_client, time_skipping_server\n"
    )
    (tmp_path / "test_mine.py").write_text(
        """
import asyncio

from oris_temporal import END, START, Context, Message, MessagesState, StateGraph
from oris_temporal.testing import ReplayingWorker


def greet(state: MessagesState) -> dict:
    return {"messages": [Message.ai("hello")]}


graph = StateGraph(MessagesState).add_node("greet", greet).add_edge(START, "greet").add_edge("greet", END)
hello = graph.compile(name="hello")


async def ask(state: MessagesState, ctx: Context) -> dict:
    return {"messages": [Message.ai(await ctx.interrupt("?", timeout="7d", default="nobody came"))]}


graph = StateGraph(MessagesState).add_node("ask", ask).add_edge(START, "ask").add_edge("ask", END)
patient = graph.compile(name="patient")


async def scenario(client):
    async with ReplayingWorker(client, [hello]) as worker:
        result = await client.run("hello", "t-1", "hi")
        assert result.values["messages"][-1]["content"] == "hello"
        assert await worker.check_replay() == 1


def test_one(oris_client):
    asyncio.run(scenario(oris_client))


async def a_week(server):
    async with ReplayingWorker(server.client, [patient]):
        await server.client.run("patient", "t-1", "hi")
        await server.skip("8d")
        result = await server.client.result("t-1")
        assert result.values["messages"][-1]["content"] == "nobody came"


def test_two(time_skipping_server):
    asyncio.run(a_week(time_skipping_server))
"""
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    output, _ = await process.communicate()
    assert "2 passed" in output.decode(), output.decode()
