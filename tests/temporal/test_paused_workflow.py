"""A workflow that an operator paused: SDK 1.35 cannot describe or list it, `OrisClient` can."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from questions import asking
from temporal_support import eventually
from temporalio.api.workflowservice.v1 import PauseWorkflowExecutionRequest, UnpauseWorkflowExecutionRequest
from temporalio.client import Client

from oris_temporal import OrisClient
from oris_temporal.devserver import DevServer
from oris_temporal.graph.errors import OrisError
from oris_temporal.testing import ReplayingWorker

graph = asking("left")


@pytest.fixture
async def client() -> AsyncIterator[OrisClient]:
    async with DevServer(ui=False, dynamic_config={"frontend.WorkflowPauseEnabled": True}) as server:
        yield OrisClient(await server.connect())


async def pause(temporal: Client, thread: str) -> None:
    await temporal.workflow_service.pause_workflow_execution(
        PauseWorkflowExecutionRequest(
            namespace=temporal.namespace,
            workflow_id=thread,
            identity="operator",
            reason="looking into it",
            request_id=uuid4().hex,
        )
    )


async def unpause(temporal: Client, thread: str) -> None:
    await temporal.workflow_service.unpause_workflow_execution(
        UnpauseWorkflowExecutionRequest(
            namespace=temporal.namespace,
            workflow_id=thread,
            identity="operator",
            reason="fine",
            request_id=uuid4().hex,
        )
    )


async def test_it_is_still_listed_and_inspected_and_goes_on_when_unpaused(client: OrisClient) -> None:
    async with ReplayingWorker(client, [graph]) as worker:
        await client.run("asking", "t-1", {"answers": []})
        await pause(client.temporal, "t-1")

        info = await client.inspect("t-1")
        assert (info.status, info.paused) == ("interrupted", True)
        assert [item.id for item in info.interrupts] == ["int-t-1-0"]

        async def listed() -> bool:
            return [item.thread_id for item in await client.list()] == ["t-1"]

        await eventually(listed)

        async def found() -> bool:
            return [item.id for item in await client.interrupts()] == ["int-t-1-0"]

        await eventually(found)
        with pytest.raises(OrisError):  # the server refuses updates of a paused workflow
            await client.resume("t-1", "yes", wait="2s")

        await unpause(client.temporal, "t-1")
        assert not (await client.inspect("t-1")).paused
        assert (await client.resume("t-1", "yes")).values == {"answers": ["left=yes"]}
        assert await worker.check_replay() == 1
