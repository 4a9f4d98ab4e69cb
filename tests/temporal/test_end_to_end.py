"""One run from the first line to the last: research, a person approves, publish."""

from __future__ import annotations

import asyncio
import gc

from review_graph import review, texts
from temporal_support import Serve

from oris_temporal import OrisClient
from oris_temporal.devserver import DevServer


async def test_a_run_pauses_for_a_person_and_is_resumed_by_another_client(
    client: OrisClient, dev_server: DevServer, serve: Serve, thread: str
) -> None:
    async with serve(review):
        paused = await client.run("review", thread, "storks")
        assert paused.status == "interrupted"
        assert paused.next == ["approve"]
        [question] = paused.interrupts
        assert (question.id, question.node, question.value) == (f"int-{thread}-0", "approve", {"question": "Publish?"})

        other = await OrisClient.connect(dev_server.address)
        done = await other.resume(thread, {"ok": True})
        assert done.status == "completed"
        assert done.run_id == paused.run_id
        assert texts(done.values) == ["storks", "findings about storks", "approved=True", "published"]
        assert (done.interrupts, done.next) == ([], [])


async def test_the_final_state_is_the_result_of_the_workflow_and_needs_no_worker_to_read(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(review):
        await client.run("review", thread, "storks")
        done = await client.resume(thread, {"ok": False})

    assert await client.temporal.get_workflow_handle(thread).result() == done.values
    async with asyncio.timeout(8):  # a worker that could tell more would be waited for ten seconds
        assert texts((await client.result(thread)).values)[-2:] == ["approved=False", "published"]
        assert (await client.inspect(thread)).values == done.values


async def test_with_the_graph_at_hand_the_state_has_its_types(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(review):
        paused = await client.run(review, thread, "storks")
        assert paused.state["messages"][-1].content == "findings about storks"
        done = await client.resume(thread, {"ok": True}, graph=review)
        assert done.state["messages"][-1].content == "published"


async def test_start_returns_at_once_and_the_result_can_be_waited_for(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    started = await client.start("review", thread, "storks")
    async with serve(review):
        paused = await client.result(thread)
        assert paused.status == "interrupted"
        assert (await client.inspect(thread)).run_id == started.run_id


async def test_a_budget_turns_a_long_wait_into_running_and_loses_nothing(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with asyncio.timeout(5):
        early = await client.run("review", thread, "storks", wait="200ms")
    assert early.status == "running"
    async with serve(review):
        assert (await client.result(thread)).status == "interrupted"


async def test_no_budget_is_too_short_for_a_run_to_be_started(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(review, max_cached_workflows=10):
        assert (await client.run("review", thread, "storks", wait="1ms")).thread_id == thread
        assert (await client.result(thread)).status == "interrupted"
        await client.run("review", thread, "cranes", wait="1ms")
        assert (await client.inspect(thread)).run == 2
        await client.replay(thread, "0001-000001", wait="1ms")
        fork = await client.fork(thread, "0001-000001", wait="1ms")
        assert (await client.result(fork.thread_id)).status == "interrupted"
        again = await client.result(thread)
        assert (again.status, texts(again.values)[0]) == ("interrupted", "storks")
        assert (await client.inspect(thread)).run == 3


async def test_no_budget_is_too_short_for_an_answer_to_arrive(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(review, max_cached_workflows=10):
        await client.run("review", thread, "storks")
        await client.resume(thread, {"ok": True}, wait="1ms")
        assert (await client.result(thread)).status == "completed"


async def test_nothing_complains_when_a_budget_ends(client: OrisClient, thread: str) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    assert (await client.run("review", thread, "storks", wait="600ms")).status == "running"
    await asyncio.sleep(0)
    gc.collect()
    assert complaints == []
