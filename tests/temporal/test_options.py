"""An option that cannot be is refused before anything happens on the server, by an error that says what it may be."""

from __future__ import annotations

import re
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from questions import Answers, asking
from temporal_support import Serve

from oris_temporal import OrisClient, StateGraph
from oris_temporal.errors import InvalidOptionError, InvalidThreadIdError, InvalidUpdateError, NodeNotFoundError

left = asking("left")

Call = Callable[[OrisClient, str], Awaitable[Any]]


def run(thread_id: Any = None, graph: Any = "asking", **options: Any) -> Call:
    return lambda client, thread: client.run(
        graph, thread if thread_id is None else thread_id, {"answers": []}, **options
    )


BAD_RUNS: dict[str, tuple[Call, str]] = {
    "no graph": (run(graph=None), "graph=None must be the name of a graph, or a CompiledGraph"),
    "empty graph": (run(graph=""), "graph='' must be"),
    "uncompiled": (run(graph=StateGraph(Answers)), r"StateGraph that is not compiled"),
    "unknown option": (run(on_conflit="fail"), "no option 'on_conflit'; there are config, context"),
    "wait": (run(wait=0), "wait=0: .*not longer than zero"),
    "wait without a unit": (run(wait="10"), "wait='10': .*is not a duration. Write text such as \"1h30m\""),
    "on_conflict": (run(on_conflict="error"), "on_conflict='error' must be 'fail' or 'replace'"),
    "on_timeout": (run(on_timeout="zz"), "on_timeout='zz' must be 'failed' or 'cancelled'"),
    "execution_timeout": (run(execution_timeout="0s"), "execution_timeout='0s'"),
    "priority low": (run(priority=0), r"priority=0 must be 1 \(first\) to 5 \(last\)"),
    "priority high": (run(priority=9), r"priority=9 must be 1 \(first\) to 5 \(last\)"),
    "priority text": (run(priority="1"), "priority='1' must be"),
    "long tenant": (run(tenant="t" * 256), "tenant='t+... must be text of 1 to 255 bytes"),
    "empty tenant": (run(tenant=""), "tenant='' must be text"),
    "key": (run(idempotency_key=5), "idempotency_key=5 must be text"),
    "queue": (run(task_queue=""), "task_queue='' must be text"),
    "breakpoints as text": (run(interrupt_before="left"), "interrupt_before='left' must be a list of node names"),
    "breakpoints of something": (run(interrupt_after=[1]), "interrupt_after=.1. must be a list of node names"),
    "no events": (run(continue_as_new_after=0), "continue_as_new_after=0 must be a whole number from 1"),
    "events as text": (run(continue_as_new_after="x"), "continue_as_new_after='x' must be"),
    "config": (run(config=[]), r"config=\[\] must be an object"),
    "another thread": (
        run(config={"configurable": {"thread_id": "zz"}}),
        "thread_id='t-.*' must be the one that config names, 'zz', or one of them be left out",
    ),
    "replay of another thread": (
        lambda client, thread: client.replay(thread, config={"configurable": {"thread_id": "zz"}}),
        "thread_id='t-.*' must be the one that config names, 'zz'",
    ),
    "replay of another checkpoint": (
        lambda client, thread: client.replay(
            thread, "0001-000001", config={"configurable": {"checkpoint_id": "0001-000002"}}
        ),
        "checkpoint_id='0001-000001' must be the one that config names, '0001-000002'",
    ),
    "a run from a checkpoint": (
        run(config={"configurable": {"checkpoint_id": "0001-000001"}}),
        r"config names checkpoint '0001-000001', .*replay\(thread_id, checkpoint_id\)",
    ),
    "from_last_state": (run(from_last_state="no"), "from_last_state='no' must be"),
    "last state and wait": (run(from_last_state=True, wait="10"), "wait='10'"),
    "replay and wait": (lambda client, thread: client.replay(thread, "0001-000001", wait=0), "wait=0"),
    "replay and conflict": (
        lambda client, thread: client.replay(thread, "0001-000001", on_conflict=None),  # type: ignore[arg-type]
        "on_conflict=None",
    ),
    "fork and wait": (lambda client, thread: client.fork(thread, wait=-1), "wait=-1"),
    "resume there and wait": (
        lambda client, thread: client.resume(thread, 1, checkpoint_id="0001-000001", wait=0),
        "wait=0",
    ),
    "resume and wait": (lambda client, thread: client.resume(thread, 1, wait="x"), "wait='x'"),
    "reject and wait": (lambda client, thread: client.reject(thread, wait=0), "wait=0"),
    "cancel and wait": (lambda client, thread: client.cancel(thread, wait=0), "wait=0"),
    "result and wait": (lambda client, thread: client.result(thread, wait=0), "wait=0"),
}

