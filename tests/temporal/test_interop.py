"""Graphs beside your own Temporal code: raw clients, your workflows, workers, replayers and schedules."""

from __future__ import annotations

import json
from typing import Any

import pytest
from own_workflow import Pipeline, prepare
from questions import asking
from review_graph import review, texts
from temporal_support import Serve, eventually
from temporalio import activity
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    WorkflowFailureError,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer, Worker

from oris_temporal import OrisClient, OrisPlugin
from oris_temporal import Worker as OrisWorker
from oris_temporal.devserver import DevServer
from oris_temporal.graph.errors import ConfigurationError, ThreadNotFoundError

asking_left = asking("left")


async def test_any_sdk_starts_answers_and_reads_a_run_with_plain_json(
    client: OrisClient, temporal: Client, serve: Serve, thread: str
) -> None:
    async with serve(review):
        handle = await temporal.start_workflow("review", "storks", id=thread, task_queue=client.task_queue)
        report = await handle.execute_update("wait")
        assert report["status"] == "interrupted"
        [question] = report["interrupts"]
        assert question["value"] == {"question": "Publish?"}
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update("resume", args=[{"ok": True}, {"interrupt_id": "int-other-0"}])
        assert isinstance(refused.value.cause, ApplicationError)
        assert refused.value.cause.type == "InterruptNotFoundError"
        await handle.signal("resume", {"ok": True})
        result = await handle.result()
        assert texts(result)[-2:] == ["approved=True", "published"]
        json.dumps(result)
        assert (await client.inspect(thread)).status == "completed"  # ours understands what theirs began


async def test_a_workflow_that_is_no_run_of_a_graph_is_no_thread(
    client: OrisClient, temporal: Client, thread: str
) -> None:
    async with Worker(temporal, task_queue=client.task_queue, workflows=[Pipeline], activities=[]):
        await temporal.start_workflow(Pipeline.run, "storks", id=thread, task_queue=client.task_queue)
        for call in (
            client.resume(thread, 1),
            client.reject(thread),
            client.update_state(thread, {}),
            client.history(thread),
            client.timeline(thread),
            client.interrupts(thread),
            client.replay(thread),
            anext(aiter(client.stream(thread))),
        ):
            with pytest.raises(ThreadNotFoundError, match="does not answer as a run of a graph does"):
                await call
        await temporal.get_workflow_handle(thread).terminate()


async def test_without_search_attributes_it_runs_as_well(
    client: OrisClient, temporal: Client, serve: Serve, thread: str
) -> None:
    async with serve(asking_left):
        await temporal.start_workflow("asking", {"answers": []}, id=thread, task_queue=client.task_queue)
        waiting = await client.result(thread)
        assert waiting.status == "interrupted"
        assert (await client.resume(thread, "yes")).values == {"answers": ["left=yes"]}


async def test_a_graph_is_a_child_of_your_own_workflow_on_your_own_worker(
    client: OrisClient, temporal: Client, thread: str
) -> None:
    plugin = OrisPlugin(graphs=[review])
    async with Worker(
        temporal, task_queue=client.task_queue, workflows=[Pipeline], activities=[prepare], plugins=[plugin]
    ):
        handle = await temporal.start_workflow(Pipeline.run, "storks", id=thread, task_queue=client.task_queue)

        async def asked() -> bool:
            try:
                return bool(await client.interrupts(f"{thread}-review"))
            except Exception:  # not there yet
                return False

        await eventually(asked)
        done = await client.resume(f"{thread}-review", {"ok": True})
        assert texts(done.values)[1] == "findings about prepared storks"
        assert await handle.result() == {"lines": 4}

    replayer = Replayer(workflows=[Pipeline], plugins=[plugin])
    for id in (thread, f"{thread}-review"):
        await replayer.replay_workflow(await temporal.get_workflow_handle(id).fetch_history())


async def test_a_plugin_on_the_client_is_inherited_by_its_workers(
    client: OrisClient, dev_server: DevServer, thread: str
) -> None:
    mine = await dev_server.connect(plugins=[OrisPlugin(graphs=[asking_left])])
    oris = OrisClient(mine, task_queue=client.task_queue)
    async with Worker(mine, task_queue=client.task_queue, workflows=[Pipeline], activities=[prepare]):
        await oris.run("asking", thread, {"answers": []})
        assert (await oris.resume(thread, "yes")).values == {"answers": ["left=yes"]}


