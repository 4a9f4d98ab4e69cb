"""Chat Completions over real HTTP: what is asked, and what is made of the answer."""

from __future__ import annotations

import asyncio
import json

import pytest
from openai_wire import KEY, STREAM, USAGE, call, chat, chunk, hello, request, serving, text, tool
from provider_server import Answer

from oris_temporal.activities.providers import openai
from oris_temporal.graph.errors import ModelError
from oris_temporal.graph.messages import Image, Message
from oris_temporal.models import ModelReply, ResponseFormat, ToolSpec, Usage
from oris_temporal.models.providers import AdapterSettings

WEATHER = ToolSpec("weather", "Weather of a city.", {"type": "object", "properties": {"city": {"type": "string"}}})
NEWS = ToolSpec("news", "News of a day.", {"type": "object", "properties": {}}, strict=True)
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
OTHER_CALL = {"id": "call_2", "type": "function", "function": {"name": "weather", "arguments": "not json"}}

# --- what is asked --------------------------------------------------------------------------------------------------------


async def test_smallest_request():
    called = await call(hello())
    assert called.body == {
        "model": "gpt-test",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_request_line_and_credentials():
    called = await call(hello())
    asked = called.asked[0]
    assert (asked.method, asked.path, asked.headers["authorization"]) == (
        "POST",
        "/v1/chat/completions",
        f"Bearer {KEY}",
    )


async def test_conversation_with_tools():
    called = await call(
        hello(),
        Message.system("Be brief."),
        Message.human("Weather?", extra={"name": "ada"}),
        Message.ai("", [CALL, OTHER_CALL], id="chatcmpl-0"),
        Message.tool("sunny", "call_1"),
        Message.tool("no such city", "call_2"),
        Message.ai("Sunny.", extra={"name": "bot"}),
        Message.human("Thanks"),
    )
    assert called.body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Weather?", "name": "ada"},
        {"role": "assistant", "content": None, "tool_calls": [CALL, OTHER_CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        {"role": "tool", "tool_call_id": "call_2", "content": "no such city"},
        {"role": "assistant", "content": "Sunny.", "name": "bot"},
        {"role": "user", "content": "Thanks"},
    ]


async def test_text_of_a_message_that_calls_tools_is_kept():
    called = await call(hello(), Message.ai("Let me look.", [CALL]), Message.tool("sunny", "call_1"))
    assert called.body["messages"][0]["content"] == "Let me look."


async def test_empty_ai_message_without_calls_is_an_empty_text():
    called = await call(hello(), Message.human("Hi"), Message.ai(""), Message.human("Hello?"))
    assert called.body["messages"][1] == {"role": "assistant", "content": ""}


async def test_bare_calls_are_brought_into_shape():
    bare = {"id": "call_1", "name": "weather", "args": {"city": "Köln"}}
    called = await call(hello(), Message.ai("", [bare]), Message.tool("sunny", "call_1"))
    assert called.body["messages"][0]["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Köln"}'}}
    ]


async def test_calls_without_arguments_get_an_empty_object():
    called = await call(
        hello(),
        Message.ai("", [{"id": "call_1", "type": "function", "function": {"name": "news", "arguments": ""}}]),
        Message.tool("none", "call_1"),
    )
    assert called.body["messages"][0]["tool_calls"][0]["function"]["arguments"] == "{}"


async def test_names_that_would_be_refused_are_left_out():
    called = await call(
        hello(), Message.human("Hi", extra={"name": "Ada L."}), Message.human("Hi", extra={"name": "ada"})
    )
    assert [message.get("name") for message in called.body["messages"]] == [None, "ada"]


async def test_refusal_is_told_as_text():
    called = await call(hello(), Message.ai("", extra={"refusal": "I cannot."}), Message.human("Why?"))
    assert called.body["messages"][0] == {"role": "assistant", "content": "I cannot."}


async def test_images_of_a_user():
    called = await call(
        hello(), Message.human("What?", [Image("https://x.test/a.png", "low"), Image("data:image/png;base64,AAAA")])
    )
    assert called.body["messages"][0]["content"] == [
        {"type": "text", "text": "What?"},
        {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]


async def test_images_without_text():
    called = await call(hello(), Message.human("", ["https://x.test/a.png"]))
    assert called.body["messages"][0]["content"] == [
        {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}
    ]


async def test_images_of_tools_follow_when_all_calls_are_answered():
    first = Message(content="a chart", message_type="tool", id="call_1", images=[Image("https://x.test/a.png")])
    called = await call(
        hello(), Message.ai("", [CALL, OTHER_CALL]), first, Message.tool("none", "call_2"), Message.human("And?")
    )
    assert called.body["messages"][1:] == [
        {"role": "tool", "tool_call_id": "call_1", "content": "a chart"},
        {"role": "tool", "tool_call_id": "call_2", "content": "none"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "The tool call call_1 returned this image:"},
                {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
            ],
        },
        {"role": "user", "content": "And?"},
    ]


async def test_tools():
    called = await call(hello(), tools=[WEATHER, NEWS])
    assert called.body["tools"] == [
        {
            "type": "function",
            "function": {"name": "weather", "description": "Weather of a city.", "parameters": WEATHER.parameters},
        },
        {
            "type": "function",
            "function": {
                "name": "news",
                "description": "News of a day.",
                "parameters": {**NEWS.parameters, "required": [], "additionalProperties": False},
                "strict": True,
            },
        },
    ]


@pytest.mark.parametrize("choice", ["auto", "none", "required"])
async def test_tool_choice_by_word(choice):
    called = await call(hello(), tools=[WEATHER], options={"tool_choice": choice})
    assert called.body["tool_choice"] == choice


async def test_tool_choice_by_name():
    called = await call(hello(), tools=[WEATHER], options={"tool_choice": "weather"})
    assert called.body["tool_choice"] == {"type": "function", "function": {"name": "weather"}}


async def test_parallel_tool_calls():
    called = await call(hello(), tools=[WEATHER], options={"parallel_tool_calls": False})
    assert called.body["parallel_tool_calls"] is False


async def test_options_about_choosing_are_left_out_where_there_are_no_tools():
    called = await call(hello(), options={"tool_choice": "auto", "parallel_tool_calls": False})
    assert not {"tool_choice", "parallel_tool_calls"} & called.body.keys()


@pytest.mark.parametrize("choice", ["required", "weather"])
async def test_tool_choice_without_that_tool_is_refused_before_any_request(choice):
    async with serving(hello()) as (server, adapter):
        with pytest.raises(ModelError, match="tool_choice") as raised:
            await adapter.generate(request(options={"tool_choice": choice}), print)
    assert (raised.value.kind, server.asked) == ("invalid_request", [])


async def test_response_format():
    schema = {"type": "object", "properties": {"answer": {"type": "integer"}}}
    closed = {"required": ["answer"], "additionalProperties": False}
    called = await call(hello(), response_format=ResponseFormat("answer", schema))
    assert called.body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": {**schema, **closed}, "strict": True},
    }


