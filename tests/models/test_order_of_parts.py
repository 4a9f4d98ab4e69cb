"""What a model thought between the parts of an answer goes back where it was, also by way of a run's state."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import anthropic_wire
import openai_wire
import pytest
from anthropic_wire import begin, delta, end, finish, start, text_block, tool_block
from openai_wire import done, function_call, responses, said, thought
from provider_server import Answer, ProviderServer

from oris_temporal import CompiledGraph, OrisClient, create_agent, tool
from oris_temporal.graph.messages import Message
from oris_temporal.testing import ReplayingWorker, oris_client

__all__ = ["oris_client"]


def thinking(index: int, text: str, signature: str) -> list[Any]:
    block = begin(index, {"type": "thinking", "thinking": "", "signature": ""})
    return [
        block,
        delta(index, "thinking_delta", thinking=text),
        delta(index, "signature_delta", signature=signature),
        end(index),
    ]


def redacted(index: int, data: str) -> list[Any]:
    return [begin(index, {"type": "redacted_thinking", "data": data}), end(index)]


BLOCKS = [
    {"type": "thinking", "thinking": "Where first?", "signature": "sig-1"},
    {"type": "text", "text": "I look 🔎 in "},
    {"type": "text", "text": "two places."},
    {"type": "redacted_thinking", "data": "secret-1"},
    {"type": "thinking", "thinking": "Rome.", "signature": "sig-2"},
    {"type": "tool_use", "id": "toolu_a", "name": "weather", "input": {"city": "Rome"}},
    {"type": "thinking", "thinking": "And Oslo.", "signature": "sig-3"},
    {"type": "text", "text": "Now the north."},
    {"type": "redacted_thinking", "data": "secret-2"},
    {"type": "tool_use", "id": "toolu_b", "name": "weather", "input": {"city": "Oslo"}},
]


def claudes(blocks: list[dict[str, Any]] = BLOCKS, id: str = "msg_1") -> Answer:
    events: list[Any] = [start(id)]
    for index, block in enumerate(blocks):
        match block["type"]:
            case "thinking":
                events += thinking(index, block["thinking"], block["signature"])
            case "redacted_thinking":
                events += redacted(index, block["data"])
            case "text":
                events += text_block(index, block["text"])
            case "tool_use":
                city = block["input"]["city"]
                events += tool_block(index, block["id"], block["name"], '{"city": ', f'"{city}"}}')
    return Answer.events(*events, *finish("tool_use"))


def stored(reply: Any, provider: str) -> Message:
    """The message as a state keeps it."""
    return Message.parse(reply.message(provider).model_dump(mode="json"))


async def claude_hears(message: Message, *more: Message) -> list[dict[str, Any]]:
    answers = [Message.tool("rain", id) for id in ("toolu_a", "toolu_b")]
    called = await anthropic_wire.call(anthropic_wire.hello(), "Weather?", message, *answers, *more)
    content: list[dict[str, Any]] = called.body["messages"][1]["content"]
    return content


async def test_claude_gets_all_blocks_back_in_their_order() -> None:
    message = stored((await anthropic_wire.call(claudes())).reply, "anthropic")
    assert message.content == "I look 🔎 in two places.Now the north."
    assert await claude_hears(message) == BLOCKS


async def test_the_usual_order_is_not_kept_beside_the_message() -> None:
    usual = [BLOCKS[0], BLOCKS[3], BLOCKS[1], BLOCKS[5], BLOCKS[9]]
    message = stored((await anthropic_wire.call(claudes(usual))).reply, "anthropic")
    assert message.extra is not None
    assert "order" not in message.extra["reasoning"]
    assert await claude_hears(message) == usual


async def test_an_order_without_thoughts_is_none_of_reasoning() -> None:
    blocks = [BLOCKS[1], BLOCKS[5], BLOCKS[9]]
    message = stored((await anthropic_wire.call(claudes(blocks))).reply, "anthropic")
    assert "reasoning" not in (message.extra or {})
    assert await claude_hears(message) == blocks


async def test_text_that_was_edited_is_where_the_first_was() -> None:
    message = stored((await anthropic_wire.call(claudes())).reply, "anthropic")
    edited = message.model_copy(update={"content": "I look in [REDACTED]."})
    heard = await claude_hears(edited)
    assert [block for block in heard if block["type"] != "text"] == [b for b in BLOCKS if b["type"] != "text"]
    assert [(place, block["text"]) for place, block in enumerate(heard) if block["type"] == "text"] == [
        (1, "I look in [REDACTED].")
    ]


async def test_arguments_that_a_person_edited_are_in_the_same_place() -> None:
    message = stored((await anthropic_wire.call(claudes())).reply, "anthropic")
    calls: Any = message.tool_calls
    function = {**calls[1]["function"], "arguments": '{"city": "Bergen"}'}
    edited = message.model_copy(update={"tool_calls": [calls[0], {**calls[1], "function": function}]})
    assert await claude_hears(edited) == [*BLOCKS[:-1], {**BLOCKS[-1], "input": {"city": "Bergen"}}]


async def test_thoughts_at_the_end_are_left_out_for_they_led_to_nothing() -> None:
    message = stored((await anthropic_wire.call(claudes([*BLOCKS, BLOCKS[0]]))).reply, "anthropic")
    assert await claude_hears(message) == BLOCKS


async def test_another_provider_gets_text_and_calls() -> None:
    message = stored((await anthropic_wire.call(claudes())).reply, "anthropic")
    called = await openai_wire.call(openai_wire.hello(), message, *(Message.tool("", c.id) for c in message.calls))
    assert called.body["messages"][0]["content"] == message.content
    assert [call["id"] for call in called.body["messages"][0]["tool_calls"]] == ["toolu_a", "toolu_b"]


ITEMS = [
    thought(1),
    said("One moment.", phase="commentary"),
    thought(2),
    function_call("call_a", "weather", '{"city":"Rome"}'),
    thought(3),
    function_call("call_b", "weather", '{"city":"Oslo"}'),
    function_call("call_c", "weather", '{"city":"Bonn"}'),
    thought(4),
    said("I look in three places.", phase="final_answer"),
]


def shape(items: list[dict[str, Any]]) -> list[Any]:
    """What is the same in an item of an answer and in the one that goes back."""
    shapes: list[Any] = []
    for item in items:
        match item["type"]:
            case "reasoning":
                shapes.append(item)
            case "message":
                shapes.append((item["content"][0]["text"], item.get("phase")))
            case "function_call":
                shapes.append((item["call_id"], item["arguments"]))
    return shapes


async def test_openai_gets_all_items_back_in_their_order() -> None:
    options = {"api": "responses"}
    reply = (await openai_wire.call(responses(*(done(n, item) for n, item in enumerate(ITEMS))), options=options)).reply
    message = stored(reply, "openai")
    results = [Message.tool("rain", id) for id in ("call_a", "call_b", "call_c")]
    called = await openai_wire.call(openai_wire.hello_responses(), message, *results, options=options)
    assert shape(called.body["input"]) == shape(ITEMS)


SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "rain"}}


async def test_what_openais_own_tools_did_stands_between_the_thoughts() -> None:
    options = {"api": "responses"}
    items = [thought(1), SEARCH, thought(2), said("It rains.")]
    reply = (await openai_wire.call(responses(*(done(n, item) for n, item in enumerate(items))), options=options)).reply
    called = await openai_wire.call(openai_wire.hello_responses(), stored(reply, "openai"), options=options)
    heard = called.body["input"]
    assert [item["type"] for item in heard] == ["reasoning", "web_search_call", "reasoning", "message"]
    assert heard[1] == SEARCH


# --- tools that Anthropic runs -------------------------------------------------------------------------------------


def server_tool(index: int, id: str, *parts: str) -> list[Any]:
    deltas = [delta(index, "input_json_delta", partial_json=part) for part in ("", *parts)]
    return [begin(index, {"type": "server_tool_use", "id": id, "name": "web_search", "input": {}}), *deltas, end(index)]


def found(id: str) -> dict[str, Any]:
    page = {
        "type": "web_search_result",
        "url": "https://a.b",
        "title": "A",
        "encrypted_content": "enc",
        "page_age": None,
    }
    return {"type": "web_search_tool_result", "tool_use_id": id, "content": [page]}


def searched(id: str, query: str = "rain") -> dict[str, Any]:
    return {"type": "server_tool_use", "id": id, "name": "web_search", "input": {"query": query}}


def part(*more: Any, reason: str, id: str = "msg_1", **usage: int) -> Answer:
    return Answer.events(start(id), *more, *finish(reason, **usage))


async def test_what_claudes_own_tools_did_goes_back_in_its_place() -> None:
    events = [
        *thinking(0, "Look.", "sig-1"),
        *server_tool(1, "srvtoolu_1", '{"query"', ': "rain"}'),
        begin(2, found("srvtoolu_1")),
        end(2),
        *text_block(3, "It rains. "),
        *tool_block(4, "toolu_a", "weather", "{}"),
        *server_tool(5, "srvtoolu_2", '{"query": "wind"}'),
    ]
    message = stored((await anthropic_wire.call(part(*events, reason="tool_use"))).reply, "anthropic")
    called = await anthropic_wire.call(anthropic_wire.hello(), "Weather?", message, Message.tool("rain", "toolu_a"))
    assert called.body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Look.", "signature": "sig-1"},
        searched("srvtoolu_1"),
        found("srvtoolu_1"),
        {"type": "text", "text": "It rains. "},
        {"type": "tool_use", "id": "toolu_a", "name": "weather", "input": {}},
        searched("srvtoolu_2", "wind"),
    ]


async def test_an_own_tool_that_was_cut_short_does_not_go_back() -> None:
    events = [*text_block(0, "I look."), *server_tool(1, "srvtoolu_1", '{"query": "ra')]
    reply = (await anthropic_wire.call(part(*events, reason="max_tokens"))).reply
    called = await anthropic_wire.call(anthropic_wire.hello(), "Hi", stored(reply, "anthropic"), "Go on.")
    assert called.body["messages"][1]["content"] == [{"type": "text", "text": "I look."}]


async def test_an_answer_that_pauses_is_asked_to_go_on() -> None:
    begun = [*text_block(0, "I look. "), *server_tool(1, "srvtoolu_1", '{"query": "rain"}')]
    rest = [begin(0, found("srvtoolu_1")), end(0), *text_block(1, "It rains.")]
    pieces: list[Any] = []
    answers = [part(*begun, reason="pause_turn", output=7), part(*rest, reason="end_turn", id="msg_2", output=3)]
    async with anthropic_wire.serving(*answers) as (server, adapter):
        reply = await adapter.generate(anthropic_wire.request("Weather?"), pieces.append)
    assert (reply.text, reply.stop_reason, reply.id) == ("I look. It rains.", "stop", "msg_1")
    assert (reply.usage.prompt, reply.usage.completion, reply.usage.calls) == (20, 10, 1)
    assert "".join(piece["text"] for piece in pieces) == reply.text
    resumed = server.asked[1].body["messages"]
    assert [turn["role"] for turn in resumed] == ["user", "assistant"]
    assert resumed[1]["content"] == [{"type": "text", "text": "I look. "}, searched("srvtoolu_1")]
    called = await anthropic_wire.call(anthropic_wire.hello(), "Weather?", stored(reply, "anthropic"), "Thanks.")
    kinds = [block["type"] for block in called.body["messages"][1]["content"]]
    assert kinds == ["text", "server_tool_use", "web_search_tool_result", "text"]


async def test_one_that_pauses_for_ever_comes_to_an_end() -> None:
    pausing = part(*text_block(0, "."), reason="pause_turn")
    async with anthropic_wire.serving(pausing) as (server, adapter):
        reply = await adapter.generate(anthropic_wire.request("Weather?"), lambda piece: None)
    assert reply.stop_reason == "pause_turn"
    assert len(server.asked) == 21


# --- by way of a run -----------------------------------------------------------------------------------------------


@tool
async def weather(city: str) -> str:
    """The weather."""
    return f"rain in {city}, {'.' * 3_000}"


def turn(number: int) -> list[dict[str, Any]]:
    """The blocks of one answer, with ids and signatures of its own."""
    own = ("id", "signature", "data")
    return [{name: f"{value}-{number}" if name in own else value for name, value in block.items()} for block in BLOCKS]


def agent(url: str) -> CompiledGraph:
    return create_agent(
        "anthropic:claude-test", [weather], system_prompt="x" * 30_000, base_url=url, name="interleaved", max_retries=0
    )


TURNS = 4


async def heard(run: Any) -> None:
    """Let an agent of some turns run; each request must have the answers before it as they came."""
    turns = [turn(number) for number in range(TURNS)]
    answers = [claudes(blocks, f"msg_{number}") for number, blocks in enumerate(turns)]
    async with ProviderServer(*answers, anthropic_wire.hello()) as server:
        await run(agent(server.url))
        last = server.asked[-1].body["messages"]
    assert len(server.asked) == TURNS + 1
    assert [message["content"] for message in last if message["role"] == "assistant"] == turns
    results = [[block["tool_use_id"] for block in message["content"]] for message in last[2::2]]
    assert results == [[f"toolu_a-{number}", f"toolu_b-{number}"] for number in range(TURNS)]


async def test_in_this_process() -> None:
    async def run(graph: CompiledGraph) -> None:
        assert (await graph.invoke("Weather?")).status == "completed"

    await heard(run)


@pytest.mark.parametrize("continue_as_new_after", [None, 15], ids=["by reference", "in several histories"])
async def test_through_state_references_and_histories(
    oris_client: OrisClient, continue_as_new_after: int | None
) -> None:
    async def run(graph: CompiledGraph) -> None:
        async with ReplayingWorker(oris_client, [graph]) as worker:
            thread = uuid4().hex
            done = await oris_client.run(graph, thread, "Weather?", continue_as_new_after=continue_as_new_after)
            assert done.status == "completed"
            history = await oris_client.temporal.get_workflow_handle(thread).fetch_history()
            began = history.events[0].workflow_execution_started_event_attributes
            assert bool(began.continued_execution_run_id) == (continue_as_new_after is not None)
        await worker.check_replay()

    await asyncio.wait_for(heard(run), 60)
