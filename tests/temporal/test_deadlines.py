"""Deadlines, escalation, sleeping and backoff, on a server whose clock the test moves."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, TypedDict

import pytest

from oris_temporal import (
    END,
    START,
    CompiledGraph,
    Context,
    OrisClient,
    RetryPolicy,
    StateGraph,
    ToolCall,
    create_agent,
    interrupt,
    tool,
)
from oris_temporal.agents import HumanInTheLoopMiddleware, agent_tool
from oris_temporal.models.fake import fake_model
from oris_temporal.testing import ReplayingWorker, TimeSkippingServer


class State(TypedDict):
    log: Annotated[list[str], operator.add]


failures: list[str] = []


async def by_default(state: State, ctx: Context) -> dict:
    answer = await ctx.interrupt("Publish?", timeout="24h", default={"ok": False}, escalate_after="1h")
    return {"log": [str(answer["ok"])]}


async def remote(state: State) -> dict:
    answer = await interrupt("Publish?", timeout="24h", default={"ok": False}, escalate_after="1h")
    return {"log": [str(answer["ok"])]}


@tool
async def publish() -> str:
    """Publish it, if somebody agrees."""
    answer = await interrupt("Publish?", timeout="24h", default={"ok": False}, escalate_after="1h")
    return str(answer["ok"])


publish_here = replace(publish, name="publish_here", run_as="workflow")


async def by_tool(state: State, ctx: Context) -> dict:
    return {"log": [(await ctx.tool("publish", {})).content]}


async def by_tool_here(state: State, ctx: Context) -> dict:
    return {"log": [(await ctx.tool("publish_here", {})).content]}


async def strictly(state: State, ctx: Context) -> dict:
    await ctx.interrupt("Publish?", timeout="24h")
    return {"log": ["answered"]}


async def patiently(state: State, ctx: Context) -> dict:
    await ctx.sleep("3d")
    return {"log": ["slept"]}


async def for_a_signal(state: State, ctx: Context) -> dict:
    return {"log": [await ctx.wait_signal("news", timeout="2h")]}


async def flaky(state: State, config: dict) -> dict:
    failures.append(config["configurable"]["thread_id"])
    if failures.count(config["configurable"]["thread_id"]) < 3:
        raise OSError("not yet")
    return {"log": ["worked"]}


async def hopeless(state: State) -> dict:
    failures.append("hopeless")
    raise OSError("never")


async def never_ends(state: State, ctx: Context) -> dict:
    with suppress(asyncio.CancelledError):
        await ctx.sleep("30d")
    await ctx.sleep("30d")
    return {}


async def fails(state: State, ctx: Context) -> dict:
    await ctx.sleep("1s")
    raise OSError("no disk")


def stubborn() -> CompiledGraph:
    """A node that does not let itself be cancelled, beside one that fails."""
    graph = StateGraph(State).add_node("never_ends", never_ends).add_node("fails", fails)
    for node in ("never_ends", "fails"):
        graph.add_edge(START, node).add_edge(node, END)
    return graph.compile(name="stubborn")


def one(name: str, fn: object, **options: object) -> CompiledGraph:
    graph = (
        StateGraph(State)
        .add_tools(publish, publish_here)
        .add_node("node", fn, **options)
        .add_edge(START, "node")
        .add_edge("node", END)
    )
    return graph.compile(name=name)


def in_a_child() -> CompiledGraph:
    graph = StateGraph(State).add_subgraph("sub", one("child", by_default), run_as="child_workflow")
    return graph.add_edge(START, "sub").add_edge("sub", END).compile(name="in_a_child")


@tool
async def delete(path: str) -> str:
    """Delete a file."""
    return f"{path} is gone"


def looked_at(on_timeout: Any) -> CompiledGraph:
    """An agent whose tool a person looks at within a day."""
    gate = HumanInTheLoopMiddleware({"delete": True}, timeout="24h", on_timeout=on_timeout)
    model = fake_model(ToolCall("call-1", "delete", {"path": "a"}), "Done.")
    return create_agent(model, [delete], name=f"looked_at_{on_timeout}", middleware=[gate])


def lead(reject: CompiledGraph) -> CompiledGraph:
    """An agent whose subagent has such a tool."""
    helper = agent_tool(reject, description="Cleans up.", name="clean")
    return create_agent(
        fake_model(ToolCall("call-1", "clean", {"task": "a"}), "Good.", name="lead"), [helper], name="lead"
    )


LOOKED_AT = [looked_at(what) for what in ("reject", "approve", "fail")]

answering = create_agent(
    fake_model("Storks."),
    name="answering",
    middleware=[HumanInTheLoopMiddleware(final_answer={"allowed_decisions": ["approve"]}, timeout="24h")],
)

GRAPHS = [
    *LOOKED_AT,
    answering,
    lead(LOOKED_AT[0]),
    in_a_child(),
    stubborn(),
    one("never_ends", never_ends),
    one("by_default", by_default),
    one("remote", remote),
    one("by_tool", by_tool),
    one("by_tool_here", by_tool_here),
    one("strictly", strictly),
    one("patiently", patiently),
    one("for_a_signal", for_a_signal),
    one("flaky", flaky, retry=RetryPolicy(initial_interval="1h", maximum_interval="8h")),
    one(
        "hopeless",
        hopeless,
        total_timeout="210m",
        retry=RetryPolicy(initial_interval="1h", maximum_interval="1h", maximum_attempts=0),
    ),
]


@pytest.fixture
async def server() -> AsyncIterator[TimeSkippingServer]:
    async with TimeSkippingServer() as server, ReplayingWorker(server.client, GRAPHS) as worker:
        yield server
        assert await worker.check_replay() > 0


@pytest.fixture
def client(server: TimeSkippingServer) -> OrisClient:
    return server.client


@pytest.mark.parametrize("graph", ["by_default", "remote", "by_tool", "by_tool_here"])
async def test_at_the_deadline_the_default_is_taken(server: TimeSkippingServer, client: OrisClient, graph: str) -> None:
    paused = await client.run(graph, "t", {"log": []})
    [question] = paused.interrupts
    assert question.deadline == question.created_at + timedelta(hours=24)

    await server.skip("23h")
    assert (await client.inspect("t")).status == "interrupted"
    await server.skip("2h")
    assert (await client.result("t")).values == {"log": ["False"]}
    [resumed] = [event for event in await client.timeline("t") if event.kind == "resumed"]
    assert resumed.data["default"] is True


async def test_at_the_deadline_of_a_child_workflow_its_default_answers_the_parents_question(
    server: TimeSkippingServer, client: OrisClient
) -> None:
    await client.run("in_a_child", "t", {"log": []})
    await server.skip("25h")
    assert (await client.result("t")).values == {"log": ["False"]}
    [item] = await client.interrupts("t", all=True)
    assert (item.status, item.answer, item.author) == ("resumed", {"ok": False}, None)
    [resumed] = [event for event in await client.timeline("t") if event.kind == "resumed"]
    assert resumed.data["default"] is True


@pytest.mark.parametrize(
    ("what", "told"),
    [("reject", "A person rejected this call of delete: Nobody decided in time."), ("approve", "a is gone")],
)
async def test_at_the_deadline_of_a_persons_look_at_a_tool(
    server: TimeSkippingServer, client: OrisClient, what: str, told: str
) -> None:
    paused = await client.run(f"looked_at_{what}", "t", "Clean up.")
    assert paused.interrupts[0].value["review_configs"][0]["allowed_decisions"] == ["approve", "edit", "reject"]
    await server.skip("25h")
    done = await client.result("t")
    assert [message["content"] for message in done.values["messages"]] == ["Clean up.", "", told, "Done."]


async def test_or_the_run_fails(server: TimeSkippingServer, client: OrisClient) -> None:
    await client.run("looked_at_fail", "t", "Clean up.")
    await server.skip("25h")
    done = await client.result("t")
    assert done.error is not None
    assert (done.status, done.error["code"]) == ("failed", "interrupt_timeout")


async def test_at_the_deadline_of_a_look_at_a_subagents_tool(server: TimeSkippingServer, client: OrisClient) -> None:
    paused = await client.run("lead", "t", "Clean up.")
    assert paused.status == "interrupted"
    await server.skip("25h")
    done = await client.result("t")
    assert [message["content"] for message in done.values["messages"]] == ["Clean up.", "", "Done.", "Good."]


async def test_at_the_deadline_of_a_look_at_an_answer(server: TimeSkippingServer, client: OrisClient) -> None:
    paused = await client.run("answering", "t", "Which birds?")
    assert paused.interrupts[0].value["review_configs"][0]["allowed_decisions"] == ["approve", "respond"]
    await server.skip("25h")
    done = await client.result("t")
    assert [message["content"] for message in done.values["messages"]] == ["Which birds?", "Nobody decided in time."]


async def test_an_answer_in_time_stops_the_clock(server: TimeSkippingServer, client: OrisClient) -> None:
    await client.run("by_default", "t", {"log": []})
    await server.skip("23h")
    assert (await client.resume("t", {"ok": True})).values == {"log": ["True"]}


async def test_without_a_default_the_run_fails_at_the_deadline(server: TimeSkippingServer, client: OrisClient) -> None:
    await client.run("strictly", "t", {"log": []})
    await server.skip("25h")
    result = await client.result("t")
    assert result.status == "failed"
    assert result.error is not None
    assert result.error["code"] == "interrupt_timeout"
    assert result.error["details"] == {"interrupt_id": "int-t-0"}
    assert "strictly.node" in result.error["message"]


@pytest.mark.parametrize("graph", ["by_default", "remote", "by_tool", "by_tool_here"])
async def test_a_question_that_waits_too_long_is_escalated(
    server: TimeSkippingServer, client: OrisClient, graph: str
) -> None:
    paused = await client.run(graph, "t", {"log": []})
    assert not paused.interrupts[0].escalated
    await server.skip("61m")
    [question] = await client.interrupts("t")
    assert question.escalated
    assert question.id == paused.interrupts[0].id
    assert (await client.inspect("t")).interrupts[0].escalated  # in the memo too, where lists read it
    assert (await client.resume("t", {"ok": True})).values == {"log": ["True"]}


async def test_sleeping_for_days(server: TimeSkippingServer, client: OrisClient) -> None:
    started = await server.now()
    await client.start("patiently", "t", {"log": []})
    await server.skip("4d")
    assert (await client.result("t")).values == {"log": ["slept"]}
    assert await server.now() >= started + timedelta(days=3)


async def test_a_signal_that_does_not_come(server: TimeSkippingServer, client: OrisClient) -> None:
    await client.start("for_a_signal", "t", {"log": []})
    await server.skip("3h")
    result = await client.result("t")
    assert result.error is not None
    assert (result.status, result.error["code"]) == ("failed", "signal_timeout")


async def test_waits_between_attempts_pass_at_once(server: TimeSkippingServer, client: OrisClient) -> None:
    await client.start("flaky", "flaky-1", {"log": []})
    await server.skip("4h")  # one hour before the second attempt, two before the third
    assert (await client.result("flaky-1")).values == {"log": ["worked"]}
    assert failures.count("flaky-1") == 3


async def test_all_attempts_together_have_a_limit(server: TimeSkippingServer, client: OrisClient) -> None:
    await client.start("hopeless", "t", {"log": []})
    await server.skip("5h")
    result = await client.result("t")
    assert result.error is not None
    assert (result.status, result.error["details"]["node"]) == ("failed", "hopeless.node")
    assert "never" in result.error["message"]  # what went wrong, not only that time ran out
    assert failures.count("hopeless") == 4  # at 0, 1, 2 and 3 hours


async def test_a_run_takes_no_longer_than_its_execution_timeout(server: TimeSkippingServer, client: OrisClient) -> None:
    await client.run("by_default", "t", {"log": []}, execution_timeout="1h")
    await server.skip("2h")
    info = await client.inspect("t")
    assert info.status == "failed"
    assert info.error is not None
    assert info.error["code"] == "timed_out"


async def test_a_sibling_that_does_not_clean_up_holds_a_failure_back_ten_minutes(
    server: TimeSkippingServer, client: OrisClient
) -> None:
    await client.start("stubborn", "t", {"log": []})
    await server.skip("9m")
    assert (await client.inspect("t")).status == "running"
    await server.skip("2m")
    result = await client.result("t")
    assert result.error is not None
    assert (result.status, result.error["details"]["node"]) == ("failed", "stubborn.fails")
    [given_up] = [event for event in await client.timeline("t") if event.node == "never_ends" and "error" in event.data]
    assert "did not end within 0:10:00" in given_up.data["error"]


async def test_a_node_that_does_not_clean_up_holds_a_cancel_back_ten_minutes(
    server: TimeSkippingServer, client: OrisClient
) -> None:
    await client.start("never_ends", "t", {"log": []})
    assert (await client.inspect("t")).next == ["node"]
    await client.temporal.get_workflow_handle("t").cancel()
    await server.skip("9m")
    assert (await client.inspect("t")).status == "running"
    await server.skip("2m")
    assert (await client.result("t")).status == "cancelled"


async def test_what_became_of_a_question_without_an_answer(server: TimeSkippingServer, client: OrisClient) -> None:
    await client.run("by_default", "default", {"log": []})
    await client.run("strictly", "strict", {"log": []})
    await client.run("strictly", "cancelled", {"log": []})
    await client.cancel("cancelled")
    await server.skip("25h")

    [by_default] = await client.interrupts("default", all=True)
    assert (by_default.status, by_default.answer, by_default.author) == ("resumed", {"ok": False}, None)
    for thread in ("strict", "cancelled"):
        [question] = await client.interrupts(thread, all=True)
        assert (question.status, question.answered_at) == ("rejected", None)
