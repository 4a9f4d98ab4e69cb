"""The Responses API over real HTTP: what is asked, and what is made of the answer."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from openai_wire import (
    KEY,
    STREAM,
    begun,
    call,
    chat,
    done,
    event,
    function_call,
    request,
    response,
    responses,
    said,
    serving,
    text,
    thought,
)
from provider_server import Answer

from oris_temporal.graph.errors import ModelError
from oris_temporal.graph.messages import Image, Message
from oris_temporal.models import ModelReply, ResponseFormat, ToolSpec, Usage

WEATHER = ToolSpec("weather", "Weather of a city.", {"type": "object", "properties": {"city": {"type": "string"}}})
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}


def options(**more: Any) -> dict[str, Any]:
    return {"api": "responses", **more}


async def ask(answer: Answer, *messages: Message, set_options: dict[str, Any] | None = None, **more: Any) -> Any:
    return await call(answer, *messages, options=options(**(set_options or {})), **more)


def hello() -> Answer:
    return responses(event("response.output_text.delta", output_index=0, delta="Hello"), done(0, said("Hello")))


def delta(words: str, place: int = 0) -> Any:
    return event("response.output_text.delta", output_index=place, content_index=0, item_id="msg_1", delta=words)


def arguments(place: int, words: str) -> Any:
    return event("response.function_call_arguments.delta", output_index=place, item_id="fc", delta=words)


# --- what is asked --------------------------------------------------------------------------------------------------------


async def test_smallest_request():
    called = await ask(hello())
    assert called.body == {
        "model": "gpt-test",
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
    }


async def test_request_line_and_credentials():
    asked = (await ask(hello())).asked[0]
    assert (asked.path, asked.headers["authorization"]) == ("/v1/responses", f"Bearer {KEY}")


@pytest.mark.parametrize("model", ["gpt-4o-mini", "gpt-4.1", "gpt-3.5-turbo", "ft:gpt-4o:mine", "gpt-5-chat-latest"])
async def test_models_that_do_not_reason_are_not_asked_for_reasoning(model):
    called = await ask(hello(), model=model)
    assert "include" not in called.body


@pytest.mark.parametrize("model", ["o3", "gpt-5", "gpt-5.2-codex"])
async def test_models_that_reason_are_asked_for_reasoning(model):
    called = await ask(hello(), model=model)
    assert called.body["include"] == ["reasoning.encrypted_content"]


async def test_conversation_with_tools():
    called = await ask(
        hello(),
        Message.system("Be brief."),
        Message.human("Weather?", extra={"name": "ada"}),
        Message.ai("Let me look.", [CALL], id="resp_0"),
        Message.tool("sunny", "call_1"),
        Message.ai("Sunny."),
    )
    assert called.body["input"] == [
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Be brief."}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Let me look."}]},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city":"Rome"}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Sunny."}]},
    ]


async def test_images_of_a_user():
    called = await ask(
        hello(), Message.human("What?", [Image("https://x.test/a.png", "low"), "data:image/png;base64,AA"])
    )
    assert called.body["input"][0]["content"] == [
        {"type": "input_text", "text": "What?"},
        {"type": "input_image", "image_url": "https://x.test/a.png", "detail": "low"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "auto"},
    ]


async def test_images_of_a_tool_are_part_of_its_output():
    answer = Message(content="a chart", message_type="tool", id="call_1", images=[Image("https://x.test/a.png")])
    called = await ask(hello(), Message.ai("", [CALL]), answer)
    assert called.body["input"][1]["output"] == [
        {"type": "input_text", "text": "a chart"},
        {"type": "input_image", "image_url": "https://x.test/a.png", "detail": "auto"},
    ]


async def test_tools_always_say_whether_they_are_strict():
    called = await ask(hello(), tools=[WEATHER])
    assert called.body["tools"] == [
        {
            "type": "function",
            "name": "weather",
            "description": "Weather of a city.",
            "parameters": WEATHER.parameters,
            "strict": False,
        }
    ]


@pytest.mark.parametrize(
    ("choice", "sent"), [("required", "required"), ("weather", {"type": "function", "name": "weather"})]
)
async def test_tool_choice(choice, sent):
    called = await ask(hello(), tools=[WEATHER], set_options={"tool_choice": choice})
    assert called.body["tool_choice"] == sent


async def test_response_format():
    schema = {"type": "object", "properties": {"answer": {"type": "integer"}}}
    closed = {**schema, "required": ["answer"], "additionalProperties": False}
    called = await ask(hello(), response_format=ResponseFormat("answer", schema))
    assert called.body["text"] == {
        "format": {"type": "json_schema", "name": "answer", "schema": closed, "strict": True}
    }


async def test_tools_of_openais_own_join_the_others():
    called = await ask(hello(), tools=[WEATHER], set_options={"extra": {"tools": [{"type": "web_search"}]}})
    assert [item["type"] for item in called.body["tools"]] == ["function", "web_search"]


async def test_a_strict_tool_is_closed():
    called = await ask(hello(), tools=[replace(WEATHER, strict=True)])
    [tool] = called.body["tools"]
    assert (tool["strict"], tool["parameters"]["required"]) == (True, ["city"])


async def test_options():
    set_options = {
        "temperature": 0.5,
        "max_tokens": 9,
        "top_p": 0.5,
        "parallel_tool_calls": False,
        "reasoning_effort": "low",
    }
    called = await ask(hello(), tools=[WEATHER], set_options=set_options)
    sent = {name: value for name, value in called.body.items() if name not in ("model", "input", "tools", "include")}
    assert sent == {
        "store": False,
        "stream": True,
        "temperature": 0.5,
        "max_output_tokens": 9,
        "top_p": 0.5,
        "parallel_tool_calls": False,
        "reasoning": {"effort": "low"},
    }


async def test_extra_is_merged_into_the_body():
    called = await ask(hello(), set_options={"reasoning_effort": "low", "extra": {"reasoning": {"summary": "auto"}}})
    assert called.body["reasoning"] == {"effort": "low", "summary": "auto"}


@pytest.mark.parametrize(
    ("option", "value"),
    [("top_k", 5), ("stop", "END"), ("seed", 1), ("frequency_penalty", 0.1), ("presence_penalty", 0.1)],
)
async def test_absent_option_is_refused_before_any_request(option, value):
    async with serving(hello()) as (server, adapter):
        with pytest.raises(ModelError, match=option) as raised:
            await adapter.generate(request(options=options(**{option: value})), print)
    assert (raised.value.kind, server.asked) == ("invalid_request", [])


async def test_history_of_megabytes():
    words = "lorem ipsum dolor " * 230
    history = [message for _ in range(400) for message in (Message.human(words), Message.ai(words))]
    called = await ask(hello(), *history)
    assert len(json.dumps(called.body)) > 3_000_000
    assert called.reply.text == "Hello"


# --- text -----------------------------------------------------------------------------------------------------------------


async def test_text_arrives_in_pieces():
    called = await ask(responses(delta("Hel"), delta("lo"), done(0, said("Hello"))))
    assert called.pieces == [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]


async def test_reply():
    called = await ask(hello())
    assert called.reply == ModelReply(
        text="Hello",
        tool_calls=[],
        stop_reason="stop",
        usage=Usage(prompt=20, completion=9, cached=5, cache_writes=2, reasoning=4, calls=1),
        model="gpt-test-2026",
        id="resp_1",
    )


async def test_usage_of_a_server_that_sends_none():
    called = await ask(responses(done(0, said("Hi")), end=event("response.completed", response=response(usage=None))))
    assert called.reply.usage == Usage(calls=1)


async def test_items_may_come_with_the_end_only():
    last = event("response.completed", response=response(output=[said("Hello")]))
    called = await ask(responses(end=last))
    assert called.reply.text == "Hello"


async def test_several_messages_are_one_text():
    called = await ask(responses(done(0, said("One. ")), done(1, said("Two."))))
    assert called.reply.text == "One. Two."


async def test_unknown_events_and_items_are_passed_over():
    called = await ask(
        responses(event("response.new_thing", x=1), done(0, {"type": "new_item", "id": "n"}), done(1, said("Hello")))
    )
    assert called.reply.text == "Hello"


async def test_a_character_split_between_two_chunks():
    wire = b"".join(responses(delta("🙂"), done(0, said("🙂"))).chunks).replace(b"\\ud83d\\ude42", "🙂".encode())
    middle = wire.index("🙂".encode()) + 2
    called = await ask(Answer(200, STREAM, [wire[:middle], wire[middle:]]))
    assert (called.reply.text, called.pieces) == ("🙂", [{"type": "text", "text": "🙂"}])


# --- reasons to stop ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "meant"), [("max_output_tokens", "length"), ("content_filter", "content_filter"), ("steered", "steered")]
)
async def test_incomplete(reason, meant):
    last = event("response.incomplete", response=response("incomplete", incomplete_details={"reason": reason}))
    called = await ask(responses(done(0, said("Hel")), end=last))
    assert (called.reply.stop_reason, called.reply.text) == (meant, "Hel")


async def test_refusal():
    item = {**said(""), "content": [{"type": "refusal", "refusal": "I cannot."}]}
    called = await ask(responses(done(0, item)))
    assert (called.reply.stop_reason, called.reply.refusal, called.reply.text) == ("refusal", "I cannot.", "")


# --- tool calls -----------------------------------------------------------------------------------------------------------


def two_calls() -> Answer:
    return responses(
        begun(0, function_call("call_a", "weather", "")),
        begun(1, function_call("call_b", "news", "")),
        arguments(0, '{"city"'),
        arguments(1, "{"),
        arguments(0, ':"Rome"}'),
        arguments(1, "}"),
        done(0, function_call("call_a", "weather", '{"city":"Rome"}')),
        done(1, function_call("call_b", "news", "{}")),
    )


async def test_parallel_calls():
    called = await ask(two_calls())
    assert (called.reply.stop_reason, called.reply.tool_calls) == (
        "tool_calls",
        [
            {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}},
            {"id": "call_b", "type": "function", "function": {"name": "news", "arguments": "{}"}},
        ],
    )


async def test_pieces_of_parallel_calls():
    called = await ask(two_calls())
    assert called.pieces == [
        {"type": "tool_call", "index": 0, "id": "call_a", "name": "weather"},
        {"type": "tool_call", "index": 1, "id": "call_b", "name": "news"},
        {"type": "tool_call", "index": 0, "arguments": '{"city"'},
        {"type": "tool_call", "index": 1, "arguments": "{"},
        {"type": "tool_call", "index": 0, "arguments": ':"Rome"}'},
        {"type": "tool_call", "index": 1, "arguments": "}"},
    ]


async def test_calls_are_numbered_among_calls():
    called = await ask(responses(done(0, thought()), done(1, said("Hm")), done(2, function_call("a", "weather", "{}"))))
    assert called.pieces == [
        {"type": "tool_call", "index": 0, "id": "a", "name": "weather"},
        {"type": "tool_call", "index": 0, "arguments": "{}"},
    ]


async def test_arguments_are_kept_as_written():
    called = await ask(responses(done(0, function_call("a", "weather", '{"city": "Rome",,'))))
    assert called.reply.tool_calls[0]["function"]["arguments"] == '{"city": "Rome",,'


# --- reasoning ------------------------------------------------------------------------------------------------------------


async def test_reasoning_summaries_arrive_in_pieces():
    part = event("response.reasoning_summary_part.added", output_index=0, summary_index=0)
    words = [event("response.reasoning_summary_text.delta", output_index=0, delta=words) for words in ("One.", "Two.")]
    called = await ask(responses(part, words[0], part, words[1], done(0, thought()), done(1, said("Hi"))))
    assert "".join(piece["text"] for piece in called.pieces if piece["type"] == "reasoning") == "One.\n\nTwo."


async def test_reasoning_text_arrives_in_pieces():
    words = event("response.reasoning_text.delta", output_index=0, delta="Hm.")
    called = await ask(responses(words, done(0, thought()), done(1, said("Hi"))))
    assert (called.pieces[0], called.reply.reasoning["text"]) == ({"type": "reasoning", "text": "Hm."}, "Hm.")


async def test_reasoning_of_a_reply():
    called = await ask(responses(done(0, thought(1)), done(1, said("Hi"))))
    assert called.reply.reasoning == {"provider": "openai", "api": "responses", "blocks": [thought(1)]}


async def told_again(answer: Answer, *more: Message, **to: Any) -> Any:
    """What the next request says of an answer."""
    called = await ask(answer)
    message = Message.parse(called.reply.message("openai").model_dump(mode="json"))
    return (await ask(hello(), Message.human("Hi"), message, *more, **to)).body["input"][1:]


async def test_reasoning_is_given_back_verbatim_before_the_message():
    again = await told_again(responses(done(0, thought(1)), done(1, said("Hi"))))
    assert again == [
        thought(1),
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]},
    ]


async def test_reasoning_is_given_back_verbatim_before_the_calls():
    again = await told_again(
        responses(done(0, thought(1)), done(1, function_call("a", "weather", "{}"))), Message.tool("sunny", "a")
    )
    assert again == [
        thought(1),
        {"type": "function_call", "call_id": "a", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "sunny"},
    ]


async def test_reasoning_is_given_back_where_it_was():
    again = await told_again(
        responses(
            done(0, thought(1)),
            done(1, said("Let me look.")),
            done(2, thought(2)),
            done(3, function_call("a", "weather", "{}")),
            done(4, function_call("b", "weather", "{}")),
        ),
        Message.tool("-", "a"),
        Message.tool("-", "b"),
    )
    assert [item["type"] for item in again[:5]] == [
        "reasoning",
        "message",
        "reasoning",
        "function_call",
        "function_call",
    ]


async def test_unknown_fields_of_reasoning_are_given_back():
    item = {**thought(1), "content": [], "status": None, "new_field": {"x": [1, None]}}
    again = await told_again(responses(done(0, item), done(1, said("Hi"))))
    assert again[0] == item


async def test_phase_of_a_message_is_given_back():
    again = await told_again(responses(done(0, said("Let me look.", phase="commentary"))))
    assert again[0]["phase"] == "commentary"


async def test_reasoning_is_given_to_no_other_provider():
    again = await told_again(responses(done(0, thought(1)), done(1, said("Hi"))), provider="deepseek")
    assert [item["type"] for item in again] == ["message"]


async def test_reasoning_is_not_given_to_chat_completions():
    called = await ask(responses(done(0, thought(1)), done(1, said("Hi"))))
    again = await call(chat(*text("Hello")), called.reply.message("openai"), Message.human("Why?"))
    assert again.body["messages"][0] == {"role": "assistant", "content": "Hi"}


async def test_reasoning_without_what_it_led_to_is_not_given_back():
    last = event(
        "response.incomplete", response=response("incomplete", incomplete_details={"reason": "max_output_tokens"})
    )
    again = await told_again(responses(done(0, thought(1)), end=last))
    assert again == []


# --- failures in the stream -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("server_error", "server"),
        ("rate_limit_exceeded", "rate_limit"),
        ("server_is_overloaded", "overloaded"),
        ("insufficient_quota", "permission"),
        ("context_length_exceeded", "context_length"),
        ("image_content_policy_violation", "refused"),
        ("bio_policy", "refused"),
        ("invalid_image_url", "invalid_request"),
        ("image_too_large", "invalid_request"),
        ("vector_store_timeout", "timeout"),
        ("something_new", "server"),
    ],
)
@pytest.mark.parametrize("how", ["failed", "error", "nested error"])
async def test_failure_in_the_stream(code, kind, how):
    error = {"code": code, "message": "It is so."}
    last = {
        "failed": event("response.failed", response=response("failed", error=error)),
        "error": event("error", sequence_number=3, param=None, **error),
        "nested error": event("error", sequence_number=3, error=error),
    }[how]
    with pytest.raises(ModelError, match="It is so") as raised:
        await ask(responses(delta("Hel"), end=last))
    assert raised.value.kind == kind


async def test_flagged_prompt_is_refused():
    error = {"code": "invalid_prompt", "message": "Your prompt was flagged as potentially violating our usage policy."}
    with pytest.raises(ModelError) as raised:
        await ask(responses(end=event("response.failed", response=response("failed", error=error))))
    assert raised.value.kind == "refused"


async def test_failure_without_a_reason():
    with pytest.raises(ModelError) as raised:
        await ask(responses(end=event("response.failed", response=response("failed", error=None))))
    assert raised.value.kind == "server"


@pytest.mark.parametrize(
    "broken",
    [
        Answer.events(delta("Hel")),
        Answer.events(delta("Hel"), hang_up=True),
        Answer.events(delta("Hel"), b"data: {nonsense\n\n"),
        Answer.events(b"data: 5\n\n"),
        Answer.events(event("response.output_text.delta", delta=5)),
        Answer.events(arguments(0, "{}")),
        Answer.events(event("response.completed", response=None)),
        Answer.events(done(0, function_call("", "weather", "{}"))),
        Answer.events(),
    ],
    ids=["ends", "is cut", "no JSON", "no object", "no text", "no call", "no response", "no id", "is empty"],
)
async def test_broken_stream_is_malformed(broken):
    with pytest.raises(ModelError) as raised:
        await ask(broken)
    assert (raised.value.kind, raised.value.is_retryable) == ("malformed", True)


async def test_cancellation_closes_the_request():
    seen = asyncio.Event()
    first = Answer.events(delta("Hel")).chunks[0]
    async with serving(Answer(200, STREAM, [first, asyncio.Event()])) as (server, adapter):
        task = asyncio.create_task(adapter.generate(request(options=options()), lambda piece: seen.set()))
        await seen.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.hung_up.wait(), 1)
