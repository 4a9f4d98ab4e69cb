"""Queries are plain JSON: the Web UI, the command line and any SDK may ask."""

from __future__ import annotations

import json

from questions import asking
from review_graph import review
from temporal_support import Serve, event_names
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client

from oris_temporal import OrisClient


async def test_a_waiting_run_answers_them_all_at_no_cost(
    client: OrisClient, temporal: Client, serve: Serve, thread: str
) -> None:
    async with serve(review):
        await client.run("review", thread, "storks")
        before = await event_names(client, thread)
        handle = temporal.get_workflow_handle(thread)

        state = await handle.query("state")
        assert state["status"] == "interrupted"
        assert state["next"] == ["approve"]
        assert [item["id"] for item in state["interrupts"]] == [f"int-{thread}-0"]
        assert len(state["values"]["messages"]) == 2

        page = await handle.query("history")
        history = page["items"]
        assert not page["more"]
        assert [item["config"]["checkpoint_id"] for item in history] == ["0001-000001", "0001-000002"]
        assert "values" not in history[0]
        assert "values" in (await handle.query("history", args=["", True]))["items"][0]
        assert (await handle.query("checkpoint", "0001-000001"))["next"] == ["research"]
        assert await handle.query("checkpoint", "0009-000001") is None

        [interrupt] = (await handle.query("interrupts"))["items"]
        assert interrupt["value"] == {"question": "Publish?"}
        assert [event["event_type"] for event in (await handle.query("timeline"))["items"]][-1] == "interrupt"

        graph = await handle.query("graph")
        assert (graph["name"], graph["digest"]) == ("review", review.digest)
        assert graph["mermaid"] == review.to_mermaid()
        assert "messages" in graph["schema"]["properties"]

        assert await event_names(client, thread) == before
        json.dumps([state, history, interrupt, graph])


async def test_a_closed_run_answers_them_too(client: OrisClient, temporal: Client, serve: Serve, thread: str) -> None:
    async with serve(asking("left")):
        await client.run("asking", thread, {"answers": []})
        await client.resume(thread, "yes")
        handle = temporal.get_workflow_handle(thread)
        assert await handle.query("state") == {
            "status": "completed",
            "checkpoint_id": "0001-000002",
            "values": {"answers": ["left=yes"]},
            "next": [],
            "interrupts": [],
        }
        assert (await handle.query("interrupts"))["items"] == []
        assert [item["status"] for item in (await handle.query("interrupts", True))["items"]] == ["resumed"]
        assert len((await handle.query("history"))["items"]) == 2


async def test_every_signal_update_and_query_is_described_for_the_web_ui(
    client: OrisClient, temporal: Client, serve: Serve, thread: str
) -> None:
    async with serve(review):
        await client.run("review", thread, "storks")
        metadata = await temporal.get_workflow_handle(thread).query(
            "__temporal_workflow_metadata", result_type=WorkflowMetadata
        )
    definition = metadata.definition
    assert definition.type == "review"
    for found, names in (
        (definition.query_definitions, {"state", "history", "interrupts", "timeline", "graph"}),
        (definition.signal_definitions, {"resume"}),
        (definition.update_definitions, {"resume", "reject", "update_state", "wait"}),
    ):
        described = {item.name: item.description for item in found}
        assert names <= described.keys()
        assert all(described[name] for name in names)
