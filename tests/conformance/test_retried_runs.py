"""Runs that failed and are tried again, on every host of ours, and with a history of a few events.

What finished keeps its results, what failed is done again, and nothing is left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from effects import note, ran
from hosts import Options, OrisHost, Record
from states import Log

from oris_temporal import END, START, CompiledGraph, Context, RetryPolicy, RunnableConfig, StateGraph, interrupt
from oris_temporal.graph.errors import OrisError, ToolError
from oris_temporal.tools import tool

ONCE = RetryPolicy(maximum_attempts=1)


@pytest.fixture
def host(any_host: OrisHost) -> OrisHost:
    return any_host


@pytest.fixture
def thread(host: OrisHost) -> str:
    return f"{host.name}-{uuid4().hex[:12]}"


class Switch:
    """Something that is broken until it is mended."""

    broken = True

    def check(self) -> None:
        if self.broken:
            raise RuntimeError("it is broken")


def chain(**nodes: Callable[..., Any] | CompiledGraph) -> StateGraph:
    graph = StateGraph(Log)
    previous = START
    for node, fn in nodes.items():
        graph.add_node(node, fn).add_edge(previous, node)
        previous = node
    return graph.add_edge(previous, END)


async def after(state: Log) -> dict[str, Any]:
    return {"log": ["after"]}


def route(state: Log) -> str:
    if "mended" not in state["log"]:
        raise RuntimeError("it is broken")
    return "after"


def failing_start(name: str) -> CompiledGraph:
    graph = StateGraph(Log).add_node("after", after).add_edge("after", END)
    return graph.add_conditional_edges(START, route, ["after"]).compile(name=name)


async def test_a_subgraph_that_failed_as_it_began_begins_again(host: OrisHost, thread: str) -> None:
    graph = chain(child=failing_start("failing_child"), last=after).compile(name="parent_of_failing")
    failed = await host.start(graph, {"log": []}, thread)
    assert (failed.status, failed.error) == ("failed", "condition")

    again = await host.retry(graph, thread)
    assert (again.status, again.error) == ("failed", "condition")
    latest = (await host.state(graph, thread)).checkpoint_id
    _, done = await host.fork(graph, thread, latest, {"log": ["mended"]})

    assert (done.status, done.values["log"][-2:]) == ("completed", ["after", "after"])


async def test_a_called_graph_that_failed_as_it_began_begins_again(host: OrisHost, thread: str) -> None:
    called = failing_start("failing_call")

    async def call(state: Log, ctx: Context) -> dict[str, Any]:
        return {"log": (await ctx.call_graph(called, {"log": state["log"]}))["log"]}

    graph = chain(call=call).add_graphs(called).compile(name="caller_of_failing")
    assert (await host.start(graph, {"log": []}, thread)).status == "failed"

    again = await host.retry(graph, thread)

    assert (again.status, again.error) == ("failed", "condition")


async def test_what_a_workflow_side_node_failed_with_is_done_again_and_nothing_else(
    host: OrisHost, thread: str
) -> None:
    switch = Switch()

    async def prepare(thread_id: str) -> str:
        ran[thread_id, "prepare"] += 1
        return "prepared"

    async def charge() -> str:
        switch.check()
        return "charged"

    async def pay(state: Log, ctx: Context) -> dict[str, Any]:
        prepared = await ctx.activity(prepare, ctx.thread_id)
        try:
            charged = await ctx.activity(charge, retry=ONCE)
        except Exception as error:
            raise RuntimeError("cannot pay") from error
        return {"log": [prepared, charged]}

    graph = chain(pay=pay).add_activity(prepare).add_activity(charge).compile(name="paying")
    failed = await host.start(graph, {"log": []}, thread)
    assert (failed.status, failed.error) == ("failed", "node")

    switch.broken = False
    done = await host.retry(graph, thread)

    assert (done.status, done.values) == ("completed", {"log": ["prepared", "charged"]})
    assert ran[thread, "prepare"] == 1


async def test_what_a_node_caught_is_not_done_again(host: OrisHost, thread: str) -> None:
    switch = Switch()

    @tool(retry=ONCE)
    async def look_up(thread_id: str) -> str:
        """Look something up."""
        ran[thread_id, "look_up"] += 1
        raise RuntimeError("nothing there")

    async def charge() -> None:
        switch.check()

    async def work(state: Log, ctx: Context) -> dict[str, Any]:
        try:
            await ctx.tool(look_up, {"thread_id": ctx.thread_id})
        except ToolError as error:
            found = error.kind
        await ctx.activity(charge, retry=ONCE)
        return {"log": [found]}

    graph = chain(work=work).add_tools(look_up).add_activity(charge).compile(name="catching")
    assert (await host.start(graph, {"log": []}, thread)).status == "failed"

    switch.broken = False
    done = await host.retry(graph, thread)

    assert done.status == "completed"
    assert ran[thread, "look_up"] == 1


def half_done(switch: Switch) -> CompiledGraph:
    async def charge(thread_id: str) -> None:
        ran[thread_id, "charge"] += 1

    async def pay(state: Log, ctx: Context) -> dict[str, Any]:
        await ctx.interrupt("pay?")
        for _ in range(4):
            await ctx.activity(charge, ctx.thread_id)
        return {"log": ["paid"]}

    async def send(state: Log, config: RunnableConfig) -> dict[str, Any]:
        await interrupt("send?")
        note(config, "send")
        switch.check()
        return {"log": ["sent"]}

    graph = StateGraph(Log).add_node("pay", pay).add_node("send", send, retry=ONCE).add_activity(charge)
    graph.add_edge(START, "pay").add_edge(START, "send").add_edge("pay", END).add_edge("send", END)
    return graph.compile(name="half_done")


async def test_finished_tasks_of_an_unfinished_superstep_keep_their_results(host: OrisHost, thread: str) -> None:
    switch = Switch()
    graph = half_done(switch)
    asked = await host.start(graph, {"log": []}, thread)
    await host.answer(graph, thread, asked.ids({"pay": 1}))
    assert [item.value for item in (await host.state(graph, thread)).interrupts] == ["send?"]
    assert (await host.resume(graph, thread, 1)).status == "failed"

    switch.broken = False
    done = await host.retry(graph, thread)

    assert (done.status, done.values) == ("completed", {"log": ["paid", "sent"]})
    assert ran[thread, "charge"] == 4
    assert ran[thread, "send"] == 2


async def test_a_replay_of_an_earlier_checkpoint_knows_nothing_of_what_was_done_after_it(
    host: OrisHost, thread: str
) -> None:
    switch = Switch()
    switch.broken = False
    graph = half_done(switch)
    asked = await host.start(graph, {"log": []}, thread)
    start = (await host.state(graph, thread)).checkpoint_id
    await host.answer(graph, thread, asked.ids({"pay": 1}))
    assert (await host.resume(graph, thread, 1)).status == "completed"

    again = await host.replay(graph, thread, start)

    assert [value for _, value in again.questions] == ["pay?", "send?"]
    assert ran[thread, "charge"] == 4


async def test_a_new_run_counts_its_supersteps_anew(host: OrisHost, thread: str) -> None:
    def again(state: Log) -> str:
        return END if len(state["log"]) == 8 else "after"

    graph = StateGraph(Log).add_node("after", after).add_edge(START, "after")
    looping = graph.add_conditional_edges("after", again, ["after", END]).compile(name="looping_on")
    failed = await host.start(looping, {"log": []}, thread, Options(recursion_limit=5))
    assert (failed.status, failed.error) == ("failed", "graph_recursion")

    done = await host.retry(looping, thread)

    assert (done.status, len(done.values["log"])) == ("completed", 8)


async def test_a_subgraph_that_was_stopped_as_it_began_begins_again(host: OrisHost, thread: str) -> None:
    switch = Switch()

    async def slow(state: Log) -> str:
        await asyncio.sleep(0.5)
        return "after"

    async def fails(state: Log) -> None:
        switch.check()

    child = StateGraph(Log).add_node("after", after).add_edge("after", END)
    child.add_conditional_edges(START, slow, ["after"])
    graph = StateGraph(Log).add_node("child", child.compile(name="slow_child")).add_node("fails", fails, retry=ONCE)
    graph.add_edge(START, "child").add_edge(START, "fails").add_edge("child", END).add_edge("fails", END)
    compiled = graph.compile(name="stopped_child")
    assert (await host.start(compiled, {"log": []}, thread)).status == "failed"

    switch.broken = False
    done = await host.retry(compiled, thread)

    assert (done.status, done.values, done.message) == ("completed", {"log": ["after"]}, "")


async def test_what_a_node_did_about_its_failure_is_no_result_of_the_next_try(host: OrisHost, thread: str) -> None:
    switch = Switch()

    async def charge() -> str:
        switch.check()
        return "charged"

    async def apologise() -> str:
        return "sorry"

    async def ship() -> str:
        return "shipped"

    async def pay(state: Log, ctx: Context) -> dict[str, Any]:
        try:
            charged = await ctx.activity(charge, retry=ONCE)
        except Exception:
            await ctx.activity(apologise)
            raise
        return {"log": [charged, await ctx.activity(ship)]}

    graph = chain(pay=pay).add_activity(charge).add_activity(apologise).add_activity(ship).compile(name="apologising")
    assert (await host.start(graph, {"log": []}, thread)).status == "failed"

    switch.broken = False
    done = await host.retry(graph, thread)

    assert (done.status, done.values) == ("completed", {"log": ["charged", "shipped"]})


async def test_what_a_node_did_when_it_was_stopped_is_no_result_of_the_next_try(host: OrisHost, thread: str) -> None:
    switch = Switch()

    async def apologise() -> str:
        return "sorry"

    async def ship() -> str:
        return "shipped"

    async def pay(state: Log, ctx: Context) -> dict[str, Any]:
        try:
            answer = await ctx.interrupt("pay?")
        except asyncio.CancelledError:
            await ctx.activity(apologise)
            raise
        return {"log": [answer, await ctx.activity(ship)]}

    async def fails(state: Log) -> None:
        switch.check()

    graph = StateGraph(Log).add_node("pay", pay).add_node("fails", fails, retry=ONCE)
    graph.add_activity(apologise).add_activity(ship)
    graph.add_edge(START, "pay").add_edge(START, "fails").add_edge("pay", END).add_edge("fails", END)
    stopped = graph.compile(name="stopped_payment")
    assert (await host.start(stopped, {"log": []}, thread)).status == "failed"

    switch.broken = False
    assert (await host.retry(stopped, thread)).questions == [("pay", "pay?")]
    done = await host.resume(stopped, thread, "yes")

    assert (done.status, done.values) == ("completed", {"log": ["yes", "shipped"]})


async def test_what_failed_at_once_is_done_again_at_once(host: OrisHost, thread: str) -> None:
    switch = Switch()

    async def charge(thread_id: str, number: int) -> str:
        ran[thread_id, number] += 1
        if number:
            switch.check()
        return f"charged {number}"

    async def pay(state: Log, ctx: Context) -> dict[str, Any]:
        charges = (ctx.branch(str(number)).activity(charge, ctx.thread_id, number, retry=ONCE) for number in range(3))
        charged = await asyncio.gather(*charges, return_exceptions=True)
        for item in charged:
            if isinstance(item, BaseException):
                raise item
        return {"log": charged}

    graph = chain(pay=pay).add_activity(charge).compile(name="charging_at_once")
    assert (await host.start(graph, {"log": []}, thread)).status == "failed"

    switch.broken = False
    done = await host.retry(graph, thread)

    assert (done.status, done.values) == ("completed", {"log": ["charged 0", "charged 1", "charged 2"]})
    assert [ran[thread, number] for number in range(3)] == [1, 2, 2]


async def test_a_replay_of_an_edit_keeps_what_had_finished_before_it(host: OrisHost, thread: str) -> None:
    switch = Switch()
    switch.broken = False
    graph = half_done(switch)
    asked = await host.start(graph, {"log": []}, thread)
    await host.answer(graph, thread, asked.ids({"pay": 1}))
    edited = await host.update_state(graph, thread, {"log": ["edited"]})
    assert (await host.resume(graph, thread, 1)).values == {"log": ["edited", "paid", "sent"]}

    again = await host.replay(graph, thread, edited)

    assert again.questions == [("send", "send?")]
    assert (await host.resume(graph, thread, 1)).values == {"log": ["edited", "paid", "sent"]}
    assert ran[thread, "charge"] == 4


async def refusal(call: Awaitable[Record]) -> str | None:
    """Code of the error that a call is refused with."""
    try:
        return (await call).error
    except OrisError as error:
        return error.code


async def test_an_answer_at_a_checkpoint_is_checked_before_anything_happens(host: OrisHost, thread: str) -> None:
    async def asks(state: Log, ctx: Context) -> dict[str, Any]:
        name = await ctx.interrupt("name?")
        return {"log": [name, str(await ctx.interrupt("age?", schema=int))]}

    async def asks_too(state: Log, ctx: Context) -> dict[str, Any]:
        return {"log": [str(await ctx.interrupt("how many?", schema=int))]}

    graph = chain(asks=asks, asks_too=asks_too).compile(name="checked_answers")
    await host.start(graph, {"log": []}, thread)
    start = (await host.state(graph, thread)).checkpoint_id
    for answer in ("ada", 36):
        await host.resume(graph, thread, answer)
    second = (await host.state(graph, thread)).checkpoint_id
    waiting = await host.resume_at(graph, thread, start, "grace")
    assert waiting.questions == [("asks", "age?")]

    assert await refusal(host.resume_at(graph, thread, second, "many")) == "invalid_answer"
    assert (await host.state(graph, thread)).interrupts[0].value == "age?"
    assert await refusal(host.resume_at(graph, thread, start, "no number")) is None

    done = await host.resume_at(graph, thread, second, 3)
    assert (done.status, done.values) == ("completed", {"log": ["ada", "36", "3"]})


async def test_a_retry_keeps_the_configuration_but_for_what_it_says(host: OrisHost, thread: str) -> None:
    async def loop(state: Log, config: RunnableConfig) -> dict[str, Any]:
        known = config["configurable"]
        return {"log": [f"{known['user']} {known.get('again')}"]}

    def again(state: Log) -> str:
        return END if len(state["log"]) == 8 else "loop"

    graph = StateGraph(Log).add_node("loop", loop).add_edge(START, "loop")
    looping = graph.add_conditional_edges("loop", again, ["loop", END]).compile(name="configured_again")
    options = Options(configurable={"user": "ada"}, recursion_limit=2)
    assert (await host.start(looping, {"log": []}, thread, options)).error == "graph_recursion"

    done = await host.retry(looping, thread, Options(configurable={"again": True}, recursion_limit=50))

    assert (done.status, done.values["log"]) == ("completed", ["ada None"] * 2 + ["ada True"] * 6)


async def test_a_run_from_a_checkpoint_stops_where_the_earlier_run_was_to_stop(host: OrisHost, thread: str) -> None:
    graph = chain(first=after, second=after, third=after).compile(name="stopping_again", interrupt_before=["third"])
    options = Options(interrupt_before=["second"], interrupt_after=["third"])

    async def stops(record: Record, thread: str) -> list[str]:
        found = []
        while record.status == "interrupted":
            found += [ask.node for ask in (await host.state(graph, thread)).interrupts]
            record = await host.proceed(graph, thread)
        return found

    assert await stops(await host.start(graph, {"log": []}, thread, options), thread) == ["second", "third"]
    assert await stops(await host.replay(graph, thread, "0001-000001"), thread) == ["second", "third"]
    fork, record = await host.fork(graph, thread, "0001-000001", {"log": ["edited"]})
    assert await stops(record, fork) == ["second", "third"]
