"""What Anthropic's streams add up to."""

from __future__ import annotations

import asyncio
import json

import pytest
from anthropic_wire import (
    begin,
    call,
    delta,
    end,
    finish,
    hello,
    request,
    serving,
    start,
    text_block,
    tool_block,
)
from provider_server import Answer

from oris_temporal.graph.errors import ModelError
from oris_temporal.models import Usage


async def test_text_comes_in_pieces_and_as_a_whole() -> None:
    called = await call(hello())
    assert called.pieces == [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    reply = called.reply
    assert (reply.text, reply.stop_reason, reply.model, reply.id) == ("Hello", "stop", "claude-test-1", "msg_1")
    assert reply.usage == Usage(prompt=10, completion=5, calls=1)
    assert reply.reasoning is None


async def test_what_came_from_the_cache_was_read_too() -> None:
    first = start(cache_read_input_tokens=100, cache_creation_input_tokens=20)
    called = await call(Answer.events(first, *text_block(0, "ok"), *finish()))
    assert called.reply.usage == Usage(prompt=130, completion=5, cached=100, cache_writes=20, calls=1)


async def test_parallel_tool_calls() -> None:
    called = await call(
        Answer.events(
            start(),
            *text_block(0, "Looking."),
            *tool_block(1, "t1", "search", '{"q": ', '"a"}'),
            *tool_block(2, "t2", "now"),
            *finish("tool_use"),
        )
    )
    assert called.reply.stop_reason == "tool_calls"
    assert called.reply.tool_calls == [
        {"id": "t1", "type": "function", "function": {"name": "search", "arguments": '{"q": "a"}'}},
        {"id": "t2", "type": "function", "function": {"name": "now", "arguments": "{}"}},
    ]
    assert called.pieces[1:] == [
        {"type": "tool_call", "index": 0, "id": "t1", "name": "search"},
        {"type": "tool_call", "index": 0, "arguments": '{"q": '},
        {"type": "tool_call", "index": 0, "arguments": '"a"}'},
        {"type": "tool_call", "index": 1, "id": "t2", "name": "now"},
    ]


async def test_empty_pieces_are_not_told() -> None:
    called = await call(
        Answer.events(start(), *text_block(0, "", "Hi"), *tool_block(1, "t1", "now", "", "{}"), *finish("tool_use"))
    )
    assert called.pieces == [
        {"type": "text", "text": "Hi"},
        {"type": "tool_call", "index": 0, "id": "t1", "name": "now"},
        {"type": "tool_call", "index": 0, "arguments": "{}"},
    ]


async def test_arguments_may_come_whole() -> None:
    block = {"type": "tool_use", "id": "t1", "name": "search", "input": {"q": "a"}}
    called = await call(Answer.events(start(), begin(0, block), end(0), *finish("tool_use")))
    assert called.reply.tool_calls[0]["function"]["arguments"] == '{"q": "a"}'
    assert called.pieces[1:] == [{"type": "tool_call", "index": 0, "arguments": '{"q": "a"}'}]


async def test_arguments_cut_short_are_kept_as_they_came() -> None:
    called = await call(Answer.events(start(), *tool_block(0, "t1", "search", '{"q": "'), *finish("max_tokens")))
    assert called.reply.stop_reason == "length"
    assert called.reply.tool_calls[0]["function"]["arguments"] == '{"q": "'


async def test_the_providers_own_tools_are_no_calls() -> None:
    block = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}
    used = [begin(0, block), delta(0, "input_json_delta", partial_json='{"query": "x"}'), end(0)]
    called = await call(Answer.events(start(), *used, *text_block(1, "Hi"), *finish()))
    assert (called.reply.tool_calls, called.pieces) == ([], [{"type": "text", "text": "Hi"}])


async def test_tokens_of_thoughts_are_counted() -> None:
    last = finish(output=50, output_tokens_details={"thinking_tokens": 40})
    called = await call(Answer.events(start(), *text_block(0, "ok"), *last))
    assert called.reply.usage == Usage(prompt=10, completion=50, reasoning=40, calls=1)


async def test_why_it_refused() -> None:
    called = await call(Answer.events(start(), *text_block(0, "I"), *finish("refusal", explanation="Too risky.")))
    assert (called.reply.stop_reason, called.reply.refusal) == ("refusal", "Too risky.")


async def test_events_of_the_future_say_nothing() -> None:
    news = ("news", {"type": "news", "index": 0})
    called = await call(Answer.events(start(), news, *text_block(0, "Hel", "lo"), *finish()))
    assert called.reply.text == "Hello"