BAD_CALLS: dict[str, tuple[Callable[[Any, str], Awaitable[Any]], str]] = {
    "an id beside by_id": (
        lambda client, thread: client.resume(thread, {f"int-{thread}-0": 1}, by_id=True, interrupt_id="int-x-9"),
        "interrupt_id='int-x-9' .*by_id=True",
    ),
    "interrupt_id": (lambda client, thread: client.resume(thread, 1, interrupt_id=5), "interrupt_id=5 must be text"),
    "author": (lambda client, thread: client.resume(thread, 1, author=5), "author=5 must be text"),
    "resume key": (lambda client, thread: client.resume(thread, 1, idempotency_key=""), "idempotency_key='' must be"),
    "resume checkpoint": (lambda client, thread: client.resume(thread, 1, checkpoint_id=5), "checkpoint_id=5 must be"),
    "reason": (lambda client, thread: client.reject(thread, reason=5), "reason=5 must be text"),
    "cancel reason": (lambda client, thread: client.cancel(thread, reason=5), "reason=5 must be text"),
    "order": (lambda client, thread: client.history(thread, order="zz"), "order='zz' must be 'oldest' or 'newest'"),
    "limit": (lambda client, thread: client.history(thread, limit=-1), "limit=-1 must be a whole number from 0"),
    "before": (lambda client, thread: client.history(thread, before=5), "before=5 must be the id of a checkpoint"),
    "before text": (lambda client, thread: client.history(thread, before="zz"), "before='zz' must be the id"),
    "list status": (
        lambda client, thread: client.list(status="zz"),
        "status='zz' must be 'running' or 'interrupted' or 'completed' or 'failed' or 'cancelled'",
    ),
    "list limit": (lambda client, thread: client.list(limit=-1), "limit=-1 must be"),
    "list offset": (lambda client, thread: client.list(offset=-5), "offset=-5 must be"),
}


BAD = {**BAD_RUNS, **BAD_CALLS}


async def _answer(call: Awaitable[Any]) -> str:
    try:
        return f"accepted: {await call}"
    except InvalidOptionError as error:
        return error.message


@pytest.fixture
async def waiting(client: OrisClient, serve: Serve, thread: str) -> AsyncIterator[str]:
    """A thread that asks."""
    async with serve(left, max_cached_workflows=10):
        await client.run(left, thread, {"answers": []})
        yield thread


async def test_an_option_that_cannot_be_is_refused_and_the_waiting_run_is_left_alone(
    client: OrisClient, waiting: str
) -> None:
    before = await client.inspect(waiting)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # such as of a coroutine that was never awaited
        said = {name: await _answer(call(client, waiting)) for name, (call, _) in BAD.items()}
    assert {name: text for name, text in said.items() if not re.search(BAD[name][1], text)} == {}
    assert await client.inspect(waiting) == before


async def test_a_run_started_and_not_awaited_is_checked_likewise(client: OrisClient, waiting: str) -> None:
    options: Any
    for options in ({"on_conflict": "error"}, {"wait": "1s"}, {"priority": 9}):
        with pytest.raises(InvalidOptionError):
            await client.start("asking", waiting, {"answers": []}, **options)
    assert (await client.inspect(waiting)).run == 1


async def test_breakpoints_are_looked_up_in_the_graph_that_is_given(client: OrisClient, waiting: str) -> None:
    with pytest.raises(NodeNotFoundError, match=r"interrupt_after names 'zz'.* left"):
        await client.run(left, waiting, {"answers": []}, interrupt_after=["zz"])
    assert (await client.inspect(waiting)).run == 1


@pytest.mark.parametrize("bad", ["x\ud800", 5])
async def test_a_thread_id_that_no_server_takes(client: OrisClient, bad: Any) -> None:
    for call in (client.run("asking", bad, {}), client.start("asking", bad, {}), client.inspect(bad)):
        with pytest.raises(InvalidThreadIdError):
            await call


async def test_what_runs_next_is_a_node_or_a_send(client: OrisClient, waiting: str) -> None:
    goto: Any = 5
    with pytest.raises(InvalidUpdateError, match="goto=5 is neither a node name nor a Send"):
        await client.resume(waiting, goto=goto, checkpoint_id="0001-000001")
    assert (await client.inspect(waiting)).run == 1


async def test_an_unknown_conflict_rule_leaves_a_run_that_runs(client: OrisClient, thread: str) -> None:
    handle = await client.start("asking", thread, {"answers": []})  # nobody serves it, so it runs on
    with pytest.raises(InvalidOptionError, match="on_conflict"):
        await client.start(left, thread, {"answers": []}, on_conflict="error")  # type: ignore[arg-type]
    assert (await client.inspect(thread)).run_id == handle.run_id


async def test_a_configuration_may_name_the_thread(client: OrisClient, serve: Serve, thread: str) -> None:
    config = {"configurable": {"thread_id": thread}}
    async with serve(left, max_cached_workflows=10):
        for named in (None, thread):
            result = await client.run(left, named, {"answers": []}, config=config)
            assert (result.thread_id, result.status) == (thread, "interrupted")
        result = await client.replay(thread, config=config)
        assert (result.thread_id, result.status) == (thread, "interrupted")


async def test_good_options_of_every_form(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(left, max_cached_workflows=10):
        result = await client.run(
            left, thread, {"answers": []}, wait="10s", on_conflict="replace", tenant="t" * 255, priority=5
        )
        assert result.status == "interrupted"
        result = await client.run(left, thread, {"answers": []}, interrupt_before={"left"}, execution_timeout=60)
        assert [item.kind for item in result.interrupts] == ["before"]