async def test_options():
    options = {
        "temperature": 0.0,
        "max_tokens": 9,
        "top_p": 0.5,
        "stop": "END",
        "seed": 7,
        "frequency_penalty": 0.1,
        "presence_penalty": -0.1,
        "reasoning_effort": "low",
    }
    called = await call(hello(), options=options)
    sent = {name: value for name, value in called.body.items() if name not in ("model", "messages")}
    assert sent == {
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.0,
        "max_completion_tokens": 9,
        "top_p": 0.5,
        "stop": ["END"],
        "seed": 7,
        "frequency_penalty": 0.1,
        "presence_penalty": -0.1,
        "reasoning_effort": "low",
    }


async def test_compatible_providers_know_max_tokens():
    called = await call(hello(), provider="deepseek", options={"max_tokens": 9})
    assert (called.body["max_tokens"], "max_completion_tokens" in called.body) == (9, False)


async def test_mistral_is_not_asked_for_usage():
    called = await call(hello(), provider="mistral")
    assert "stream_options" not in called.body


async def test_mistral_has_its_own_name_for_seed():
    called = await call(hello(), provider="mistral", options={"seed": 7})
    assert (called.body["random_seed"], "seed" in called.body) == (7, False)


async def test_extra_is_merged_into_the_body():
    extra = {"service_tier": "flex", "stream_options": {"include_obfuscation": False}}
    called = await call(hello(), options={"extra": extra})
    assert called.body["service_tier"] == "flex"
    assert called.body["stream_options"] == {"include_usage": True, "include_obfuscation": False}


