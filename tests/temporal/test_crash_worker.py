"""SIGKILL of a worker: what was finished does not run again, what was not is done by the next worker."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from crash_graphs import approval, fan, fused, once, steps
from temporal_support import WorkerProcess, event_counts, eventually, lines
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest

from oris_temporal import OrisClient
from oris_temporal.devserver import DevServer
from oris_temporal.testing import check_replay


@pytest.fixture
def worker(client: OrisClient, dev_server: DevServer, tmp_path: Path) -> WorkerProcess:
    """A worker that is yet to start."""
    return WorkerProcess(dev_server.address, client.task_queue, *SPECS, directory=tmp_path)


@pytest.fixture
def successor(client: OrisClient, dev_server: DevServer, tmp_path: Path) -> WorkerProcess:
    """Another one."""
    return WorkerProcess(dev_server.address, client.task_queue, *SPECS, directory=tmp_path)


SPECS = [f"crash_graphs:{name}" for name in ("steps", "fused", "once", "fan", "approval")]
GRAPHS = [steps, fused, once, fan, approval]


async def test_during_a_node(
    client: OrisClient, worker: WorkerProcess, successor: WorkerProcess, tmp_path: Path, thread: str
) -> None:
    async with worker:
        await client.start("steps", thread, {})
        await eventually(lambda: lines(tmp_path / "done") == ["first", "second-begins"])
        await worker.kill()
    (tmp_path / "go").touch()
    async with successor:
        done = await client.result(thread)
        assert done.values == {"log": ["first", "second", "third"]}
        assert lines(tmp_path / "done") == ["first", "second-begins", "second-begins", "second", "third"]
        assert await check_replay(client, GRAPHS, [thread]) == 1


async def test_during_an_interrupt(
    client: OrisClient, worker: WorkerProcess, successor: WorkerProcess, tmp_path: Path, thread: str
) -> None:
    async with worker:
        paused = await client.run("approval", thread, {})
        assert paused.status == "interrupted"
        await worker.kill()
    answering = asyncio.ensure_future(client.resume(thread, "yes"))  # given while nobody is there to take it
    async with successor:
        done = await answering
        assert done.values == {"log": ["first", "before", "yes", "after"]}
        assert lines(tmp_path / "done") == ["first", "before", "after"]
        assert await check_replay(client, GRAPHS, [thread]) == 1


async def test_during_a_fan_out_of_twenty(
    client: OrisClient, worker: WorkerProcess, successor: WorkerProcess, tmp_path: Path, thread: str
) -> None:
    async with worker:
        await client.start("fan", thread, {})

        async def half_done() -> bool:
            counts = await event_counts(client, thread)
            return counts["ACTIVITY_TASK_COMPLETED"] == 10 and len(lines(tmp_path / "done")) == 30

        await eventually(half_done)
        await worker.kill()
    (tmp_path / "go").touch()
    async with successor:
        done = await client.result(thread)
        assert done.values == {"log": [str(number) for number in range(20)]}  # no update is lost, none is doubled
        noted = lines(tmp_path / "done")
        assert [noted.count(f"begin-{number}") for number in range(20)] == [1] * 10 + [2] * 10
        assert [noted.count(f"end-{number}") for number in range(20)] == [1] * 20
        assert await check_replay(client, GRAPHS, [thread]) == 1


async def test_in_the_middle_of_a_fused_chain(
    client: OrisClient, worker: WorkerProcess, successor: WorkerProcess, tmp_path: Path, thread: str
) -> None:
    async def progress_is_known() -> bool:
        """Whether the server has the heartbeat that says what is finished."""
        described = await client.temporal.workflow_service.describe_workflow_execution(
            DescribeWorkflowExecutionRequest(
                namespace=client.temporal.namespace, execution=WorkflowExecution(workflow_id=thread)
            )
        )
        details = [item.heartbeat_details.payloads for item in described.pending_activities]
        return any(b"progress" in payload.data for payloads in details for payload in payloads)

    async with worker:
        await client.start("fused", thread, {})
        await eventually(lambda: "second-begins" in lines(tmp_path / "done"))
        await eventually(progress_is_known)
        await worker.kill()
    (tmp_path / "go").touch()
    async with successor:
        done = await client.result(thread)
        assert done.values == {"log": ["first", "second", "third"]}
        assert lines(tmp_path / "done") == ["first", "second-begins", "second-begins", "second", "third"]
        assert (await event_counts(client, thread))["ACTIVITY_TASK_SCHEDULED"] == 1


async def test_a_node_without_attempts_left_fails_because_its_heartbeats_stopped(
    client: OrisClient, worker: WorkerProcess, successor: WorkerProcess, tmp_path: Path, thread: str
) -> None:
    async with worker:
        await client.start("once", thread, {})
        await eventually(lambda: "second-begins" in lines(tmp_path / "done"))
        await worker.kill()
    async with successor:
        failed = await client.result(thread)
        assert failed.error is not None
        assert (failed.status, failed.error["code"]) == ("failed", "node_timeout")
        assert failed.error["details"]["node"] == "once.second"
        assert "stopped sending heartbeats" in failed.error["message"]

        (tmp_path / "go").touch()
        again = await client.replay(thread, failed.checkpoint_id)
        assert again.values == {"log": ["first", "second", "third"]}
        assert lines(tmp_path / "done").count("first") == 1


async def test_over_and_over_again(client: OrisClient, dev_server: DevServer, tmp_path: Path, thread: str) -> None:
    """A worker that dies in every node still gets the run one node further each time."""
    await client.start("approval", thread, {})
    for _ in range(2):
        async with WorkerProcess(dev_server.address, client.task_queue, *SPECS, directory=tmp_path):
            assert (await client.result(thread)).status == "interrupted"
    answering = asyncio.ensure_future(client.resume(thread, "yes"))
    async with WorkerProcess(dev_server.address, client.task_queue, *SPECS, directory=tmp_path):
        assert (await answering).values == {"log": ["first", "before", "yes", "after"]}
    assert lines(tmp_path / "done") == ["first", "before", "after"]


async def test_a_question_that_the_server_does_not_take_yet_waits_as_long_as_it_may_and_no_longer(
    client: OrisClient, other: OrisClient, worker: WorkerProcess, successor: WorkerProcess, thread: str
) -> None:
    async with worker:
        await client.run("approval", f"{thread}-before", {})
        await worker.kill()
    await client.start(
        "approval", thread, {}
    )  # the server still counts on the worker, and lets one question wait for it
    watches = [client.stream(thread), other.stream(thread)]
    watching = [asyncio.ensure_future(anext(watch)) for watch in watches]
    async with asyncio.timeout(6):
        runs = await asyncio.gather(client.inspect(thread), other.inspect(thread))
        assert [run.status for run in runs] == ["running", "running"]
    await asyncio.wait(watching, timeout=16)  # longer than the SDK tries by itself
    async with successor:
        chunks = await asyncio.gather(*watching)
        assert [chunk.data for chunk in chunks] == [{"first": {"log": ["first"]}}] * 2
    for watch in watches:
        await watch.aclose()
