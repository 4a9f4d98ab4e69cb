"""Providers that misbehave, over real HTTP and with their real SDKs: what a run on the server makes of each case."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import uuid4

import anthropic_wire
import openai_wire
import pytest
from provider_server import Answer, Asked, ProviderServer
from temporal_support import Serve, events
from temporalio.api.enums.v1 import ApplicationErrorCategory
from temporalio.api.failure.v1 import ApplicationFailureInfo

from oris_temporal import Message, OrisClient, RunResult, create_agent, tool

SAID = "A stork 🦢 is a bird."
PARTS = ("A stork ", "🦢", " is a bird.")
CALLS = {"call_1": "stork", "call_2": "crane"}


@dataclass(frozen=True)
class Interface:
    """One provider's way to write things.

    Attributes:
        model: Its model.
        options: Options of the model.
        path: What comes after the server's address.
        text: An answer in parts.
        calls: Calls of ``look_up``, by id.
        empty: An answer that says nothing.
        strange: A chunk that is none.
        error: The body of an error.
    """

    model: str
    options: dict[str, Any]
    path: str
    text: Callable[..., Answer]
    calls: Callable[[dict[str, str]], Answer]
    empty: Answer
    strange: bytes
    error: Callable[[str], dict[str, Any]]


def chat_calls(calls: dict[str, str]) -> Answer:
    parts = [
        openai_wire.tool(place, json.dumps({"what": what}), id=id, name="look_up")
        for place, (id, what) in enumerate(calls.items())
    ]
    return openai_wire.chat(*parts, openai_wire.chunk({}, "tool_calls"))


def responses_text(*parts: str) -> Answer:
    deltas = [openai_wire.event("response.output_text.delta", output_index=0, delta=part) for part in parts]
    return openai_wire.responses(*deltas, openai_wire.done(0, openai_wire.said("".join(parts))))


def responses_calls(calls: dict[str, str]) -> Answer:
    items = [openai_wire.function_call(id, "look_up", json.dumps({"what": what})) for id, what in calls.items()]
    return openai_wire.responses(*(openai_wire.done(place, item) for place, item in enumerate(items)))


def anthropic_text(*parts: str) -> Answer:
    return Answer.events(anthropic_wire.start(), *anthropic_wire.text_block(0, *parts), *anthropic_wire.finish())


def anthropic_calls(calls: dict[str, str]) -> Answer:
    blocks = [
        event
        for place, (id, what) in enumerate(calls.items())
        for event in anthropic_wire.tool_block(place, id, "look_up", json.dumps({"what": what}))
    ]
    return Answer.events(anthropic_wire.start(), *blocks, *anthropic_wire.finish("tool_use"))


INTERFACES = {
    "chat": Interface(
        "openai:gpt-test",
        {},
        "/v1",
        lambda *parts: openai_wire.chat(*openai_wire.text(*parts)),
        chat_calls,
        openai_wire.chat(openai_wire.chunk(), openai_wire.chunk({}, "stop")),
        b'data: {"choices": [{"index": 0, "delta": 5}]}\n\n',
        lambda said: {"error": {"message": said, "type": "x", "code": None}},
    ),
    "responses": Interface(
        "openai:gpt-test",
        {"api": "responses"},
        "/v1",
        responses_text,
        responses_calls,
        openai_wire.responses(),
        b'event: response.output_text.delta\ndata: {"type": "response.output_text.delta", "delta": 5}\n\n',
        lambda said: {"error": {"message": said, "type": "x", "code": None}},
    ),
    "anthropic": Interface(
        "anthropic:claude-test",
        {},
        "",
        anthropic_text,
        anthropic_calls,
        Answer.events(anthropic_wire.start(), *anthropic_wire.finish()),
        b"event: content_block_delta\ndata: {oops\n\n",
        lambda said: {"type": "error", "error": {"type": "x", "message": said}},
    ),
}


@tool
async def look_up(what: str) -> str:
    """Look something up."""
    return f"A {what} is a bird."


Cases = dict[str, list[Answer | Callable[[], Answer]]]
"""What is answered to a case's requests, one after the other; or what makes the answer when it is due."""


class Provider:
    """Answers each case as it is written; the last answer again and again.

    Attributes:
        asked: Requests by case.
        sizes: Characters of the last request, by case.
    """

    def __init__(self, cases: Cases) -> None:
        self.asked: Counter[str] = Counter()
        self.sizes: dict[str, int] = {}
        self._cases = cases

    def __call__(self, request: Asked) -> Answer:
        body = json.dumps(request.body)
        case = next(case for case in self._cases if f"case: {case}." in body)
        number = self.asked[case]
        self.asked[case] += 1
        self.sizes[case] = len(body)
        answer = self._cases[case][min(number, len(self._cases[case]) - 1)]
        if callable(answer):
            answer = answer()
        return replace(answer, chunks=[own_id(chunk, f"{case}-{number}") for chunk in answer.chunks])


def own_id(chunk: Any, id: str) -> Any:
    """A chunk with an id for the answer that no other has."""
    return re.sub(rb'"(chatcmpl-|resp_|msg_)1"', f'"\\g<1>{id}"'.encode(), chunk) if isinstance(chunk, bytes) else chunk


def whole(answer: Answer) -> bytes:
    return b"".join(chunk for chunk in answer.chunks if isinstance(chunk, bytes))


