"""A person may refuse to answer: the run is cancelled and says why."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from questions import asking
from temporal_support import Serve, event_names, events

from oris_temporal import OrisClient
from oris_temporal.graph.errors import (
    AmbiguousResumeError,
    InterruptConflictError,
    NotInterruptedError,
    NoWorkerError,
)


async def test_a_rejected_question_ends_the_run_as_cancelled(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(asking("left")):
        await client.run("asking", thread, {"answers": []})
        result = await client.reject(thread, reason="not in my name", author="ada")
        assert (result.status, result.interrupts) == ("cancelled", [])

        [asked] = await client.interrupts(thread, all=True)
        assert (asked.status, asked.answer, asked.author) == ("rejected", "not in my name", "ada")
        assert await client.interrupts(thread) == []
        kinds = [event.kind for event in await client.timeline(thread)]
        assert kinds[-2:] == ["rejected", "run_cancelled"]


async def test_one_call_of_any_client_rejects_and_ends_the_run(client: OrisClient, serve: Serve, thread: str) -> None:
    """Nothing is left to do for the caller, who may be gone."""
    async with serve(asking("left")):
        await client.run("asking", thread, {"answers": []})
        handle = client.temporal.get_workflow_handle(thread)
        assert await handle.execute_update("reject", args=[None, "no"]) == f"int-{thread}-0"
        assert (await client.result(thread)).status == "cancelled"
        [cancelled] = [
            event.workflow_execution_cancel_requested_event_attributes
            for event in await events(client, thread)
            if event.HasField("workflow_execution_cancel_requested_event_attributes")
        ]
        assert cancelled.cause == f"interrupt int-{thread}-0 rejected: no"


async def test_a_run_that_is_due_to_continue_as_new_is_rejected_where_it_is(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    """To continue as new and to be cancelled exclude each other: the server would drop the rejection."""
    async with serve(asking("left")):
        await client.run("asking", f"{thread}-measured", {"answers": []})
        waiting = (await client.inspect(f"{thread}-measured")).history_events
        paused = await client.run("asking", thread, {"answers": []}, continue_as_new_after=waiting + 1)

        result = await client.reject(thread, reason="no", author="ada")
        assert (result.status, result.run_id) == ("cancelled", paused.run_id)
        assert "WORKFLOW_TASK_FAILED" not in await event_names(client, thread)
        [asked] = await client.interrupts(thread, all=True)
        assert (asked.status, asked.answer, asked.author) == ("rejected", "no", "ada")


async def test_without_a_worker_a_rejection_and_an_edit_say_so(client: OrisClient, serve: Serve, thread: str) -> None:
    nobody = OrisClient(client.temporal, task_queue=f"nobody-{uuid4().hex}")
    await nobody.start("asking", thread, {"answers": []})
    results = await asyncio.gather(
        nobody.reject(thread), nobody.update_state(thread, {"answers": []}), return_exceptions=True
    )
    assert [type(result) for result in results] == [NoWorkerError] * 2
    await client.temporal.get_workflow_handle(thread).terminate()


async def test_one_of_several_questions_is_rejected_by_its_id(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(asking("left", "right")):
        paused = await client.run("asking", thread, {"answers": []})
        with pytest.raises(AmbiguousResumeError, match=r"waits for 2 answers .* reject\(thread_id, interrupt_id\)"):
            await client.reject(thread)
        result = await client.reject(thread, paused.interrupts[1].id)
        assert result.status == "cancelled"
        asked = {item.id: item.status for item in await client.interrupts(thread, all=True)}
        assert asked[paused.interrupts[1].id] == "rejected"


async def test_a_rejected_question_takes_no_answer_and_an_answered_one_no_rejection(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(asking("left", "right")):
        paused = await client.run("asking", thread, {"answers": []})
        left, right = (item.id for item in paused.interrupts)
        await client.resume(thread, "yes", interrupt_id=left)
        with pytest.raises(InterruptConflictError):
            await client.reject(thread, left)
        await client.reject(thread, right)
        with pytest.raises(InterruptConflictError):
            await client.resume(thread, "yes", interrupt_id=right)
        with pytest.raises(InterruptConflictError):
            await client.reject(thread, right)
        with pytest.raises(NotInterruptedError):
            await client.resume(thread, "yes")


async def test_what_nobody_answered_is_rejected_once_its_run_is_over(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(asking("left", "right")):
        paused = await client.run("asking", thread, {"answers": []})
        await client.cancel(thread)
        asked = await client.interrupts(thread, all=True)
        assert {item.id: item.status for item in asked} == {item.id: "rejected" for item in paused.interrupts}
        assert {item.answered_at for item in asked} == {None}
        assert await client.interrupts(thread) == []
        with pytest.raises(InterruptConflictError, match="already rejected"):
            await client.reject(thread, asked[0].id)


async def test_a_question_of_an_earlier_run_is_known_but_takes_no_answer(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(asking("left")):
        await client.run("asking", thread, {"answers": []})
        for _ in range(2):
            await client.replay(thread)
        asked = {item.id: item.status for item in await client.interrupts(thread, all=True)}
        first, second, third = (f"int-{thread}-{number}" for number in range(3))
        assert asked == {first: "rejected", second: "rejected", third: "pending"}
        with pytest.raises(InterruptConflictError, match="already rejected"):
            await client.resume(thread, "yes", interrupt_id=first)
        with pytest.raises(InterruptConflictError, match="already rejected"):
            await client.reject(thread, second)
        assert (await client.resume(thread, "yes", interrupt_id=third)).status == "completed"