async def test_absent_option_is_refused_before_any_request():
    async with serving(hello()) as (server, adapter):
        with pytest.raises(ModelError, match="top_k") as raised:
            await adapter.generate(request(options={"top_k": 5}), print)
    assert (raised.value.kind, server.asked) == ("invalid_request", [])


async def test_history_of_megabytes():
    words = "lorem ipsum dolor " * 230  # about 1,000 tokens
    history = [message for _ in range(400) for message in (Message.human(words), Message.ai(words))]
    called = await call(hello(), *history)
    assert len(json.dumps(called.body)) > 3_000_000
    assert called.reply.text == "Hello"


async def test_one_adapter_serves_many_calls_at_once():
    async with serving(hello()) as (server, adapter):
        replies = await asyncio.gather(*(adapter.generate(request(), lambda piece: None) for _ in range(20)))
    assert ([reply.text for reply in replies], len(server.asked)) == (["Hello"] * 20, 20)


# --- credentials ----------------------------------------------------------------------------------------------------------


async def test_no_key_sends_no_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
    called = await call(hello(), key=None)
    assert "authorization" not in called.asked[0].headers


async def test_a_key_is_sent_without_the_line_break_of_its_file():
    called = await call(hello(), key=f"{KEY}\n")
    assert called.asked[0].headers["authorization"] == f"Bearer {KEY}"


async def test_a_key_that_no_header_may_have_is_refused_without_showing_it():
    with pytest.raises(ModelError) as raised:
        openai.adapter(AdapterSettings("openai", None, "sk-“quoted”"))
    assert (raised.value.kind, "quoted" in str(raised.value)) == ("credentials", False)


@pytest.mark.parametrize("address", ["localhost:8000", "ftp://x.test", "http://", "http://x.test:port", "http://[x"])
async def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(ModelError) as raised:
        openai.adapter(AdapterSettings("openai", address, KEY))
    assert raised.value.kind == "configuration"


@pytest.mark.parametrize("key", [KEY, None])
async def test_other_providers_learn_nothing_of_openai(monkeypatch, key):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-secret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Secret: secret\nauthorization: Bearer secret")
    called = await call(hello(), provider="deepseek", key=key)
    headers = called.asked[0].headers
    assert [name for name, value in headers.items() if "secret" in value] == []
    assert headers.get("authorization") == (key and f"Bearer {key}")


