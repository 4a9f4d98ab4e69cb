"""What people see in the Web UI: summaries, details, groups, and runs found by search attributes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from review_graph import review
from temporal_support import Serve, events, eventually
from temporalio.api.common.v1 import Payload
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client

from oris_temporal import OrisClient
from oris_temporal.workflows.search_attributes import GRAPH, INTERRUPTS, STATUS, TENANT, UPDATED_AT


async def test_a_run_is_summed_up_in_a_line_and_drawn(
    client: OrisClient, temporal: Client, serve: Serve, thread: str
) -> None:
    async with serve(review):
        await client.run(review, thread, "What do\nstorks eat?")
        described = await temporal.get_workflow_handle(thread).describe()
    assert await described.static_summary() == "review: What do storks eat?"
    details = await described.static_details()
    assert details == f"```mermaid\n{review.to_mermaid()}\n```"


async def test_by_name_alone_the_run_is_summed_up_as_well(
    client: OrisClient, temporal: Client, serve: Serve, thread: str
) -> None:
    async with serve(review):
        await client.run("review", thread, "What do storks eat?")
        described = await temporal.get_workflow_handle(thread).describe()
    assert await described.static_summary() == "review: What do storks eat?"


async def test_the_current_details_are_a_live_table_of_the_nodes(
    client: OrisClient, temporal: Client, serve: Serve, thread: str
) -> None:
    async def details() -> str:
        handle = temporal.get_workflow_handle(thread)
        metadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
        return metadata.current_details.replace("\N{EM SPACE}", "")  # which keeps the columns of the Web UI apart

    async with serve(review):
        await client.run("review", thread, "storks")
        waiting = await details()
        assert waiting.startswith("**interrupted**")
        assert f"`int-{thread}-0` asks at **approve**" in waiting
        assert "| research | done | 1 |" in waiting
        assert "| approve | waits for an answer |  |" in waiting
        assert "| publish |  |  |" in waiting

        await client.resume(thread, {"ok": True})
        done = await details()
        assert done.startswith("**completed**")
        assert "| publish | done | 1 |" in done
        assert "asks at" not in done


async def test_activities_carry_a_summary_and_belong_to_a_group_of_their_node(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(review):
        await client.run("review", thread, "storks")
        await client.resume(thread, {"ok": True})
        history = await events(client, thread)
    scheduled = [event for event in history if event.HasField("activity_task_scheduled_event_attributes")]
    names = [event.activity_task_scheduled_event_attributes.activity_type.name for event in scheduled]
    assert names == ["review.research", "review.publish"]
    converter = client.temporal.data_converter.payload_converter

    def text(payload: Payload) -> str:
        return str(converter.from_payload(payload))

    assert [text(event.user_metadata.summary) for event in scheduled] == ["step 1", "step 3"]
    groups = [list(event.event_group_markers) for event in scheduled]
    assert all(groups)
    shown = [str(group) for group in groups]
    assert "1/research/0" in shown[0]
    assert "3/publish/0" in shown[1]


async def test_runs_are_found_by_search_attributes_and_keep_what_lists_need_in_their_memo(
    client: OrisClient, temporal: Client, serve: Serve, thread: str
) -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)
    tenant = f"tenant-{thread}"
    async with serve(review):
        await client.run("review", thread, "storks", tenant=tenant)
        described = await temporal.get_workflow_handle(thread).describe()
        found = described.typed_search_attributes
        assert found[GRAPH] == "review"
        assert found[STATUS] == "interrupted"
        assert found[TENANT] == tenant
        assert list(found[INTERRUPTS]) == [f"int-{thread}-0"]
        assert found[UPDATED_AT] > before
        memo = await described.memo_value("oris")
        assert memo["run"] == 1
        assert [item["id"] for item in memo["pending"]] == [f"int-{thread}-0"]

        async def listed() -> list[str]:
            query = f"OrisInterrupts = 'int-{thread}-0' AND OrisStatus = 'interrupted'"
            return [execution.id async for execution in temporal.list_workflows(query)]

        assert await eventually(listed) == [thread]
        await client.resume(thread, {"ok": True})


async def test_threads_are_listed_each_by_its_latest_run(client: OrisClient, serve: Serve, thread: str) -> None:
    tenant = f"tenant-{thread}"
    async with serve(review):
        for name in ("a", "b"):
            await client.run("review", f"{thread}-{name}", "storks", tenant=tenant)
        await client.resume(f"{thread}-a", {"ok": True})
        await client.run("review", f"{thread}-a", "again", tenant=tenant)
        await client.resume(f"{thread}-b", {"ok": True})

        async def statuses() -> dict[str, str]:
            return {item.thread_id: item.status for item in await client.list(tenant=tenant)}

        expected = {f"{thread}-a": "interrupted", f"{thread}-b": "completed"}

        async def as_expected() -> bool:
            return await statuses() == expected

        await eventually(as_expected)
        assert [item.thread_id for item in await client.list(tenant=tenant, status="completed")] == [f"{thread}-b"]
        assert [item.thread_id for item in await client.list(tenant=tenant, status="interrupted")] == [f"{thread}-a"]
        assert await client.list(tenant=tenant, graph="other") == []
        assert len(await client.list(tenant=tenant, limit=1)) == 1
        assert len(await client.list(tenant=tenant, offset=1)) == 1
        assert f"int-{thread}-a-1" in {item.id for item in await client.interrupts()}
