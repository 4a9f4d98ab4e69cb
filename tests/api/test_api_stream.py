"""Watching runs over HTTP: server-sent events, their ids, their end, and what is refused before they begin."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any
from uuid import uuid4

import httpx
import pytest
from facade_graphs import STORY, gates
from facade_probe import error_of
from facade_streams import Seen, all_events, streaming
from fastapi import FastAPI


@pytest.fixture
def thread() -> str:
    return f"watched-{uuid4().hex[:8]}"


def run(api: httpx.Client, thread_id: str, graph: str = "int", **body: Any) -> httpx.Response:
    return api.post("/v1/jobs/run", json={"thread_id": thread_id, "input": "hello", "graph": graph} | body)


def shown(events: list[Seen]) -> list[Any]:
    """What the events of modes show."""
    return [event.data["data"] for event in events if event.event not in ("end", "error")]


# --- what is shown ------------------------------------------------------------------------------------------


def test_a_completed_run(facade: httpx.Client, thread: str) -> None:
    run(facade, thread, "plain")
    update, end = all_events(facade, thread)
    assert (update.event, update.data["mode"]) == ("updates", "updates")
    assert [message["content"] for message in update.data["data"]["answer_ok"]["messages"]] == ["ok"]
    assert update.id == update.data["cursor"]
    assert end.event == "end"
    checkpoint = facade.get(f"/v1/jobs/{thread}/state").json()["data"]["checkpoint_id"]
    assert end.data == {
        "thread_id": thread,
        "run": 1,
        "status": "completed",
        "checkpoint_id": checkpoint,
        "interrupts": [],
        "error": None,
        "reason": None,
    }


@pytest.mark.parametrize("query", ["mode=values&mode=updates", "mode=values,updates", "mode=values, updates,values"])
def test_several_modes(facade: httpx.Client, thread: str, query: str) -> None:
    run(facade, thread, "plain")
    assert [event.event for event in all_events(facade, thread, query)] == ["values", "updates", "values", "end"]


@pytest.mark.parametrize(("mode", "count"), [("values", 2), ("messages", 1), ("custom", 0), ("debug", 6)])
def test_each_mode_has_its_name(facade: httpx.Client, thread: str, mode: str, count: int) -> None:
    run(facade, thread, "plain")
    *events, end = all_events(facade, thread, f"mode={mode}")
    assert {event.event for event in events} <= {mode}
    assert len(events) >= count
    assert end.event == "end"


def test_headers_that_keep_events_from_being_held_back(facade: httpx.Client, thread: str) -> None:
    run(facade, thread, "plain")
    response = facade.get(f"/v1/jobs/{thread}/stream")
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-accel-buffering"] == "no"
    assert "content-length" not in response.headers


def test_events_come_while_the_run_goes_on(facade: httpx.Client, thread: str, eventually: Callable[..., Any]) -> None:
    with ThreadPoolExecutor() as pool:
        running = pool.submit(run, facade, thread, "gated", input=thread)
        eventually(lambda: facade.get(f"/v1/jobs/{thread}/detail").status_code == 200)
        with streaming(facade, thread, "mode=updates,custom") as events:
            assert next(events).event == "updates"
            assert next(events).data["data"] == {"at": "gate"}
            gates[thread].set()
            assert shown(list(events))[0] == {"at": "end"}
        assert running.result().status_code == 200


def test_tokens_come_as_the_model_writes_them(
    facade: httpx.Client, thread: str, eventually: Callable[..., Any]
) -> None:
    with ThreadPoolExecutor() as pool:
        running = pool.submit(run, facade, thread, "long-story")
        eventually(lambda: facade.get(f"/v1/jobs/{thread}/detail").status_code == 200)
        with streaming(facade, thread, "mode=messages") as events:
            first = next(events)
            assert not running.done()
            *tokens, end = [first, *events]
    pieces = [event.data["data"][0]["content"] for event in tokens]
    assert len(pieces) > 3
    assert pieces[-1] == STORY  # in the end the whole message
    assert STORY.startswith("".join(pieces[:-1]))
    assert end.data["status"] == "completed"


# --- how it ends --------------------------------------------------------------------------------------------


def test_a_run_that_waits_ends_the_stream_with_what_it_asks(facade: httpx.Client, thread: str) -> None:
    run(facade, thread)
    *_, end = all_events(facade, thread)
    assert end.data["status"] == "interrupted"
    (asked,) = end.data["interrupts"]
    assert (asked["interrupt_id"], asked["value"], asked["status"]) == (f"int-{thread}-0", "approve?", "pending")


def test_a_failed_run_ends_the_stream_with_its_error(facade: httpx.Client, thread: str) -> None:
    run(facade, thread, "failing")
    *_, end = all_events(facade, thread)
    assert (end.data["status"], end.data["error"]["code"]) == ("failed", "node")
    assert "no tides today" in end.data["error"]["message"]
    assert end.data["error"]["details"]["node"] == "failing.fail"


def test_a_cancelled_run_ends_the_stream_with_the_reason(facade: httpx.Client, thread: str) -> None:
    run(facade, thread)
    facade.post(f"/v1/jobs/{thread}/cancel", json={"reason": "enough"})
    *_, end = all_events(facade, thread)
    assert (end.data["status"], end.data["reason"]) == ("cancelled", "enough")


def test_a_watcher_may_follow_through_pauses(facade: httpx.Client, thread: str) -> None:
    run(facade, thread, "twice")
    with streaming(facade, thread, "follow=true") as events:
        assert "__interrupt__" in next(events).data["data"]
        for answer in ("a", "b"):
            facade.post(f"/v1/jobs/{thread}/resume", json={"value": answer})
        *rest, end = events
    assert [next(iter(data)) for data in shown(rest)] == ["__interrupt__", "ask_twice"]
    assert end.data["status"] == "completed"


def test_a_stream_is_of_the_run_it_began_with(facade: httpx.Client, thread: str) -> None:
    run(facade, thread)
    with streaming(facade, thread, "follow=true") as events:
        next(events)
        run(facade, thread)
        *_, end = events
    assert (end.data["run"], end.data["status"]) == (1, "cancelled")


# --- going on -----------------------------------------------------------------------------------------------


def test_a_stream_goes_on_exactly_after_any_event(facade: httpx.Client, thread: str) -> None:
    run(facade, thread, "eff")
    query = "mode=values,updates,messages,custom,debug"
    *whole, end = all_events(facade, thread, query)
    assert len({event.id for event in whole}) == len(whole)
    for index, event in enumerate(whole):
        assert all_events(facade, thread, query, after=event.id) == [*whole[index + 1 :], end]
    middle = whole[3].id
    assert all_events(facade, thread, f"{query}&cursor={middle}") == [*whole[4:], end]
    assert all_events(facade, thread, f"{query}&cursor=1-1", after=middle) == [*whole[4:], end]


def story_in_pieces(facade: httpx.Client, thread: str) -> list[str]:
    """What a model writes, by a new connection for each two events, until one is told of the end."""
    run(facade, thread, "story", wait_ms=0)
    pieces: list[str] = []
    last: str | None = None
    while True:
        with streaming(facade, thread, "mode=messages", after=last) as events:
            for event in islice(events, 2):
                if event.event != "messages":
                    assert event.event == "end"
                    return pieces
                pieces.append(event.data["data"][0]["content"])
                last = event.id


def test_a_stream_goes_on_exactly_after_a_token(facade: httpx.Client, thread: str) -> None:
    *tokens, whole = story_in_pieces(facade, thread)
    assert whole == STORY
    assert len(tokens) > 2
    assert STORY.startswith("".join(tokens))


def test_no_token_follows_the_whole_message(facade: httpx.Client, thread: str) -> None:
    """However the looks at what a model writes meet the end of its call."""
    with ThreadPoolExecutor(8) as pool:
        stories = list(pool.map(lambda number: story_in_pieces(facade, f"{thread}-{number}"), range(32)))
    assert {pieces[-1] for pieces in stories} == {STORY}


def test_after_an_answer_a_stream_goes_on_where_it_ended(facade: httpx.Client, thread: str) -> None:
    run(facade, thread)
    *_, end = all_events(facade, thread)
    facade.post(f"/v1/jobs/{thread}/resume", json={"value": 1})
    update, end = all_events(facade, thread, after=end.id)
    assert update.data["data"].keys() == {"approve"}
    assert end.data["status"] == "completed"


# --- watchers -----------------------------------------------------------------------------------------------


def test_silence_is_broken_by_comments(facade: httpx.Client, thread: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oris_temporal.api.transport.event_stream.HEARTBEAT_SECONDS", 0.02)
    run(facade, thread)
    with streaming(facade, thread, "follow=true", comments=True) as events:
        while next(events).event != "updates":
            pass
        assert [next(events) for _ in range(2)] == [Seen("", "heartbeat")] * 2


def test_many_watchers_see_the_same_and_leave_no_trace(facade: httpx.Client, thread: str) -> None:
    run(facade, thread)
    alone = f"{thread}-alone"
    run(facade, alone)

    def watch(_: int) -> list[Seen]:
        return all_events(facade, thread, "follow=true")

    with ThreadPoolExecutor(30) as pool:
        watching = pool.map(watch, range(30))
        facade.post(f"/v1/jobs/{thread}/resume", json={"value": 1})
        first, *others = watching
    assert [event.event for event in first] == ["updates", "updates", "end"]
    assert others == [first] * 29


def test_a_client_that_goes_away_leaves_nothing(
    facade: httpx.Client, facade_app: list[FastAPI], thread: str, eventually: Callable[..., Any]
) -> None:
    run(facade, thread)
    open_streams = facade_app[0].state.services.streams.open
    with streaming(facade, thread, "follow=true") as events:
        next(events)
        assert len(open_streams) == 1
    assert eventually(lambda: not open_streams)


# --- refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("mode=everything", "Unknown stream mode 'everything'"),
        ("mode=", "at least one mode"),
        ("cursor=yesterday", "'yesterday' is not a stream cursor"),
        ("cursor=1-2-3", "is not a stream cursor"),
        ("cursor=1-2&cursor=1-3", "duplicate field `cursor`"),
        ("follow=1", "provided string was not `true` or `false`"),
        ("follow=", "provided string was not `true` or `false`"),
    ],
)
def test_what_cannot_be_shown_is_400_before_the_stream_begins(
    facade: httpx.Client, thread: str, query: str, message: str
) -> None:
    run(facade, thread, "plain")
    response = facade.get(f"/v1/jobs/{thread}/stream?{query}")
    assert response.status_code == 400
    error = error_of(response)
    assert error["code"] == "invalid_argument"
    assert message in error["message"]


def test_a_last_event_id_that_is_none_is_400(facade: httpx.Client, thread: str) -> None:
    run(facade, thread, "plain")
    response = facade.get(f"/v1/jobs/{thread}/stream", headers={"last-event-id": "nothing"})
    assert response.status_code == 400


def test_an_unknown_thread_is_404(facade: httpx.Client) -> None:
    response = facade.get("/v1/jobs/unknown/stream", headers={"x-request-id": "r-1"})
    assert response.status_code == 404
    assert response.json() == {
        "request_id": "r-1",
        "error": {
            "code": "not_found",
            "message": "Execution error: No state found for thread: unknown",
            "details": None,
        },
    }


def test_a_blank_thread_is_400(facade: httpx.Client) -> None:
    assert error_of(facade.get("/v1/jobs/%20/stream"))["message"] == "thread_id must not be empty"


def test_head_of_a_stream_does_not_wait(facade: httpx.Client, thread: str) -> None:
    run(facade, thread)
    response = facade.head(f"/v1/jobs/{thread}/stream?follow=true")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"].startswith("text/event-stream")
    assert facade.head("/v1/jobs/unknown/stream").status_code == 404


@pytest.mark.parametrize("id", ["a/b", "é\U0001f600", " a ", "50%", "a?b#c", 'quo"te'])
def test_ids_may_have_any_characters(facade: httpx.Client, thread: str, id: str) -> None:
    id = f"{thread}{id}"
    run(facade, id, "plain")
    path = "".join(f"%{byte:02X}" for byte in id.encode())
    assert all_events(facade, path)[-1].data["thread_id"] == id


def test_the_document_says_what_the_data_of_events_is(api: httpx.Client) -> None:
    operation = api.get("/openapi.json").json()["paths"]["/v1/jobs/{thread_id}/stream"]["get"]
    content = operation["responses"]["200"]["content"]["text/event-stream"]
    assert "event: end" in content["example"]
    titles = [schema["title"] for schema in content["itemSchema"]["properties"]["data"]["contentSchema"]["anyOf"]]
    assert titles == ["StreamedChunk", "JobOutcome", "ErrorEnvelope"]
    for line in content["example"].splitlines():
        if line.startswith("data: "):
            json.loads(line.removeprefix("data: "))
