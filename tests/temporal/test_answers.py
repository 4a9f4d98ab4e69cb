"""Several questions at once: each has an id, and they are answered in any order."""

from __future__ import annotations

import pytest
from questions import Answers, asking
from temporal_support import Serve

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
