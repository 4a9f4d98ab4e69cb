"""Two workers: they share the work, and one may have newer code than the other."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from crash_graphs import incompatible, new, old
from temporal_support import WorkerProcess, eventually, lines
from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.service import RPCError, RPCStatusCode

from oris_temporal import CompiledGraph, OrisClient
from oris_temporal.devserver import DevServer
from oris_temporal.graph.build import build_id
from oris_temporal.graph.errors import DeterminismError, RunStuckError
from oris_temporal.testing import check_replay


async def test_they_share_the_work(client: OrisClient, dev_server: DevServer, tmp_path: Path, thread: str) -> None:
    def worker() -> WorkerProcess:
        return WorkerProcess(
            dev_server.address, client.task_queue, "crash_graphs:shared", directory=tmp_path, ORIS_TEST_SLOTS="5"
        )

    async with worker() as one, worker() as other:
        done = await client.run("shared", thread, {})
        assert done.values == {"log": [str(number) for number in range(30)]}
        by_worker = Counter(lines(tmp_path / "done"))
        assert by_worker.keys() == {str(one.process.pid), str(other.process.pid)}
        assert by_worker.total() == 30


async def test_runs_of_the_old_code_go_on_with_compatible_new_code(
    client: OrisClient, dev_server: DevServer, tmp_path: Path, thread: str
) -> None:
    def worker(version: str) -> WorkerProcess:
        return WorkerProcess(dev_server.address, client.task_queue, f"crash_graphs:{version}", directory=tmp_path)

    threads = [f"{thread}-{number}" for number in range(6)]
    async with worker("old"):
        for id in threads:
            await client.run("evolving", id, {})
        async with worker("new"):  # both at once, as during a deploy
            for id in threads[:3]:
                result = await client.resume(id, "yes")
                assert result.values["log"][:2] == ["first", "yes"]
                assert result.values["log"][2] in ("old", "new")
    async with worker("new"):
        for id in threads[3:]:
            assert (await client.resume(id, "yes")).values == {"log": ["first", "yes", "new"]}
        assert lines(tmp_path / "done").count("first") == 6
        for version in (old(), new()):
            await check_replay(client, [version], threads)


async def test_incompatible_new_code_is_reported_and_after_a_rollback_the_run_goes_on(
    client: OrisClient, dev_server: DevServer, tmp_path: Path, thread: str
) -> None:
    def worker(version: str) -> WorkerProcess:
        return WorkerProcess(dev_server.address, client.task_queue, f"crash_graphs:{version}", directory=tmp_path)

    async with worker("old"):
        await client.run("evolving", thread, {})
    with pytest.raises(DeterminismError, match=thread):
        await check_replay(client, [incompatible()], [thread])  # known before it is deployed

    async with worker("incompatible"):
        with pytest.raises(RunStuckError, match=thread):
            await client.resume(thread, "yes", idempotency_key="answer")
    async with worker("old"):
        await client.resume(thread, "yes", idempotency_key="answer", wait="30s")
        done = await client.result(thread)
    assert done.values == {"log": ["first", "yes", "old"]}
    assert lines(tmp_path / "done") == ["first", "old"]
    assert await check_replay(client, [old()], [thread]) == 1


async def test_with_worker_versioning_a_run_moves_to_incompatible_code_only_as_a_new_history(
    client: OrisClient, dev_server: DevServer, tmp_path: Path, thread: str
) -> None:
    def worker(version: str) -> WorkerProcess:
        return WorkerProcess(
            *(dev_server.address, client.task_queue, f"crash_graphs:{version}"),
            directory=tmp_path,
            ORIS_TEST_DEPLOYMENT=client.task_queue,
        )

    async def deploy(version: CompiledGraph) -> None:
        """Send new runs to this build, once the server has seen a worker of it."""

        async def deployed() -> bool:
            request = SetWorkerDeploymentCurrentVersionRequest(
                namespace=client.temporal.namespace, deployment_name=client.task_queue, build_id=build_id([version])
            )
            try:
                await client.temporal.workflow_service.set_worker_deployment_current_version(request)
            except RPCError as error:
                if error.status not in (RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION):
                    raise
                return False
            return True

        await eventually(deployed, 60)

    async with worker("old"):
        await deploy(old())
        await client.run("evolving", f"{thread}-1", {})
        async with worker("incompatible"):
            await deploy(incompatible())
            await client.run("evolving", f"{thread}-2", {})
            first = await client.resume(f"{thread}-1", "yes")
            second = await client.resume(f"{thread}-2", "yes")
    assert first.values["log"][:2] == ["first", "yes"]  # where it was, it went on; nothing is asked or done twice
    assert first.values["log"][2:] in (["old"], ["new"])
    assert second.values == {"log": ["third", "first", "yes", "new"]}
    assert lines(tmp_path / "done").count("first") == 2
    assert await check_replay(client, [incompatible()], [f"{thread}-2"]) >= 1