async def test_openai_is_told_the_organization(monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-mine")
    called = await call(hello())
    assert called.asked[0].headers["openai-organization"] == "org-mine"


# --- text -----------------------------------------------------------------------------------------------------------------


async def test_text_arrives_in_pieces():
    called = await call(chat(*text("Hel", "lo")))
    assert called.pieces == [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]


async def test_reply():
    details = {
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    called = await call(chat(*text("Hel", "lo"), chunk(usage={**USAGE, **details})))
    assert called.reply == ModelReply(
        text="Hello",
        tool_calls=[],
        stop_reason="stop",
        usage=Usage(prompt=11, completion=7, cached=4, cache_writes=1, reasoning=3, calls=1),
        model="gpt-test-2026",
        id="chatcmpl-1",
    )


async def test_usage_of_a_server_that_sends_none():
    called = await call(chat(*text("Hello")))
    assert called.reply.usage == Usage(calls=1)


async def test_usage_with_the_last_choice():
    called = await call(chat(*text("Hello")[:-1], chunk({}, "stop", usage=USAGE)))
    assert called.reply.usage == Usage(prompt=11, completion=7, calls=1)


async def test_deepseeks_name_for_cached_tokens():
    called = await call(chat(*text("Hello"), chunk(usage={**USAGE, "prompt_cache_hit_tokens": 6})))
    assert called.reply.usage.cached == 6


async def test_chunk_without_choices_says_nothing():
    called = await call(chat(chunk(prompt_filter_results=[]), *text("Hello")))
    assert called.reply.text == "Hello"


async def test_null_choices_say_nothing():
    called = await call(chat({**chunk(), "choices": None}, *text("Hello")))
    assert called.reply.text == "Hello"


async def test_stream_without_done_is_complete_with_its_finish_reason():
    called = await call(chat(*text("Hello"), done=False))
    assert called.reply.text == "Hello"


async def test_second_choice_is_left_aside():
    second = {**chunk({"content": "Other"}), "choices": [{"index": 1, "delta": {"content": "Other"}}]}
    called = await call(chat(*text("Hello")[:-1], second, chunk({}, "stop")))
    assert called.reply.text == "Hello"


async def test_comments_of_servers_that_keep_the_connection_alive():
    called = await call(chat(b": PROCESSING\n\n", *text("Hello")))
    assert called.reply.text == "Hello"


async def test_a_character_split_between_two_chunks():
    wire = b"".join(chat(*text("a 🙂 b")).chunks).replace(b"\\ud83d\\ude42", "🙂".encode())
    middle = wire.index("🙂".encode()) + 2
    called = await call(Answer(200, STREAM, [wire[:middle], wire[middle:]]))
    assert called.reply.text == "a 🙂 b"


async def test_every_byte_for_itself():
    wire = b"".join(chat(*text("né", "🙂")).chunks)
    called = await call(Answer(200, STREAM, [wire[place : place + 1] for place in range(len(wire))]))
    assert called.reply.text == "né🙂"


async def test_first_token_is_passed_on_while_the_rest_is_to_come():
    first, *rest = chat(*text("Hel", "lo")[1:]).chunks
    go_on = asyncio.Event()
    pieces: list = []

    def emit(piece):
        pieces.append(piece)
        go_on.set()  # the server says no more before this

    async with serving(Answer(200, STREAM, [first, go_on, *rest])) as (_, adapter):
        reply = await adapter.generate(request(), emit)
    assert (len(pieces), reply.text) == (2, "Hello")


async def test_slow_first_token():
    thinks = asyncio.Event()
    async with serving(Answer(200, STREAM, [thinks, *hello().chunks])) as (server, adapter):
        task = asyncio.create_task(adapter.generate(request(), lambda piece: None))
        while not server.asked:
            await asyncio.sleep(0)
        assert not task.done()
        thinks.set()
        reply = await task
    assert reply.text == "Hello"


# --- reasons to stop ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("model_length", "length"),
        ("content_filter", "content_filter"),
        ("eos_token", "stop"),
        ("something_new", "something_new"),
    ],
)
async def test_stop_reason(said, meant):
    called = await call(chat(*text("Hello", finish=said)))
    assert called.reply.stop_reason == meant


async def test_refusal():
    called = await call(chat(chunk({"refusal": "I can"}), chunk({"refusal": "not."}), chunk({}, "stop")))
    assert (called.reply.stop_reason, called.reply.refusal, called.reply.text) == ("refusal", "I cannot.", "")


@pytest.mark.parametrize(("said", "kind"), [("error", "server"), ("insufficient_system_resource", "overloaded")])
async def test_provider_that_breaks_off_with_a_finish_reason(said, kind):
    with pytest.raises(ModelError) as raised:
        await call(chat(*text("Hel", finish=said)))
    assert raised.value.kind == kind


# --- tool calls -----------------------------------------------------------------------------------------------------------


def two_calls() -> Answer:
    return chat(
        tool(0, "", id="call_a", name="weather", type="function"),
        tool(1, "", id="call_b", name="news", type="function"),
        tool(0, '{"city"'),
        tool(1, "{"),
        tool(0, ':"Rome"}'),
        tool(1, "}"),
        chunk({}, "tool_calls"),
    )


async def test_parallel_calls_interleaved_by_index():
    called = await call(two_calls(), tools=[WEATHER, NEWS])
    assert called.reply.tool_calls == [
        {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}},
        {"id": "call_b", "type": "function", "function": {"name": "news", "arguments": "{}"}},
    ]


async def test_pieces_of_parallel_calls():
    called = await call(two_calls(), tools=[WEATHER, NEWS])
    assert called.pieces == [
        {"type": "tool_call", "index": 0, "id": "call_a", "name": "weather"},
        {"type": "tool_call", "index": 1, "id": "call_b", "name": "news"},
        {"type": "tool_call", "index": 0, "arguments": '{"city"'},
        {"type": "tool_call", "index": 1, "arguments": "{"},
        {"type": "tool_call", "index": 0, "arguments": ':"Rome"}'},
        {"type": "tool_call", "index": 1, "arguments": "}"},
    ]


