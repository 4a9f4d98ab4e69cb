"""Several questions at once: each has an id, and they are answered in any order."""

from __future__ import annotations

import asyncio

import pytest
from questions import Answers, asking
from temporal_support import Serve, eventually

from oris_temporal import END, START, Context, OrisClient, StateGraph
from oris_temporal.graph.errors import InterruptConflictError, NotInterruptedError

graph = asking("left", "right", "remote")


async def test_questions_are_answered_by_id_in_any_order(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(graph):
        paused = await client.run("asking", thread, {"answers": []})
        assert {item.node for item in paused.interrupts} == {"left", "right", "remote"}
        ids = {item.node: item.id for item in paused.interrupts}
        assert len(set(ids.values())) == 3

        result = await client.resume(thread, "R", interrupt_id=ids["remote"])
        assert {item.node for item in result.interrupts} == {"left", "right"}
        result = await client.resume(thread, {ids["right"]: "r"}, by_id=True)
        assert [item.node for item in result.interrupts] == ["left"]
        result = await client.resume(thread, "l")

    assert result.status == "completed"
    assert result.values == {
        "answers": ["left=l", "right=r", "remote=R"]
    }  # in the order of the nodes, not of the answers


async def test_all_are_answered_at_once(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(graph):
        paused = await client.run("asking", thread, {"answers": []})
        result = await client.resume(thread, {item.id: item.node[0] for item in paused.interrupts}, by_id=True)
    assert result.values == {"answers": ["left=l", "right=r", "remote=r"]}


async def test_the_same_answer_again_is_fine_and_another_one_is_a_conflict(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(graph):
        paused = await client.run("asking", thread, {"answers": []})
        ids = {item.node: item.id for item in paused.interrupts}
        first = await client.resume(thread, {"a": 1}, interrupt_id=ids["left"])
        again = await client.resume(thread, {"a": 1}, interrupt_id=ids["left"])
        assert (again.status, again.interrupts) == (first.status, first.interrupts)
        with pytest.raises(InterruptConflictError):
            await client.resume(thread, {"a": 2}, interrupt_id=ids["left"])

        done = await client.resume(thread, {ids["right"]: 0, ids["remote"]: 0}, by_id=True)
        assert done.status == "completed"
        assert (await client.resume(thread, {"a": 1}, interrupt_id=ids["left"])).values == done.values
        with pytest.raises(InterruptConflictError):
            await client.resume(thread, {"a": 2}, interrupt_id=ids["left"])
        with pytest.raises(NotInterruptedError):
            await client.resume(thread, "anything")


async def test_the_same_idempotency_key_gets_the_same_result(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(asking("left")):
        await client.run("asking", thread, {"answers": []})
        first = await client.resume(thread, "yes", idempotency_key="key-1")
        again = await client.resume(thread, "yes", idempotency_key="key-1")
    assert first.values == again.values == {"answers": ["left=yes"]}


@pytest.mark.parametrize("later", ["waits", "is over"])
async def test_a_key_of_an_earlier_run_is_no_answer_to_what_a_later_one_asks(
    client: OrisClient, serve: Serve, thread: str, later: str
) -> None:
    async with serve(asking("left")):
        await client.run("asking", thread, {"answers": []})
        first = await client.resume(thread, "yes", idempotency_key="key-1")
        await client.run("asking", thread, {"answers": []})
        if later == "is over":
            await client.resume(thread, "no", idempotency_key="key-2")
        before = await client.inspect(thread)
        again = await client.resume(thread, "yes", idempotency_key="key-1")
        assert (again.run_id, again.status, again.values) == (first.run_id, "completed", {"answers": ["left=yes"]})
        assert (await client.inspect(thread)).values == before.values
        assert (await client.inspect(thread)).status == before.status
        await client.run("asking", thread, {"answers": []})  # and so on
        assert (await client.resume(thread, "yes", idempotency_key="key-1")).run_id == first.run_id
        assert (await client.resume(thread, "new", idempotency_key="key-3")).values == {"answers": ["left=new"]}


async def test_a_key_of_a_run_that_was_replaced_while_it_worked_is_known_to_the_next_one(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async def ask_then_listen(state: Answers, ctx: Context) -> dict:
        answer = await ctx.interrupt("ok?")
        await ctx.wait_signal("never")
        return {"answers": [answer]}

    graph = StateGraph(Answers).add_node("node", ask_then_listen).add_edge(START, "node").add_edge("node", END)
    async with serve(graph.compile(name="listening")):
        first = await client.run("listening", thread, {"answers": []})
        resuming = asyncio.create_task(client.resume(thread, "yes", idempotency_key="key-1"))
        await eventually(lambda: _answered(client, thread))
        await client.run("listening", thread, {"answers": []}, on_conflict="replace")
        await resuming
        again = await client.resume(thread, "yes", idempotency_key="key-1")
        assert (again.run_id, again.status) == (first.run_id, "cancelled")
        assert (await client.inspect(thread)).status == "interrupted"


async def _answered(client: OrisClient, thread: str) -> bool:
    return [item.status for item in await client.interrupts(thread, all=True)] == ["resumed"]


async def test_the_same_answer_by_id_gets_the_result_of_the_run_that_took_it(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(asking("left")):
        await client.run("asking", thread, {"answers": []})
        first = await client.resume(thread, "yes", interrupt_id=f"int-{thread}-0")
        await client.run("asking", thread, {"answers": []})
        again = await client.resume(thread, "yes", interrupt_id=f"int-{thread}-0")
        assert (again.run_id, again.values) == (first.run_id, first.values)
        with pytest.raises(InterruptConflictError):
            await client.resume(thread, "no", interrupt_id=f"int-{thread}-0")
        assert (await client.inspect(thread)).status == "interrupted"


async def several(state: Answers, ctx: Context) -> dict:
    return {"answers": [await ctx.interrupt(f"question {number}") for number in range(3)]}


async def test_one_node_asks_several_times(client: OrisClient, serve: Serve, thread: str) -> None:
    graph = StateGraph(Answers).add_node("several", several).add_edge(START, "several").add_edge("several", END)
    async with serve(graph.compile(name="several")):
        result = await client.run("several", thread, {"answers": []})
        for number in range(3):
            [question] = result.interrupts
            assert (question.id, question.value) == (f"int-{thread}-{number}", f"question {number}")
            result = await client.resume(thread, f"answer {number}")
    assert result.values == {"answers": ["answer 0", "answer 1", "answer 2"]}


async def test_nothing_waits_so_there_is_nothing_to_answer(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(asking("left")):
        await client.run("asking", thread, {"answers": []})
        await client.resume(thread, "yes")
        with pytest.raises(NotInterruptedError):
            await client.resume(thread, "yes")
        with pytest.raises(NotInterruptedError):
            await client.reject(thread)
