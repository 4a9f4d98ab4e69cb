"""Answers come as updates, which are checked before they enter the history, or as signals from anywhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from questions import asking
from temporal_support import Serve, event_counts, event_names, eventually
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowUpdateFailedError
from temporalio.common import RawValue

from oris_temporal import OrisClient
from oris_temporal.graph.errors import (
    AmbiguousResumeError,
    InterruptNotFoundError,
    InvalidAnswerError,
    InvalidUpdateError,
    NodeNotFoundError,
    OrisError,
    ThreadNotFoundError,
)

graph = asking("left", "typed")


@pytest.fixture
async def paused(client: OrisClient, serve: Serve, thread: str) -> AsyncIterator[str]:
    """A thread that waits for two answers."""
    async with serve(graph):
        await client.run("asking", thread, {"answers": []})
        yield thread


BAD: dict[str, tuple[type[OrisError], Callable[[OrisClient, str], Awaitable[object]]]] = {
    "one value for two questions": (AmbiguousResumeError, lambda client, t: client.resume(t, "yes")),
    "an id never asked": (InterruptNotFoundError, lambda client, t: client.resume(t, 1, interrupt_id="int-other-0")),
    "one of several ids never asked": (
        InterruptNotFoundError,
        lambda client, t: client.resume(t, {f"int-{t}-0": 1, "int-other-0": 1}, by_id=True),
    ),
    "by id, but no ids": (InvalidAnswerError, lambda client, t: client.resume(t, "yes", by_id=True)),
    "not what the schema says": (
        InvalidAnswerError,
        lambda client, t: client.resume(t, {"ok": "perhaps"}, interrupt_id=f"int-{t}-1"),
    ),
    "a goto to nowhere": (NodeNotFoundError, lambda client, t: client.resume(t, goto="nowhere")),
    "a field the state lacks": (InvalidUpdateError, lambda client, t: client.update_state(t, {"nowhere": 1})),
    "a value of the wrong type": (InvalidUpdateError, lambda client, t: client.update_state(t, {"answers": 3})),
    "as a node there is not": (
        NodeNotFoundError,
        lambda client, t: client.update_state(t, {"answers": []}, as_node="nobody"),
    ),
    "a rejection of an id never asked": (InterruptNotFoundError, lambda client, t: client.reject(t, "int-other-0")),
    "a rejection of one of two": (AmbiguousResumeError, lambda client, t: client.reject(t)),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_refused_update_says_why_and_leaves_no_history(client: OrisClient, paused: str, case: str) -> None:
    error, attempt = BAD[case]
    before = await event_names(client, paused)
    with pytest.raises(error):
        await attempt(client, paused)
    assert await event_names(client, paused) == before
    assert [item.id for item in (await client.inspect(paused)).interrupts] == [f"int-{paused}-0", f"int-{paused}-1"]


async def test_an_answer_that_fits_its_schema_arrives_as_an_instance(client: OrisClient, paused: str) -> None:
    [schema] = [item.answer_schema for item in await client.interrupts(paused) if item.answer_schema]
    assert set(schema["properties"]) == {"ok", "note"}
    result = await client.resume(
        paused, {f"int-{paused}-1": {"ok": True, "note": "fine"}, f"int-{paused}-0": 1}, by_id=True
    )
    assert result.values == {"answers": ["left=1", "ok=True note=fine"]}


async def test_a_signal_of_any_client_answers_too(client: OrisClient, paused: str) -> None:
    handle = client.temporal.get_workflow_handle(paused)
    await handle.signal("resume", args=["yes", {"interrupt_id": f"int-{paused}-0"}])
    await handle.signal("resume", {"ok": False})  # the only question that is left
    assert await handle.result() == {"answers": ["left=yes", "ok=False note="]}
    counts = await event_counts(client, paused)
    assert counts["WORKFLOW_EXECUTION_SIGNALED"] == 2


async def test_a_signal_that_answers_nothing_is_noted_and_changes_nothing(client: OrisClient, paused: str) -> None:
    handle = client.temporal.get_workflow_handle(paused)
    await handle.signal("resume", "yes")
    await handle.signal("resume", args=["yes", {"interrupt_id": "int-other-0"}])

    async def ignored() -> list[str]:
        timeline = await client.timeline(paused)
        codes = [event.data["code"] for event in timeline if event.kind == "ignored"]
        return codes if len(codes) == 2 else []

    assert await eventually(ignored) == ["ambiguous_resume", "interrupt_not_found"]
    assert len(await client.interrupts(paused)) == 2


MALFORMED: dict[str, list[Any]] = {
    "options that are text": ["yes", "options"],
    "options that are a list": ["yes", ["int-0"]],
    "an id that is a list": ["yes", {"interrupt_id": ["int-0"]}],
    "an author that is an object": ["yes", {"author": {"name": "ada"}}],
    "an update that is a number": ["yes", {"update": 3, "no_value": True}],
    "a goto without a node": ["yes", {"goto": [{"payload": 1}], "no_value": True}],
    "a goto that is a number": ["yes", {"goto": 7}],
    "answers by id that are text": ["yes", {"by_id": True}],
}


async def test_a_malformed_signal_is_noted_and_a_malformed_update_refused(client: OrisClient, paused: str) -> None:
    handle = client.temporal.get_workflow_handle(paused)
    for args in MALFORMED.values():
        await handle.signal("resume", args=args)

    async def ignored() -> bool:
        timeline = await client.timeline(paused)
        return [event.kind for event in timeline].count("ignored") == len(MALFORMED)

    await eventually(ignored)
    before = await event_names(client, paused)
    for args in MALFORMED.values():
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update("resume", args=args)
    for name, args in (
        ("update_state", [3]),
        ("update_state", [{}, 3]),
        ("reject", [{"id": 1}]),
        ("reject", [None, 3]),
    ):
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update(name, args=args)
    assert await event_names(client, paused) == before
    assert len(await client.interrupts(paused)) == 2


async def test_signals_that_are_no_json_or_not_for_people_change_nothing(client: OrisClient, paused: str) -> None:
    handle = client.temporal.get_workflow_handle(paused)
    strange = Payload(metadata={"encoding": b"application/x-strange"}, data=b"\xff")
    for name in ("resume", "news", "oris_child_waits"):
        await handle.signal(name, RawValue(strange))
        await handle.signal(name, b"\xff\xfe")
    await handle.signal("oris_child_waits", args=["1/left/0", {"pending": [{"nonsense": 1}]}])
    await handle.signal("oris_child_waits", args=["1/left/0", {"pending": 3, "signals": ["a"]}])
    await handle.signal("oris_child_waits", args=["1/left/0", {}, [], "more"])
    await handle.signal("resume", args=["yes", None, "more", "still more"])
    done = await client.resume(paused, {f"int-{paused}-1": {"ok": True}, f"int-{paused}-0": 1}, by_id=True)
    assert done.values == {"answers": ["left=1", "ok=True note="]}


async def test_a_thread_nobody_started_is_not_found(client: OrisClient, thread: str) -> None:
    for attempt in (
        client.resume(thread, 1),
        client.reject(thread),
        client.cancel(thread),
        client.signal(thread, "x"),
        client.update_state(thread, {}),
        client.inspect(thread),
        client.history(thread),
        client.timeline(thread),
        client.interrupts(thread),
        client.checkpoint(thread),
        client.result(thread),
        client.replay(thread),
        client.fork(thread),
    ):
        with pytest.raises(ThreadNotFoundError):
            await attempt