async def test_arguments_are_kept_as_written():
    broken = '{"city": "Rome",, \u00a0'
    called = await call(chat(tool(0, broken, id="call_a", name="weather"), chunk({}, "tool_calls")))
    assert called.reply.tool_calls[0]["function"]["arguments"] == broken


async def test_a_call_with_text():
    called = await call(
        chat(*text("Let me look.")[:-1], tool(0, "{}", id="a", name="weather"), chunk({}, "tool_calls"))
    )
    assert (called.reply.text, called.reply.stop_reason) == ("Let me look.", "tool_calls")


async def test_calls_that_were_demanded_end_with_stop_and_are_calls_nevertheless():
    called = await call(chat(tool(0, "{}", id="a", name="weather"), chunk({}, "stop")))
    assert called.reply.stop_reason == "tool_calls"


async def test_calls_cut_by_the_limit_say_so():
    called = await call(chat(tool(0, '{"ci', id="a", name="weather"), chunk({}, "length")))
    assert called.reply.stop_reason == "length"


async def test_id_and_name_in_every_part_are_passed_on_once():
    parts = [tool(0, part, id="a", name="weather") for part in ('{"a"', ":1}")]
    called = await call(chat(*parts, chunk({}, "tool_calls")))
    assert called.pieces == [
        {"type": "tool_call", "index": 0, "id": "a", "name": "weather", "arguments": '{"a"'},
        {"type": "tool_call", "index": 0, "arguments": ":1}"},
    ]


async def test_calls_that_are_all_numbered_0():
    parts = [tool(0, "{}", id="a", name="weather"), tool(0, "{}", id="b", name="weather")]
    called = await call(chat(*parts, chunk({}, "stop")), provider="gemini")
    assert [made["id"] for made in called.reply.tool_calls] == ["a", "b"]


async def test_calls_that_are_not_numbered():
    parts = [tool(None, "{}", id="a", name="weather"), tool(None, "{}", id="b", name="weather")]
    called = await call(chat(*parts, chunk({}, "stop")), provider="gemini")
    assert [made["id"] for made in called.reply.tool_calls] == ["a", "b"]


async def test_call_without_an_id_gets_one():
    called = await call(chat(tool(0, "{}", id="", name="weather"), chunk({}, "stop")))
    made = called.reply.tool_calls[0]["id"]
    assert (len(made) > 8, called.pieces[0]["id"]) == (True, made)


async def test_call_without_a_name_is_malformed():
    with pytest.raises(ModelError, match="no name") as raised:
        await call(chat(tool(0, "{}", id="a"), chunk({}, "tool_calls")))
    assert raised.value.kind == "malformed"


async def test_reply_as_a_message_is_told_again_as_it_was():
    called = await call(two_calls(), tools=[WEATHER, NEWS])
    again = await call(
        hello(), called.reply.message("openai"), Message.tool("sunny", "call_a"), Message.tool("-", "call_b")
    )
    assert again.body["messages"][0] == {
        "role": "assistant",
        "content": None,
        "tool_calls": called.reply.tool_calls,
    }


# --- reasoning ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
async def test_reasoning_arrives_in_pieces(name):
    called = await call(
        chat(chunk({name: "Hm", "content": None}), chunk({name: "m."}), *text("Hi")), provider="deepseek"
    )
    assert called.pieces == [
        {"type": "reasoning", "text": "Hm"},
        {"type": "reasoning", "text": "m."},
        {"type": "text", "text": "Hi"},
    ]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
async def test_reasoning_is_given_back_under_its_name(name):
    called = await call(chat(chunk({name: "Hmm."}), *text("Hi")), provider="deepseek")
    again = await call(hello(), called.reply.message("deepseek"), Message.human("Why?"), provider="deepseek")
    assert again.body["messages"][0] == {"role": "assistant", "content": "Hi", name: "Hmm."}


async def test_reasoning_is_given_to_nobody_else():
    called = await call(chat(chunk({"reasoning_content": "Hmm."}), *text("Hi")), provider="deepseek")
    again = await call(hello(), called.reply.message("deepseek"), Message.human("Why?"), provider="openai")
    assert again.body["messages"][0] == {"role": "assistant", "content": "Hi"}