def cases_of(by: Interface) -> Cases:
    good = by.text(*PARTS)
    half = list(good.chunks)[: len(good.chunks) // 2]
    raw = whole(good).replace(b"\\ud83e\\udda2", "🦢".encode())
    middle = raw.index("🦢".encode()) + 2

    def error(status: int, said: str = "It is so.", **headers: str) -> Answer:
        return Answer.json(by.error(said), status, **headers)

    def try_in_3_seconds() -> Answer:
        return error(429, retry_after=format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True))

    return {
        "cut in the middle": [Answer(200, good.headers, half, hang_up=True), good],
        "over too early": [Answer(200, good.headers, half), good],
        "a malformed chunk": [Answer(200, good.headers, [*half, by.strange]), good],
        "no stream at all": [Answer(200, {"content-type": "text/html"}, [b"<html>Welcome</html>"]), good],
        "a slow first token": [Answer(200, good.headers, [4.5, *good.chunks])],  # longer than the heartbeat
        "a character in two chunks": [Answer(200, good.headers, [raw[:middle], 0.05, raw[middle:]])],
        "too many, seconds": [error(429, retry_after="1"), good],
        "too many, milliseconds": [error(429, retry_after_ms="150"), good],
        "too many, date": [try_in_3_seconds, good],
        "too many": [error(429), good],
        "overloaded": [error(529), good],
        "down": [error(500), good],
        "calls side by side": [by.calls(CALLS), good],
        "nothing said": [by.empty],
        "a long history": [good],
        "a wrong key": [error(401)],
        "too long": [error(400, "prompt is too long: 210000 tokens > 200000 maximum")],
    }


@pytest.mark.parametrize("name", INTERFACES)
async def test_every_case(client: OrisClient, serve: Serve, name: str) -> None:
    by = INTERFACES[name]
    cases = cases_of(by)
    provider = Provider(cases)
    async with ProviderServer(provider) as server:
        base_url = f"{server.url}{by.path}"
        agent = create_agent(by.model, [look_up], heartbeat="4s", base_url=base_url, **by.options)
        threads = {case: f"t-{uuid4().hex[:12]}" for case in cases}
        async with serve(agent, max_cached_workflows=100):

            async def run(case: str) -> RunResult:
                words = "lorem ipsum dolor " * 230  # about 1,000 tokens
                turns = 100 if case == "a long history" else 0
                history = [message for _ in range(turns) for message in (Message.human(words), Message.ai(words))]
                return await client.run("agent", threads[case], {"messages": [*history, f"The case: {case}."]})

            done = dict(zip(cases, await asyncio.gather(*map(run, cases)), strict=True))

        failed = {case: result.error["details"]["kind"] for case, result in done.items() if result.error}
        assert failed == {"a wrong key": "authentication", "too long": "context_length"}
        said = {case: result.values["messages"][-1]["content"] for case, result in done.items() if case not in failed}
        assert said == {**dict.fromkeys(said, SAID), "nothing said": ""}
        once = {"a slow first token", "a character in two chunks", "nothing said", "a long history", *failed}
        assert provider.asked == {case: 1 if case in once else 2 for case in cases}
        assert provider.sizes["a long history"] > 800_000

        told = done["calls side by side"].values["messages"]
        results = [(message["id"], message["content"]) for message in told if message["message_type"] == "tool"]
        assert results == [(id, f"A {what} is a bird.") for id, what in CALLS.items()]

        again = {
            case: await why_again(client, threads[case])
            for case in cases
            if case.startswith("too many") or case in ("overloaded", "down", "cut in the middle")
        }
    assert all(
        info.category == ApplicationErrorCategory.APPLICATION_ERROR_CATEGORY_BENIGN and not info.non_retryable
        for info in again.values()
    )
    delays = {case: info.next_retry_delay.ToTimedelta() for case, info in again.items()}
    assert timedelta(0) < delays.pop("too many, date") <= timedelta(seconds=3)
    assert delays == {
        **dict.fromkeys(delays, timedelta(0)),  # as the retry policy says
        "too many, seconds": timedelta(seconds=1),
        "too many, milliseconds": timedelta(milliseconds=150),
    }


@pytest.mark.parametrize("name", INTERFACES)
async def test_watchers_are_told_that_an_answer_begins_anew(
    client: OrisClient, serve: Serve, thread: str, name: str
) -> None:
    by = INTERFACES[name]
    good = by.text(*PARTS)
    seen, told = asyncio.Event(), asyncio.Event()
    half = Answer(200, good.headers, [*good.chunks[: len(good.chunks) // 2], seen], hang_up=True)
    async with ProviderServer(half, Answer(200, good.headers, [told, *good.chunks])) as server:
        agent = create_agent(by.model, base_url=f"{server.url}{by.path}", **by.options)
        async with serve(agent, max_cached_workflows=10):
            await client.start("agent", thread, "What is a stork?")
            got: list[str] = []
            async for chunk in client.stream(thread, mode="messages"):
                message = chunk.data[0]
                if message.get("restart"):
                    got.append("restart")
                    told.set()
                elif message.get("chunk"):
                    got.append("piece")
                    seen.set()
                else:
                    got.append(message["content"])
    assert (got[0], got[-1], got.count("restart")) == ("piece", SAID, 1)


async def why_again(client: OrisClient, thread: str) -> ApplicationFailureInfo:
    """Why the model call of a run was made again, and after which wait."""
    infos: Iterable[ApplicationFailureInfo] = (
        event.activity_task_started_event_attributes.last_failure.application_failure_info
        for event in await events(client, thread)
        if event.activity_task_started_event_attributes.attempt == 2
    )
    [info] = infos
    return info
