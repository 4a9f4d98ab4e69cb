"""Fake models: what they answer follows from the conversation and the attempt, in any process."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from oris_temporal.graph.errors import ConfigurationError, ModelError
from oris_temporal.graph.messages import Message, ToolCall
from oris_temporal.models import (
    ChatModel,
    ModelReply,
    ModelRequest,
    Piece,
    ResponseFormat,
    ToolSpec,
    Usage,
    init_chat_model,
)
from oris_temporal.models.fake import Line, fail, fake_model, slow
from oris_temporal.models.providers import ModelAdapter, find_provider


def make_adapter() -> ModelAdapter:
    """An adapter as a worker makes it that has seen nothing yet."""
    provider = find_provider("fake")
    return provider.make(provider.settings(environ={}))


async def ask(
    model: ChatModel | str, *messages: Message | str, emit: Callable[[Piece], None] = lambda piece: None, **more: Any
) -> ModelReply:
    """The answer to a conversation, of a model that came by JSON."""
    here = ChatModel.from_wire(json.loads(json.dumps(init_chat_model(model).to_wire())))
    request = ModelRequest(here, [Message.parse(message) for message in messages], **more)
    return await make_adapter().generate(request, emit)


async def talk(model: ChatModel, questions: int) -> list[str]:
    """Answers of a conversation."""
    messages: list[Message] = []
    for number in range(questions):
        messages.append(Message.human(f"question {number}"))
        messages.append((await ask(model, *messages)).message("fake"))
    return [message.content for message in messages if message.message_type == "ai"]


async def pieces_of(model: ChatModel) -> list[Piece]:
    pieces: list[Piece] = []
    await ask(model, "hi", emit=pieces.append)
    return pieces


async def on_attempt(number: int, model: ChatModel, *messages: Message | str) -> ModelReply:
    """What an attempt of a call gets."""
    return await ask(model, *messages, attempt=number)


class Weather(BaseModel):
    city: str
    degrees: float


# --- lines ---------------------------------------------------------------------------------------------------------


async def test_a_script_answers_line_by_line() -> None:
    assert await talk(fake_model("one", "two", "three"), 3) == ["one", "two", "three"]


async def test_the_same_conversation_gets_the_same_answer_again() -> None:
    model = fake_model("one", "two")
    assert [(await ask(model, "hi")).text for _ in range(2)] == ["one", "one"]


async def test_only_answers_move_the_script_on() -> None:
    messages = [
        Message.system("s"),
        Message.human("a"),
        Message.human("b"),
        Message.ai("x"),
        Message.tool("r", "call-1"),
    ]
    assert (await ask(fake_model("one", "two", "three"), *messages)).text == "two"


async def test_answers_known_to_be_anothers_do_not() -> None:
    other = (await ask(fake_model("other", name="other"), "hi")).message("fake")
    real = Message.ai("real", extra={"provider": "openai", "model": "scripted"})
    assert (await ask(fake_model("one", "two"), "hi", other, real)).text == "one"


async def test_models_with_names_of_their_own_share_a_conversation() -> None:
    writer, critic = fake_model("draft", "better draft", name="writer"), fake_model("meh", "good", name="critic")
    messages = [Message.human("write")]
    for model in (writer, critic, writer, critic):
        messages.append((await ask(model, *messages)).message("fake"))
    assert [message.content for message in messages[1:]] == ["draft", "meh", "better draft", "good"]


async def test_a_line_may_be_an_ai_message_with_tool_calls() -> None:
    calls = [ToolCall("call-1", "search", {"q": "ü"}), ToolCall("call-2", "search")]
    reply = await ask(fake_model(Message.ai("Let me look.", calls)), "hi")
    assert (reply.text, reply.stop_reason) == ("Let me look.", "tool_calls")
    assert reply.message("fake").calls == calls


async def test_a_line_may_be_a_tool_call() -> None:
    call = ToolCall("call-1", "search", {"q": "x"})
    assert (await ask(fake_model(call), "hi")).message("fake").calls == [call]


async def test_arguments_that_are_no_json_stay_so() -> None:
    call = {"id": "call-1", "type": "function", "function": {"name": "search", "arguments": '{"q": '}}
    assert (await ask(fake_model(Message.ai("", [call])), "hi")).tool_calls == [call]


async def test_a_bare_tool_call_is_put_into_openais_shape() -> None:
    line = Message.ai("", [{"id": "call-1", "name": "search", "args": {"q": "x"}}])
    assert (await ask(fake_model(line), "hi")).tool_calls == [ToolCall("call-1", "search", {"q": "x"}).to_wire()]


@pytest.mark.parametrize("line", [Weather(city="Köln", degrees=7.5), {"city": "Köln", "degrees": 7.5}])
async def test_a_line_may_be_structured_output(line: Line) -> None:
    wanted = ResponseFormat("weather", Weather.model_json_schema())
    reply = await ask(fake_model(line), "hi", response_format=wanted)
    assert Weather.model_validate_json(reply.text) == Weather(city="Köln", degrees=7.5)
    assert "Köln" in reply.text


async def test_a_line_that_looks_like_a_line_of_the_script_is_json_all_the_same() -> None:
    assert json.loads((await ask(fake_model({"fail": "server"}), "hi")).text) == {"fail": "server"}


async def test_an_answer_that_was_recorded_is_answered_again() -> None:
    recorded = ModelReply(
        "No.",
        stop_reason="refusal",
        usage=Usage(prompt=70, completion=7, cached=3, calls=1),
        model="scripted",
        id="msg-1",
        reasoning={"provider": "fake", "blocks": [1], "text": "Hm."},
        refusal="Not allowed.",
    )
    reply = await ask(fake_model(recorded.message("anthropic")), "hi")
    assert dataclasses.replace(reply, tool_calls=()) == recorded


# --- the end of a script -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (["one"], "it has 1 line, and the conversation asks for answer 2."),
        ([fail("server"), "one"], "it has 2 lines, and the conversation asks for answer 2."),
    ],
)
async def test_a_script_that_ran_out_says_so(script: list[Line], said: str) -> None:
    with pytest.raises(ModelError, match=rf"The script of fake:scripted is at its end: {said}") as caught:
        await ask(fake_model(*script), "hi", Message.ai("one"), "and?")
    assert (caught.value.kind, caught.value.is_retryable) == ("invalid_request", False)


@pytest.mark.parametrize(
    "make",
    [
        fake_model,
        lambda: fake_model("one", name=""),
        lambda: fake_model(7),
        lambda: fake_model(Message.human("hi")),
        lambda: fake_model(Message.ai("", [{"name": "search"}])),
        lambda: fake_model({"when": object()}),
        lambda: slow(fail("server")),
        lambda: fail("ratelimit"),
        lambda: fail("server", times=0),
    ],
)
def test_a_script_that_cannot_be_read_is_refused_where_it_is_written(make: Callable[[], Any]) -> None:
    with pytest.raises(ConfigurationError):
        make()


@pytest.mark.parametrize("script", ["one", [1], [{"answer": "one"}], [{"fail": "ratelimit"}]])
async def test_a_script_of_options_that_cannot_be_read_is_refused(script: Any) -> None:
    with pytest.raises(ModelError, match="script") as caught:
        await ask(init_chat_model("fake:mine", extra={"script": script}), "hi")
    assert caught.value.kind == "configuration"


async def test_a_script_may_be_written_as_options() -> None:
    script = ["one", {"message": {"role": "assistant", "content": "two"}, "between": 0}]
    model = init_chat_model("fake:mine", extra={"script": script})
    assert await talk(model, 2) == ["one", "two"]


# --- failures ------------------------------------------------------------------------------------------------------


async def test_an_attempt_fails_as_scripted() -> None:
    with pytest.raises(ModelError) as caught:
        await ask(fake_model(fail("rate_limit", retry_after="100ms", status=429), "one"), "fails as scripted")
    error = caught.value
    assert (error.kind, error.provider, error.retry_after, error.status) == ("rate_limit", "fake", 0.1, 429)


async def test_attempts_of_one_call_count() -> None:
    model = fake_model(fail("rate_limit", times=2), fail("server"), "one")
    for attempt, kind in ((1, "rate_limit"), (2, "rate_limit"), (3, "server")):
        with pytest.raises(ModelError, match=kind):
            await on_attempt(attempt, model, "hi")
    assert (await on_attempt(4, model, "hi")).text == "one"


async def test_an_attempt_is_the_same_in_any_process_and_as_often_as_it_is_made() -> None:
    model = fake_model(fail("server"), "one")
    assert [(await on_attempt(2, model, "hi")).text for _ in range(2)] == ["one", "one"]
    for _ in range(2):
        with pytest.raises(ModelError):
            await on_attempt(1, model, "hi")


async def test_attempts_that_ended_otherwise_count_too() -> None:
    """A worker was lost with the first two; the script goes on at the third."""
    model = fake_model(fail("rate_limit", times=2), fail("server"), "one")
    with pytest.raises(ModelError, match="server"):
        await on_attempt(3, model, "hi")


async def test_a_failure_belongs_to_the_answer_after_it() -> None:
    model = fake_model("one", fail("server"), "two")
    assert (await on_attempt(1, model, "hi")).text == "one"
    with pytest.raises(ModelError):
        await on_attempt(1, model, "hi", Message.ai("one"), "and?")
    assert (await on_attempt(2, model, "hi", Message.ai("one"), "and?")).text == "two"


async def test_a_model_may_fail_for_ever() -> None:
    with pytest.raises(ModelError, match="overloaded"):
        await on_attempt(1_000, fake_model(fail("overloaded", times=None)), "hi")


async def test_after_the_last_failure_a_script_without_an_answer_is_at_its_end() -> None:
    with pytest.raises(ModelError, match="at its end: it has 1 line"):
        await on_attempt(2, fake_model(fail("server")), "hi")


async def test_text_may_be_streamed_before_a_failure() -> None:
    pieces: list[Piece] = []
    with pytest.raises(ModelError):
        await ask(fake_model(fail("connection", after="Once"), "one"), "streamed before", emit=pieces.append)
    assert pieces == [{"type": "text", "text": "Once"}]


# --- pieces and delays ---------------------------------------------------------------------------------------------


async def test_text_is_streamed_in_small_pieces() -> None:
    assert await pieces_of(fake_model("Hello world")) == [
        {"type": "text", "text": "Hell"},
        {"type": "text", "text": "o wo"},
        {"type": "text", "text": "rld"},
    ]


async def test_tool_calls_are_streamed_after_the_text() -> None:
    message = Message.ai("Hm", [ToolCall("call-1", "now"), ToolCall("call-2", "add", {"a": 1})])
    assert await pieces_of(fake_model(message)) == [
        {"type": "text", "text": "Hm"},
        {"type": "tool_call", "index": 0, "id": "call-1", "name": "now", "arguments": ""},
        {"type": "tool_call", "index": 0, "arguments": "{}"},
        {"type": "tool_call", "index": 1, "id": "call-2", "name": "add", "arguments": ""},
        {"type": "tool_call", "index": 1, "arguments": '{"a"'},
        {"type": "tool_call", "index": 1, "arguments": ":1}"},
    ]


async def test_reasoning_is_streamed_before_the_text() -> None:
    message = Message.ai("4", extra={"reasoning": {"provider": "fake", "blocks": [], "text": "2+2"}})
    assert await pieces_of(fake_model(message)) == [{"type": "reasoning", "text": "2+2"}, {"type": "text", "text": "4"}]


async def test_a_slow_answer_waits_before_its_first_piece_and_between_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    await pieces_of(fake_model(slow("Hello world", first_token="1s", between="50ms")))
    assert waits == [1.0, 0.05, 0.05]


# --- usage ---------------------------------------------------------------------------------------------------------


async def test_tokens_are_words() -> None:
    messages = [Message.system("Be brief."), Message.human("How are you?")]
    assert (await ask(fake_model("Very well, thanks."), *messages)).usage == Usage(prompt=5, completion=3, calls=1)


async def test_a_tool_call_is_one_more() -> None:
    line = Message.ai("Let me look.", [ToolCall("call-1", "search", {"q": "a b c"})])
    assert (await ask(fake_model(line), "hi")).usage.completion == 4


async def test_words_of_reasoning_are_told_apart() -> None:
    line = Message.ai("Four.", extra={"reasoning": {"text": "two and two"}})
    assert (await ask(fake_model(line), "hi")).usage == Usage(prompt=1, completion=4, reasoning=3, calls=1)


# --- plain models --------------------------------------------------------------------------------------------------

ADD = ToolSpec("add", "Adds.", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
SEARCH = ToolSpec("search", "Searches.", {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]})


async def test_echo_answers_with_what_the_human_said_last() -> None:
    messages = [Message.human("one"), Message.ai("one"), Message.human("two"), Message.tool("three", "call-1")]
    assert (await ask("fake:echo", *messages)).text == "two"


async def test_echo_of_nobody_is_silent() -> None:
    assert (await ask("fake:echo", Message.system("Be brief."))).text == ""


async def test_hello_says_hello() -> None:
    assert (await ask("fake:hello", "hi")).text.startswith("Hello!")


async def test_tools_calls_every_tool_with_arguments_that_fit() -> None:
    reply = await ask("fake:tools", "hi", tools=[ADD, SEARCH])
    assert reply.message("fake").calls == [
        ToolCall("call-0-0", "add", {"a": 0}),
        ToolCall("call-0-1", "search", {"q": "hi"}),
    ]


async def test_tools_then_answers_with_what_they_returned() -> None:
    called = (await ask("fake:tools", "hi", tools=[ADD, SEARCH])).message("fake")
    results = [Message.tool("1", "call-0-0"), Message.tool("found", "call-0-1")]
    assert (await ask("fake:tools", "hi", called, *results, tools=[ADD, SEARCH])).text == "1\nfound"


async def test_tools_calls_them_again_when_the_human_asks_again() -> None:
    earlier = [
        Message.human("hi"),
        Message.ai("", [ToolCall("call-0-0", "add", {"a": 0})]),
        Message.tool("1", "call-0-0"),
    ]
    reply = await ask("fake:tools", *earlier, Message.ai("1"), "again", tools=[ADD])
    assert [call.id for call in reply.message("fake").calls] == ["call-2-0"]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"tool_choice": "auto"}, ["add", "search"]),
        ({"tool_choice": "required"}, ["add", "search"]),
        ({"tool_choice": "search"}, ["search"]),
        ({"tool_choice": "none"}, []),
        ({"parallel_tool_calls": False}, ["add"]),
    ],
)
async def test_tools_keeps_to_the_options(options: dict[str, Any], names: list[str]) -> None:
    reply = await ask(init_chat_model("fake:tools", **options), "hi", tools=[ADD, SEARCH])
    assert [call.name for call in reply.message("fake").calls] == names


async def test_tools_without_tools_is_an_echo() -> None:
    assert (await ask("fake:tools", "hi")).text == "hi"


class Part(BaseModel):
    """Much of what a schema can ask for."""

    name: str = Field(min_length=3, max_length=5)
    count: int = Field(ge=2)
    share: float = Field(gt=0, lt=1)
    below: int = Field(lt=-3)
    kind: Literal["wheel", "axle"]
    only: Literal["this"]
    parts: list[Part]
    pairs: list[tuple[int, str]] = Field(min_length=2)
    parent: Part | None
    either: int | str
    flag: bool
    anything: Any
    unasked: int = 3


@pytest.mark.parametrize("text", ["", "hi", "a long text"])
async def test_json_of_plain_models_fits_any_schema(text: str) -> None:
    wanted = ResponseFormat("part", Part.model_json_schema())
    Part.model_validate_json((await ask("fake:echo", text, response_format=wanted)).text)


@pytest.mark.parametrize("model", ["fake:echo", "fake:hello", "fake:tools"])
async def test_plain_models_answer_with_json_that_fits(model: str) -> None:
    reply = await ask(model, "hi", response_format=ResponseFormat("weather", Weather.model_json_schema()))
    Weather.model_validate_json(reply.text)


async def test_an_unknown_model_is_not_found() -> None:
    with pytest.raises(ModelError, match=r"There is no model fake:gpt, only echo, hello, tools, and") as caught:
        await ask("fake:gpt", "hi")
    assert (caught.value.kind, caught.value.status) == ("not_found", 404)