async def test_plugins_of_client_and_worker_go_together(client: OrisClient, dev_server: DevServer, thread: str) -> None:
    mine = await dev_server.connect(plugins=[OrisPlugin(graphs=[asking_left])])
    oris = OrisClient(mine, task_queue=client.task_queue)
    for graphs in ([asking_left], [asking_left, review], [review]):
        async with OrisWorker(oris, graphs):
            await oris.run("asking", thread, {"answers": []})
            assert (await oris.resume(thread, "yes")).values == {"answers": ["left=yes"]}
    await Replayer(workflows=[], plugins=[OrisPlugin([asking_left]), OrisPlugin([asking_left])]).replay_workflow(
        await mine.get_workflow_handle(thread).fetch_history()
    )
    with pytest.raises(ConfigurationError, match="asking"):
        OrisWorker(oris, [asking("right")])


@activity.defn
async def llm(question: str) -> str:
    return question


async def test_names_that_clash_are_told(client: OrisClient) -> None:
    with pytest.raises(ConfigurationError, match="activity named llm"):
        OrisWorker(client, [review], activities=[llm])


async def test_a_run_that_other_code_started_is_listed(
    client: OrisClient, temporal: Client, serve: Serve, thread: str
) -> None:
    async with serve(review, workflows=[Pipeline], activities=[prepare]):
        await temporal.start_workflow(Pipeline.run, "storks", id=thread, task_queue=client.task_queue)

        async def listed() -> list[str]:
            return [item.status for item in await client.list() if item.thread_id == f"{thread}-review"]

        async def waiting() -> bool:
            return await listed() == ["interrupted"]

        await eventually(waiting)
        assert f"int-{thread}-review-0" in {item.id for item in await client.interrupts()}
        await client.resume(f"{thread}-review", {"ok": True})

        async def completed() -> bool:
            return await listed() == ["completed"]

        await eventually(completed)


async def test_a_schedule_starts_runs(client: OrisClient, temporal: Client, serve: Serve, thread: str) -> None:
    async with serve(asking_left):
        action = ScheduleActionStartWorkflow("asking", {"answers": []}, id=thread, task_queue=client.task_queue)
        schedule = await temporal.create_schedule(
            f"{thread}-schedule", Schedule(action=action, spec=ScheduleSpec()), trigger_immediately=True
        )
        try:

            async def started() -> list[str]:
                described = await schedule.describe()
                return [
                    recent.action.workflow_id
                    for recent in described.info.recent_actions
                    if hasattr(recent.action, "workflow_id")
                ]

            [scheduled] = await eventually(started)
            assert scheduled.startswith(thread)
            assert (await client.result(scheduled)).status == "interrupted"
            assert (await client.resume(scheduled, "yes")).status == "completed"
        finally:
            await schedule.delete()


async def test_a_failure_is_a_typed_application_error_for_any_sdk(
    client: OrisClient, temporal: Client, serve: Serve, thread: str
) -> None:
    async with serve(review):
        handle = await temporal.start_workflow("review", {"nowhere": 1}, id=thread, task_queue=client.task_queue)
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "InvalidUpdateError"
    assert "nowhere" in failed.value.cause.message


BY_HAND: list[tuple[list[Any], str]] = [
    ([{"recursion_limit": 5}], "recursion_limit: Unexpected"),
    (["x"], "RunOptions are an object of config, thread_id"),
    ([{"values": [1]}], "values: "),
    ([{"run": "x"}], "run: "),
    ([{"interrupt_before": "left"}], "interrupt_before: "),
    ([{"interrupt_before": ["zz"]}], "'zz', which is no node of graph asking"),
    ([{"config": {"recursion_limit": 0}}], "recursion_limit=0 must be"),
    ([{"config": {"thread_id": "t"}}], "Run configuration has unknown keys"),
    ([{}, 3], "takes an input and an object of options, not 3 arguments"),
]


async def test_options_written_by_hand_are_checked(
    client: OrisClient, temporal: Client, serve: Serve, thread: str
) -> None:
    async with serve(asking_left, max_cached_workflows=20):
        for number, (options, says) in enumerate(BY_HAND):
            id = f"{thread}-{number}"
            args = [{"answers": []}, *options]
            await temporal.start_workflow("asking", args=args, id=id, task_queue=client.task_queue)
            result = await client.result(id, wait="10s")
            assert (result.status, result.error and says in result.error["message"]) == ("failed", True), result.error


async def test_a_configuration_written_by_hand_needs_no_more_than_it_says(
    client: OrisClient, temporal: Client, serve: Serve, thread: str
) -> None:
    async with serve(asking_left, max_cached_workflows=20):
        options = {"config": {"context": {"name": "ada"}, "recursion_limit": 5}, "interrupt_before": ["left"]}
        args = [{"answers": []}, options]
        await temporal.start_workflow("asking", args=args, id=thread, task_queue=client.task_queue)
        assert [item.kind for item in (await client.result(thread)).interrupts] == ["before"]
