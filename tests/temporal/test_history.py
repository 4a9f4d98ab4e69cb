"""What a thread remembers: checkpoints over all its runs, and what happened in each."""

from __future__ import annotations

import itertools
import operator
from typing import Annotated, Any, TypedDict

import pytest
from review_graph import review, texts
from temporal_support import Serve

from oris_temporal import END, START, OrisClient, StateGraph
from oris_temporal.client.history import follow_history
from oris_temporal.client.lookup import describe
from oris_temporal.graph.errors import CheckpointNotFoundError


async def test_every_superstep_leaves_a_checkpoint(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(review):
        await client.run("review", thread, "storks")
        await client.resume(thread, {"ok": True})
        history = await client.history(thread)

    assert [snapshot.checkpoint_id for snapshot in history] == [f"0001-{n:06d}" for n in range(1, 5)]
    assert [snapshot.next for snapshot in history] == [["research"], ["approve"], ["publish"], []]
    assert [snapshot.metadata["source"] for snapshot in history] == ["input", "loop", "loop", "loop"]
    assert [len(texts(snapshot.values)) for snapshot in history] == [1, 2, 3, 4]
    assert [snapshot.created_at for snapshot in history] == sorted(snapshot.created_at for snapshot in history)
    for before, after in itertools.pairwise(history):
        assert after.parent_config == before.config
    assert history[0].parent_config is None


async def test_checkpoints_are_read_one_by_one_too(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(review):
        await client.run("review", thread, "storks")
        latest = await client.checkpoint(thread)
        assert (latest.checkpoint_id, latest.next) == ("0001-000002", ["approve"])
        assert [item.id for item in latest.interrupts] == [f"int-{thread}-0"]
        first = await client.checkpoint(thread, "0001-000001")
        assert (texts(first.values), first.interrupts) == (["storks"], [])
        with pytest.raises(CheckpointNotFoundError):
            await client.checkpoint(thread, "0007-000001")
        with pytest.raises(CheckpointNotFoundError, match="has no checkpoint in namespace 'nowhere:1'"):
            await client.checkpoint(thread, namespace="nowhere:1")
        newest = await client.history(thread, values=False, order="newest")
        assert [(item.checkpoint_id, item.values) for item in newest] == [("0001-000002", {}), ("0001-000001", {})]


async def test_the_history_of_a_thread_spans_its_runs(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(review):
        for run in (1, 2, 3):
            paused = await client.run("review", thread, f"topic {run}")
            assert [item.id for item in paused.interrupts] == [f"int-{thread}-{run - 1}"]  # counted per thread
            await client.resume(thread, {"ok": True})
        ids = [snapshot.checkpoint_id for snapshot in await client.history(thread)]
        assert ids == [f"{run:04d}-{step:06d}" for run in (1, 2, 3) for step in (1, 2, 3, 4)]
        some = await client.history(thread, order="newest", before="0003-000002", limit=3)
        assert [snapshot.checkpoint_id for snapshot in some] == ["0003-000001", "0002-000004", "0002-000003"]
        first = await client.history(thread, before="0002-000001", limit=6)
        assert [snapshot.checkpoint_id for snapshot in first] == ids[:4]
        early = await client.checkpoint(thread, "0001-000004")
        assert texts(early.values)[0] == "topic 1"
        asked = await client.interrupts(thread, all=True)
        assert [item.id for item in asked] == [f"int-{thread}-{n}" for n in (2, 1, 0)]
        assert {item.status for item in asked} == {"resumed"}


async def test_the_timeline_tells_what_happened_in_order(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(review):
        await client.run("review", thread, "storks")
        await client.resume(thread, {"ok": True}, author="ada")
        timeline = await client.timeline(thread)

    assert [(event.kind, event.node) for event in timeline] == [
        ("run_started", None),
        ("checkpoint", None),
        ("task_started", "research"),
        ("task_completed", "research"),
        ("checkpoint", None),
        ("task_started", "approve"),
        ("interrupt", "approve"),
        ("resumed", "approve"),
        ("task_completed", "approve"),
        ("checkpoint", None),
        ("task_started", "publish"),
        ("task_completed", "publish"),
        ("checkpoint", None),
        ("run_completed", None),
    ]
    assert [event.seq for event in timeline] == sorted({event.seq for event in timeline})
    [resumed] = [event for event in timeline if event.kind == "resumed"]
    assert (resumed.data["author"], resumed.data["value"]) == ("ada", {"ok": True})


class Log(TypedDict):
    log: Annotated[list[str], operator.add]


async def test_a_checkpoint_says_what_was_written_by_whom(client: OrisClient, serve: Serve, thread: str) -> None:
    graph = StateGraph(Log)
    for name in ("a", "b"):
        graph.add_node(name, lambda state, name=name: {"log": [name]}).add_edge(START, name).add_edge(name, END)
    async with serve(graph.compile(name="writing")):
        await client.run("writing", thread, {"log": ["given"]})
        history = await client.history(thread)
    assert [snapshot.metadata["writes"] for snapshot in history] == [
        [["__input__", {"log": ["given"]}]],
        [["a", {"log": ["a"]}], ["b", {"log": ["b"]}]],
    ]


async def test_a_state_may_have_fields_with_the_names_of_an_event(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    class Own(TypedDict, total=False):
        seq: int
        at: str
        node: str

    graph = StateGraph(Own).add_node("work", lambda state: {"seq": 5}).add_edge(START, "work").add_edge("work", END)
    own = {"seq": 7_777, "at": "never", "node": "none"}
    async with serve(graph.compile(name="own")):
        await client.run("own", thread, own)
        timeline = await client.timeline(thread)
    assert [event.seq for event in timeline] == sorted({event.seq for event in timeline})
    assert (timeline[0].seq, timeline[0].node, timeline[0].data) == (1, None, {"input": own})


async def test_the_ten_thousandth_run_comes_after_the_one_before(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(review):
        given = ["storks", {"run": 9_999}]
        await client.temporal.start_workflow("review", args=given, id=thread, task_queue=client.task_queue)
        await client.result(thread)
        await client.run("review", thread, "cranes")
        ids = [snapshot.checkpoint_id for snapshot in await client.history(thread, before="10000-000002")]
    assert ids == ["9999-000001", "9999-000002", "10000-000001"]


async def test_a_history_whose_branch_has_changed_is_followed_anew(
    client: OrisClient, thread: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server refuses the token of a long poll that it takes to be of another branch: here one whose last number was altered."""
    await client.start("review", thread, "storks")
    service = client.temporal.workflow_service
    read = service.get_workflow_execution_history
    tokens: list[bytes] = []

    async def reading(request: Any, **options: Any) -> Any:
        tokens.append(request.next_page_token)
        answer = await read(request, **options)
        if answer.next_page_token and len(tokens) == 1:
            answer.next_page_token = answer.next_page_token[:-1] + b"\x7f"
        return answer

    monkeypatch.setattr(service, "get_workflow_execution_history", reading)
    found = await describe(client.temporal, thread, thread)
    seen: list[int] = []
    async for events in follow_history(client.temporal, found):
        seen += [event.event_id for event in events]
        if len(tokens) == 3:
            await client.temporal.get_workflow_handle(thread).terminate()
    assert tokens[:3] == [b"", tokens[1], b""]
    assert seen == [1, 2, 1, 2, 3]
