"""What Anthropic is sent, byte for byte where it matters."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic_wire import KEY, call, hello, request, serving

from oris_temporal.graph.errors import ModelError
from oris_temporal.graph.messages import Image, Message, ToolCall
from oris_temporal.models import ResponseFormat, ToolSpec

SEARCH = ToolSpec("search", "Searches.", {"type": "object", "properties": {"q": {"type": "string"}}})
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
CLOSED = {**SCHEMA, "additionalProperties": False}


async def refused(*messages: Any, **more: Any) -> ModelError:
    async with serving(hello()) as (server, adapter):
        with pytest.raises(ModelError) as raised:
            await adapter.generate(request(*messages, **more), print)
        assert server.asked == []
    assert raised.value.kind == "invalid_request"
    return raised.value


async def test_a_question() -> None:
    called = await call(hello())
    [asked] = called.server.asked
    assert (asked.method, asked.path) == ("POST", "/v1/messages")
    assert asked.headers["authorization"] == f"Bearer {KEY}"  # as the SDK sends keys
    assert asked.body == {
        "model": "claude-test",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        "stream": True,
    }


async def test_instructions_are_apart_from_the_conversation() -> None:
    called = await call(
        hello(), Message.system("Be brief."), "hi", Message.ai("hello"), Message.system("In German."), "and?"
    )
    assert called.body["system"] == [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "In German."}]
    assert [turn["role"] for turn in called.body["messages"]] == ["user", "assistant", "user"]


async def test_results_of_one_turn_are_one_turn_of_the_user_and_come_first() -> None:
    calls = [ToolCall("c1", "search", {"q": "a"}), ToolCall("c2", "search", {"q": "b"})]
    called = await call(
        hello(),
        "hi",
        Message.ai("Looking.", calls),
        Message.tool("found a", "c1"),
        Message.tool("oh no", "c2", extra={"is_error": True}),
        "hurry up",
    )
    assert called.body["messages"][1] == {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "Looking."},
            {"type": "tool_use", "id": "c1", "name": "search", "input": {"q": "a"}},
            {"type": "tool_use", "id": "c2", "name": "search", "input": {"q": "b"}},
        ],
    }
    assert called.body["messages"][2] == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "found a"}]},
            {
                "type": "tool_result",
                "tool_use_id": "c2",
                "content": [{"type": "text", "text": "oh no"}],
                "is_error": True,
            },
            {"type": "text", "text": "hurry up"},
        ],
    }


async def test_a_result_may_be_empty() -> None:
    called = await call(hello(), "hi", Message.ai("", [ToolCall("c1", "search")]), Message.tool("", "c1"))
    assert called.body["messages"][1]["content"] == [{"type": "tool_use", "id": "c1", "name": "search", "input": {}}]
    assert called.body["messages"][2]["content"] == [{"type": "tool_result", "tool_use_id": "c1"}]


async def test_images_by_address_and_by_content() -> None:
    picture = Image("data:image/png;base64,AAAA")
    called = await call(hello(), Message.human("what is this?", [Image("https://x.test/a.png"), picture]))
    assert called.body["messages"][0]["content"] == [
        {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "text", "text": "what is this?"},
    ]


@pytest.mark.parametrize(
    ("uri", "media_type", "data"),
    [
        ("data:image/jpg;base64,AAAA", "image/jpeg", "AAAA"),
        ("DATA:image/PNG;charset=utf-8;base64,AA AA\n", "image/png", "AAAA"),
        ("data:image/png;base64,AA%2BA", "image/png", "AA+A"),
        ("data:image/gif,GIF%38", "image/gif", "R0lGOA=="),
    ],
    ids=["jpg", "parameters and spaces", "escapes", "not base64"],
)
async def test_data_uris_in_every_form(uri: str, media_type: str, data: str) -> None:
    called = await call(hello(), Message.human("", [uri]))
    source = {"type": "base64", "media_type": media_type, "data": data}
    assert called.body["messages"][0]["content"] == [{"type": "image", "source": source}]


@pytest.mark.parametrize("uri", ["data:image/svg+xml,<svg/>", "data:image/png;base64", "data:,x"])
async def test_images_that_it_cannot_see(uri: str) -> None:
    assert "Anthropic takes image/jpeg" in (await refused(Message.human("look", [uri]))).message


async def test_images_in_results() -> None:
    result = Message(content="a map", message_type="tool", id="c1", images=[Image("https://x.test/a.png")])
    called = await call(hello(), "hi", Message.ai("", [ToolCall("c1", "search")]), result)
    assert called.body["messages"][2]["content"][0]["content"] == [
        {"type": "text", "text": "a map"},
        {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}},
    ]


async def test_images_of_an_error_are_shown_by_the_user() -> None:
    extra = {"is_error": True}
    result = Message(
        content="It crashed.", message_type="tool", id="c1", images=[Image("https://x.test/a.png")], extra=extra
    )
    called = await call(hello(), "hi", Message.ai("", [ToolCall("c1", "click")]), result)
    error, about, image = called.body["messages"][2]["content"]
    assert error["content"] == [{"type": "text", "text": "It crashed."}]
    assert about["text"] == "The tool call c1 returned this image:"
    assert image["source"] == {"type": "url", "url": "https://x.test/a.png"}


async def test_images_that_the_model_made_are_shown_by_the_user_after_results() -> None:
    said = Message(
        content="Here.",
        message_type="ai",
        tool_calls=[ToolCall("c1", "search").to_wire()],
        images=[Image("https://x.test/a.png")],
    )
    called = await call(hello(), "draw", said, Message.tool("found", "c1"))
    assert [block["type"] for block in called.body["messages"][2]["content"]] == ["tool_result", "text", "image"]


async def test_an_error_that_says_nothing_is_said_to_be_one() -> None:
    failed = Message.tool("", "c1", extra={"is_error": True})
    called = await call(hello(), "hi", Message.ai("", [ToolCall("c1", "search")]), failed)
    [result] = called.body["messages"][2]["content"]
    assert (result["content"], result["is_error"]) == ([{"type": "text", "text": "The tool failed."}], True)


async def test_blank_instructions_are_not_sent() -> None:
    assert "system" not in (await call(hello(), Message.system(" \n"), "hi")).body


async def test_thoughts_without_a_signature_do_not_go_back() -> None:
    cut_short = {"provider": "anthropic", "blocks": [{"type": "thinking", "thinking": "Hm", "signature": ""}]}
    called = await call(hello(), "hi", Message.ai("Well.", extra={"reasoning": cut_short}), "go on")
    assert called.body["messages"][1]["content"] == [{"type": "text", "text": "Well."}]


async def test_halves_of_characters_are_replaced_in_arguments() -> None:
    arguments = r'{"q": "\ud83d", "whole": "\ud83e\udda2", "plain": "\\ud83d"}'
    wire = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": arguments}}
    called = await call(hello(), "hi", Message.ai("", [wire]), Message.tool("found", "c1"))
    assert called.body["messages"][1]["content"][0]["input"] == {"q": "?", "whole": "🦢", "plain": r"\ud83d"}


async def test_a_request_that_cannot_be_written_is_not_tried_again() -> None:
    error = await refused("half a character: \ud83d")
    assert "the request cannot be sent" in error.message
    assert not error.is_retryable


async def test_reasoning_goes_back_as_it_came_and_to_no_other_provider() -> None:
    blocks = [
        {"type": "thinking", "thinking": "Hm.", "signature": "s1"},
        {"type": "redacted_thinking", "data": "xyz"},
    ]

    def said(provider: str) -> Message:
        return Message.ai("Well.", extra={"reasoning": {"provider": provider, "blocks": blocks}})

    called = await call(hello(), "hi", said("anthropic"), "go on")
    assert called.body["messages"][1]["content"] == [*blocks, {"type": "text", "text": "Well."}]
    called = await call(hello(), "hi", said("openai"), "go on")
    assert called.body["messages"][1]["content"] == [{"type": "text", "text": "Well."}]


async def test_turns_of_one_speaker_are_one_and_the_last_has_no_space_at_its_end() -> None:
    called = await call(hello(), "one", "two", Message.ai("three "), Message.ai("four \n"))
    assert called.body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "three "}, {"type": "text", "text": "four"}]},
    ]


async def test_tools_and_how_to_choose_them() -> None:
    called = await call(hello(), tools=[SEARCH], options={"tool_choice": "search", "parallel_tool_calls": False})
    assert called.body["tools"] == [{"name": "search", "description": "Searches.", "input_schema": SEARCH.parameters}]
    assert called.body["tool_choice"] == {"type": "tool", "name": "search", "disable_parallel_tool_use": True}
    called = await call(hello(), tools=[SEARCH], options={"tool_choice": "required"})
    assert called.body["tool_choice"] == {"type": "any"}
    called = await call(hello(), tools=[SEARCH])
    assert "tool_choice" not in called.body


async def test_options_by_their_names_there() -> None:
    options = {
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 5,
        "stop": ["END"],
        "reasoning_effort": "minimal",
        "extra": {"metadata": {"user_id": "u"}},
    }
    called = await call(hello(), options=options, response_format=ResponseFormat("answer", SCHEMA))
    body = called.body
    assert (body["max_tokens"], body["temperature"], body["top_p"], body["top_k"]) == (9, 0.5, 0.9, 5)
    assert (body["stop_sequences"], body["metadata"]) == (["END"], {"user_id": "u"})
    assert body["output_config"] == {"effort": "low", "format": {"type": "json_schema", "schema": CLOSED}}


async def test_a_schema_is_closed_only_if_the_answer_is_to_be_held_to_it() -> None:
    called = await call(hello(), response_format=ResponseFormat("answer", SCHEMA, strict=False))
    assert called.body["output_config"]["format"]["schema"] == SCHEMA


async def test_a_schema_that_cannot_be_closed_is_left_to_the_api() -> None:
    odd = {"type": ["object", "null"]}
    called = await call(hello(), response_format=ResponseFormat("answer", odd))
    assert called.body["output_config"]["format"]["schema"] == odd


async def test_a_strict_tool() -> None:
    called = await call(hello(), tools=[ToolSpec("count", "Counts.", SCHEMA, strict=True)])
    assert called.body["tools"] == [{"name": "count", "description": "Counts.", "input_schema": CLOSED, "strict": True}]


async def test_a_tool_of_the_providers_own_may_be_demanded() -> None:
    tool = {"type": "web_search_20250305", "name": "web_search"}
    called = await call(hello(), options={"tool_choice": "web_search", "extra": {"tools": [tool]}})
    assert called.body["tools"] == [tool]
    assert called.body["tool_choice"] == {"type": "tool", "name": "web_search"}


async def test_tools_of_the_providers_own_join_the_others() -> None:
    web = {"type": "web_search_20250305", "name": "web_search"}
    called = await call(hello(), "hi", tools=[SEARCH], options={"extra": {"tools": [web]}})
    assert [item["name"] for item in called.body["tools"]] == [SEARCH.name, "web_search"]


async def test_what_stays_the_same_may_be_cached() -> None:
    called = await call(hello(), Message.system("Be brief."), "hi", tools=[SEARCH], options={"extra": {"cache": True}})
    assert called.body["system"][-1]["cache_control"] == {"type": "ephemeral"}
    assert called.body["tools"][-1]["cache_control"] == {"type": "ephemeral"}
    assert "cache" not in called.body


@pytest.mark.parametrize(
    ("options", "said"),
    [({"temperature": 1.5}, "temperature is 1.5"), ({"seed": 1}, "'seed'"), ({"api": "responses"}, "'api'")],
)
async def test_options_it_does_not_have(options: dict[str, Any], said: str) -> None:
    assert said in (await refused(options=options)).message


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([Message.system("Be brief.")], "must begin with a message of the user"),
        ([Message.ai("hello"), "hi"], "must begin with a message of the user"),
        (["hi", Message.ai("", [ToolCall("c1", "search")]), "well?"], "'c1' has no tool message"),
        (["hi", Message.ai("", [ToolCall("c1", "search")])], "'c1' has no tool message"),
        (["hi", Message.tool("found", "c9")], "answers 'c9', which the model did not call"),
    ],
    ids=["nothing said", "the model first", "no answer", "no answer at the end", "no call"],
)
async def test_conversations_it_would_refuse(messages: list[Any], said: str) -> None:
    assert said in (await refused(*messages)).message


@pytest.mark.parametrize("arguments", ['{"x": NaN}', "[1]", '"x"', "[" * 100_000], ids=["NaN", "list", "text", "deep"])
async def test_arguments_that_are_no_object(arguments: str) -> None:
    wire = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": arguments}}
    error = await refused("hi", Message.ai("", [wire]), Message.tool("found", "c1"))
    assert "'c1' are no JSON object" in error.message


async def test_arguments_that_are_no_object_are_shown_only_if_the_model_was_told() -> None:
    wire = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": "{oops"}}
    error = await refused("hi", Message.ai("", [wire]), Message.tool("found", "c1"))
    assert "'c1' are no JSON object" in error.message
    called = await call(hello(), "hi", Message.ai("", [wire]), Message.tool("no", "c1", extra={"is_error": True}))
    assert called.body["messages"][1]["content"][0]["input"] == {"_raw": "{oops"}


async def test_a_history_of_megabytes() -> None:
    words = "lorem ipsum dolor " * 230
    history = [message for _ in range(400) for message in (Message.human(words), Message.ai(words))]
    called = await call(hello(), *history, "and?")
    assert len(called.body["messages"]) == 801
    assert called.reply.text == "Hello"