async def test_reasoning_is_kept_with_its_signature() -> None:
    called = await call(
        Answer.events(
            start(),
            begin(0, {"type": "thinking", "thinking": "", "signature": ""}),
            delta(0, "thinking_delta", thinking="Hm"),
            delta(0, "thinking_delta", thinking="."),
            delta(0, "signature_delta", signature="sig"),
            end(0),
            begin(1, {"type": "redacted_thinking", "data": "xyz"}),
            end(1),
            *text_block(2, "Well."),
            *finish(),
        )
    )
    assert called.pieces[:2] == [{"type": "reasoning", "text": "Hm"}, {"type": "reasoning", "text": "."}]
    assert called.reply.reasoning == {
        "provider": "anthropic",
        "blocks": [
            {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
            {"type": "redacted_thinking", "data": "xyz"},
        ],
        "text": "Hm.",
    }
    again = await call(hello(), "hi", called.reply.message("anthropic"), "go on")
    assert again.body["messages"][1]["content"][:2] == called.reply.reasoning["blocks"]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("stop_sequence", "stop"), ("max_tokens", "length"), ("refusal", "refusal"), ("pause_turn", "pause_turn")],
)
async def test_why_it_stopped(reason: str, expected: str) -> None:
    called = await call(Answer.events(start(), *text_block(0, "x"), *finish(reason)))
    assert called.reply.stop_reason == expected


async def test_pings_say_nothing() -> None:
    ping = ("ping", {"type": "ping"})
    called = await call(Answer.events(start(), ping, *text_block(0, "Hel", "lo"), ping, *finish()))
    assert called.reply.text == "Hello"


async def test_a_character_may_be_split_between_two_chunks() -> None:
    whole = b"".join(
        chunk
        for chunk in Answer.events(start(), *text_block(0, "to ", "x"), *finish()).chunks
        if isinstance(chunk, bytes)
    ).replace(b'"x"', json.dumps("🦢", ensure_ascii=False).encode())
    place = whole.index("🦢".encode()) + 2
    called = await call(Answer(200, {"content-type": "text/event-stream"}, [whole[:place], 0.01, whole[place:]]))
    assert called.reply.text == "to 🦢"


async def test_a_slow_first_token_is_waited_for() -> None:
    gate = asyncio.Event()
    answer = hello()
    answer.chunks = [gate, *answer.chunks]
    async with serving(answer) as (server, adapter):
        waiting = asyncio.ensure_future(adapter.generate(request(), lambda piece: None))
        while not server.asked:
            await asyncio.sleep(0)
        gate.set()
        assert (await waiting).text == "Hello"


EVENTS = [start(), *text_block(0, "Hel", "lo"), *finish()]


@pytest.mark.parametrize(
    "answer",
    [
        *(Answer.events(*EVENTS[:length]) for length in range(1, len(EVENTS))),
        Answer.events(*EVENTS[:3], hang_up=True),
        Answer.events(EVENTS[0], delta(7, "text_delta", text="lost"), *EVENTS[1:]),
        Answer.events(*EVENTS[1:]),
        Answer.events(EVENTS[0], EVENTS[1], delta(0, "thinking_delta", thinking="lost"), *EVENTS[2:]),
        Answer.events(EVENTS[0], EVENTS[1], *EVENTS[1:]),
        Answer.events(EVENTS[0], b"event: content_block_delta\ndata: {oops\n\n", *EVENTS[1:]),
        Answer.json({"type": "message"}),
        Answer(200, {"content-type": "text/html"}, [b"<html>"]),
    ],
)
async def test_an_answer_that_is_none_may_be_asked_for_again(answer: Answer) -> None:
    async with serving(answer) as (_, adapter):
        with pytest.raises(ModelError) as raised:
            await adapter.generate(request(), lambda piece: None)
    assert raised.value.kind == "malformed"
    assert raised.value.is_retryable


async def test_cancelling_ends_the_request_at_once() -> None:
    answer = hello()
    answer.chunks = [*answer.chunks[:3], asyncio.Event()]
    said = asyncio.Event()
    async with serving(answer) as (server, adapter):
        waiting = asyncio.ensure_future(adapter.generate(request(), lambda piece: said.set()))
        await said.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        async with asyncio.timeout(1):
            await server.hung_up.wait()


async def test_cancelling_ends_a_request_that_has_no_answer_yet() -> None:
    answer = hello()
    answer.chunks = [asyncio.Event()]
    async with serving(answer) as (server, adapter):
        waiting = asyncio.ensure_future(adapter.generate(request(), lambda piece: None))
        while not server.asked:
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        async with asyncio.timeout(1):
            await server.hung_up.wait()


async def test_an_error_of_the_one_who_listens_is_passed_on_and_ends_the_request() -> None:
    answer = hello()
    answer.chunks = [*answer.chunks[:3], asyncio.Event()]

    def listen(piece: object) -> None:
        raise LookupError("mine")

    async with serving(answer) as (server, adapter):
        with pytest.raises(LookupError, match="mine"):
            await adapter.generate(request(), listen)
        async with asyncio.timeout(1):
            await server.hung_up.wait()