async def test_reasoning_sent_under_both_names_counts_once():
    called = await call(chat(chunk({"reasoning_content": "Hm", "reasoning": "Hm"}), *text("Hi")), provider="qwen")
    assert called.reply.reasoning["text"] == "Hm"


async def test_mistrals_parts_of_thinking_and_text():
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    parts = [thinking, {"type": "text", "text": "Hi"}]
    called = await call(chat(chunk({"content": parts}), chunk({}, "stop")), provider="mistral")
    assert (called.reply.text, called.reply.reasoning["text"]) == ("Hi", "Hm.")
    again = await call(hello(), called.reply.message("mistral"), Message.human("Why?"), provider="mistral")
    assert again.body["messages"][0]["content"] == parts


async def test_mistrals_thinking_before_a_call_is_given_back():
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    answer = chat(chunk({"content": [thinking]}), tool(0, "{}", id="abcdefgh1", name="look"), chunk({}, "tool_calls"))
    called = await call(answer, provider="mistral")
    again = await call(hello(), called.reply.message("mistral"), Message.tool("-", "abcdefgh1"), provider="mistral")
    assert again.body["messages"][0]["content"] == [thinking]


def details(**item):
    return chunk({"reasoning": item.get("text"), "reasoning_details": [{"format": "f", **item}]})


async def test_openrouters_details_of_reasoning_are_given_back_whole():
    parts = [
        details(type="reasoning.text", index=0, text="Look "),
        details(type="reasoning.text", index=0, text="it up.", signature="sig"),
        details(type="reasoning.encrypted", index=1, data="enc", id="call_1"),
    ]
    called = await call(chat(*parts, tool(0, "{}", id="call_1", name="look"), chunk({}, "tool_calls")))
    assert called.reply.reasoning["text"] == "Look it up."
    again = await call(hello(), called.reply.message("openai"), Message.tool("-", "call_1"))
    [said, _] = again.body["messages"]
    assert said["reasoning_details"] == [
        {"format": "f", "type": "reasoning.text", "index": 0, "text": "Look it up.", "signature": "sig"},
        {"format": "f", "type": "reasoning.encrypted", "index": 1, "data": "enc", "id": "call_1"},
    ]
    assert "reasoning" not in said


SIGNATURE = {"google": {"thought_signature": "c2lnbmVk"}}


async def test_geminis_signature_of_a_call_is_given_back():
    called = await call(
        chat(tool(0, "{}", id="a", name="weather", extra_content=SIGNATURE), chunk({}, "stop")), provider="gemini"
    )
    again = await call(hello(), called.reply.message("gemini"), Message.tool("-", "a"), provider="gemini")
    assert again.body["messages"][0]["tool_calls"][0]["extra_content"] == SIGNATURE


async def test_geminis_signature_is_given_to_nobody_else():
    called = await call(
        chat(tool(0, "{}", id="a", name="weather", extra_content=SIGNATURE), chunk({}, "stop")), provider="gemini"
    )
    again = await call(hello(), called.reply.message("gemini"), Message.tool("-", "a"), provider="openai")
    assert again.body["messages"][0]["tool_calls"][0].keys() == {"id", "type", "function"}


# --- the caller -----------------------------------------------------------------------------------------------------------


async def test_cancellation_closes_the_request():
    first, *rest = chat(*text("Hel", "lo")[1:]).chunks
    begun = asyncio.Event()
    async with serving(Answer(200, STREAM, [first, asyncio.Event(), *rest])) as (server, adapter):
        task = asyncio.create_task(adapter.generate(request(), lambda piece: begun.set()))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.hung_up.wait(), 1)


async def test_cancellation_before_the_first_token_closes_the_request():
    async with serving(Answer(200, STREAM, [asyncio.Event()])) as (server, adapter):
        task = asyncio.create_task(adapter.generate(request(), lambda piece: None))
        while not server.asked:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.hung_up.wait(), 1)


async def test_an_error_of_the_caller_passes_and_closes_the_request():
    def emit(piece):
        raise ValueError("mine")

    first, *rest = chat(*text("Hel", "lo")[1:]).chunks
    async with serving(Answer(200, STREAM, [first, asyncio.Event(), *rest])) as (server, adapter):
        with pytest.raises(ValueError, match="mine"):
            await adapter.generate(request(), emit)
        await asyncio.wait_for(server.hung_up.wait(), 1)
