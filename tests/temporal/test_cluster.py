"""Clusters as they are: namespaces that were not set up, prefixes of ids, external storage, resets."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, TypedDict
from uuid import uuid4

import pytest
from questions import Answers, asking
from review_graph import review, texts
from temporal_support import Serve, events, eventually
from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest, ResetWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.converter import (
    DataConverter,
    ExternalStorage,
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
)
from temporalio.service import RPCError

from oris_temporal import END, START, OrisClient, StateGraph
from oris_temporal.devserver import DevServer
from oris_temporal.graph.errors import NotSetUpError
from oris_temporal.testing import ReplayingWorker


async def test_a_namespace_that_was_not_set_up_is_reported(temporal: Client, dev_server: DevServer) -> None:
    name = f"bare-{uuid4().hex[:8]}"
    request = RegisterNamespaceRequest(namespace=name)
    request.workflow_execution_retention_period.FromTimedelta(timedelta(days=1))
    await temporal.workflow_service.register_namespace(request)
    client = await OrisClient.connect(dev_server.address, namespace=name)

    async def reported() -> bool:
        """New namespaces take a moment until every part of the server knows them."""
        try:
            await client.run("asking", "t", {"answers": []}, wait="1s")
        except NotSetUpError as error:
            return "oris-temporal setup" in error.message
        except Exception:
            return False
        return False

    await eventually(reported, 30)


async def test_a_prefix_keeps_threads_of_two_applications_apart(client: OrisClient, serve: Serve, thread: str) -> None:
    mine = OrisClient(client.temporal, task_queue=client.task_queue, id_prefix=f"mine-{thread}:")
    async with serve(review):
        await client.run("review", thread, "theirs")
        paused = await mine.run("review", thread, "mine")
        assert (paused.thread_id, paused.interrupts[0].id) == (thread, f"int-{thread}-0")
        assert paused.interrupts[0].thread_id == thread
        assert (await mine.inspect(thread)).thread_id == thread
        assert [chunk.data async for chunk in mine.stream(thread)][-1]["__interrupt__"][0]["id"] == f"int-{thread}-0"
        fork = await mine.fork(thread)
        assert fork.thread_id == f"{thread}/fork/1"
        done = await mine.resume(thread, {"ok": True})
        assert texts(done.values)[0] == "mine"
        assert len(await mine.history(thread)) == 4
        again = await mine.replay(thread)
        assert again.interrupts[0].id == f"int-{thread}-1"
        await mine.cancel(thread)
        assert (await client.inspect(thread)).status == "interrupted"
        await mine.cancel(fork.thread_id)
        await client.cancel(thread)


async def test_a_run_that_something_else_started_knows_its_thread_by_the_prefix(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    mine = OrisClient(client.temporal, task_queue=client.task_queue, id_prefix=f"mine-{thread}:")
    outer = StateGraph(Answers).add_subgraph("inner", asking("left"), run_as="child_workflow")
    graph = outer.add_edge(START, "inner").add_edge("inner", END).compile(name="outer")
    async with serve(graph, over=mine):
        workflow_id = f"{mine.id_prefix}{thread}"
        await client.temporal.start_workflow("outer", {"answers": []}, id=workflow_id, task_queue=client.task_queue)
        paused = await mine.result(thread)
        assert [(item.id, item.thread_id) for item in paused.interrupts] == [(f"int-{thread}-0", thread)]
        child = f"{thread}/1/inner/0"
        assert [item.thread_id for item in await mine.interrupts(child)] == [child]
        assert (await mine.resume(thread, "yes", interrupt_id=f"int-{thread}-0")).status == "completed"


class Shelf(StorageDriver):
    """Keeps payloads in this process."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def name(self) -> str:
        return "shelf"

    async def store(self, context: StorageDriverStoreContext, payloads: Sequence[Payload]) -> list[StorageDriverClaim]:
        claims = []
        for payload in payloads:
            key = uuid4().hex
            self.kept[key] = payload.SerializeToString()
            claims.append(StorageDriverClaim(claim_data={"key": key}))
        return claims

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        return [Payload.FromString(self.kept[claim.claim_data["key"]]) for claim in claims]


class Log(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


async def grow(state: Log) -> dict:
    return {"log": ["x" * 3_000_000]}


async def measure(state: Log) -> dict:
    return {"log": [str(sum(map(len, state["log"])))]}


async def test_with_external_storage_payloads_may_be_large(
    client: OrisClient, dev_server: DevServer, thread: str
) -> None:
    shelf = Shelf()
    converter = DataConverter(external_storage=ExternalStorage(drivers=[shelf], payload_size_threshold=100_000))
    large = OrisClient(await dev_server.connect(data_converter=converter), task_queue=client.task_queue)
    graph = StateGraph(Log).add_node("grow", grow).add_node("measure", measure)
    graph.add_edge(START, "grow").add_edge("grow", "measure").add_edge("measure", END)
    async with ReplayingWorker(large, [graph.compile(name="growing")], max_cached_workflows=10) as worker:
        result = await large.run("growing", thread, {})
        assert result.status == "completed"
        assert [len(item) for item in result.values["log"]] == [3_000_000, 7]
        assert (await large.inspect(thread)).history_bytes < 100_000
        assert shelf.kept
        assert await worker.check_replay() == 1


async def test_a_plain_temporal_reset_keeps_working(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(review):
        await client.run("review", thread, "storks")
        await client.resume(thread, {"ok": True})
        completed = [
            event.event_id
            for event in await events(client, thread)
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
        ]
        await client.temporal.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=client.temporal.namespace,
                workflow_execution=WorkflowExecution(workflow_id=thread),
                reason="once more from the question",
                request_id=uuid4().hex,
                workflow_task_finish_event_id=completed[1],  # research was done, nobody had answered
            )
        )
        result = await client.result(thread)
        if result.status == "interrupted":  # the server hands the answer over to the new run, or does not
            result = await client.resume(thread, {"ok": True})
        assert texts(result.values) == ["storks", "findings about storks", "approved=True", "published"]


async def test_a_terminated_run_is_cancelled_and_its_thread_runs_again(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(asking("left")):
        await client.run("asking", thread, {"answers": []})
        await client.temporal.get_workflow_handle(thread).terminate("operator")
        assert (await client.inspect(thread)).status == "cancelled"
        again = await client.run("asking", thread, {"answers": []})
        assert [item.id for item in again.interrupts] == [f"int-{thread}-1"]
        await client.resume(thread, "yes")


async def test_reading_what_does_not_answer_is_bounded(client: OrisClient, thread: str) -> None:
    """No worker was ever there."""
    await client.start("asking", thread, {"answers": []})
    async with asyncio.timeout(15):
        info = await client.inspect(thread)
    assert (info.status, info.graph, info.values) == ("running", "asking", None)
    with pytest.raises(RPCError):
        await client.temporal.get_workflow_handle(f"{thread}-nobody").describe()
    await client.temporal.get_workflow_handle(thread).terminate()
