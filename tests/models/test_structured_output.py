"""Structured output: of endpoints that know no JSON schema, whose prompt says it, and checked where it arrives."""

from __future__ import annotations

import json
from typing import Any

import anthropic_wire
import openai_wire
import pytest
from openai_wire import chat, text
from provider_server import ProviderServer
from pydantic import BaseModel

from oris_temporal import END, START, CompiledGraph, MessagesState, StateGraph, create_agent
from oris_temporal.agents import ProviderStrategy, llm_node
from oris_temporal.graph.errors import ConfigurationError, StructuredOutputError
from oris_temporal.graph.messages import Message, ToolCall
from oris_temporal.models import (
    ChatModel,
    ModelRequest,
    Provider,
    ResponseFormat,
    ToolSpec,
    init_chat_model,
    register_provider,
)
from oris_temporal.models.caller import ModelCaller
from oris_temporal.models.fake import fake_model
from oris_temporal.models.providers import find_provider


class Bird(BaseModel):
    name: str
    legs: int


FORMAT = ResponseFormat("Bird", Bird.model_json_schema())
SCHEMA = json.dumps(FORMAT.schema)
JSON_MODE = {"structured_output": "json_object"}


async def ask(name: str, *messages: Message, answer: Any = None, **options: Any) -> Any:
    """The body of a request that asks for a bird."""
    async with ProviderServer(answer or openai_wire.hello()) as server:
        model = init_chat_model(name, base_url=f"{server.url}/v1", **options)
        caller = ModelCaller()
        try:
            await caller.call(ModelRequest(model, messages or (Message.human("Which bird?"),), (), FORMAT), print)
        finally:
            await caller.close()
        return server.asked[-1].body


async def test_by_default_the_provider_holds_the_answer_to_the_schema() -> None:
    body = await ask("openai:gpt-test")
    assert body["response_format"]["type"] == "json_schema"
    assert body["messages"] == [{"role": "user", "content": "Which bird?"}]


async def test_an_option_asks_for_json_and_says_the_schema_in_the_prompt() -> None:
    body = await ask("openai:gpt-test", **JSON_MODE)
    assert body["response_format"] == {"type": "json_object"}
    instructions, question = body["messages"]
    assert instructions["role"] == "system"
    assert "JSON" in instructions["content"]  # which some servers demand to be said
    assert SCHEMA in instructions["content"]
    assert question == {"role": "user", "content": "Which bird?"}


async def test_there_is_still_one_system_message_at_the_start() -> None:
    body = await ask("openai:gpt-test", Message.system("Be brief."), Message.human("Which?"), **JSON_MODE)
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["messages"][0]["content"].startswith("Be brief.\n\n")
    assert SCHEMA in body["messages"][0]["content"]


async def test_the_responses_api() -> None:
    answer = openai_wire.hello_responses()
    body = await ask("openai:gpt-test", answer=answer, api="responses", **JSON_MODE)
    assert body["text"] == {"format": {"type": "json_object"}}
    assert SCHEMA in body["input"][0]["content"][0]["text"]


async def test_anthropic_which_has_no_such_mode_is_only_told() -> None:
    async with ProviderServer(anthropic_wire.hello()) as server:
        model = init_chat_model("anthropic:claude-test", base_url=server.url, **JSON_MODE)
        caller = ModelCaller()
        await caller.call(ModelRequest(model, [Message.human("Which?")], (), FORMAT), print)
        await caller.close()
        body = server.asked[-1].body
    assert "output_config" not in body
    assert SCHEMA in body["system"][0]["text"]


class Facts(BaseModel):
    facts: dict[str, int]


async def test_anthropic_which_can_close_objects_only_is_only_told_of_others() -> None:
    form = ResponseFormat("Facts", Facts.model_json_schema())
    called = await anthropic_wire.call(anthropic_wire.hello(), "Which bird?", response_format=form)
    assert "output_config" not in called.body
    assert json.dumps(form.schema) in called.body["system"][0]["text"]
    closed = await anthropic_wire.call(anthropic_wire.hello(), "Which bird?", response_format=FORMAT)
    assert closed.body["output_config"]["format"]["type"] == "json_schema"


async def test_nor_is_it_held_to_arguments_that_are_open() -> None:
    tool = ToolSpec("note", "Notes.", Facts.model_json_schema(), strict=True)
    called = await anthropic_wire.call(anthropic_wire.hello(), "Note it.", tools=[tool])
    assert called.body["tools"] == [{"name": "note", "description": "Notes.", "input_schema": tool.parameters}]


@pytest.mark.parametrize("name", ["deepseek:deepseek-chat", "qwen:qwen-plus"])
async def test_providers_of_which_it_is_known(name: str) -> None:
    assert (await ask(name))["response_format"] == {"type": "json_object"}
    assert (await ask(name, structured_output="json_schema"))["response_format"]["type"] == "json_schema"


async def test_a_provider_of_ones_own_may_say_so() -> None:
    register_provider(Provider("acme-json", find_provider("openai").adapter, structured_output="json_object"))
    assert (await ask("acme-json:m"))["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize("strategy", [Bird, ProviderStrategy(Bird)], ids=["auto", "provider"])
async def test_an_agent_checks_the_answer_and_has_the_model_try_again(strategy: Any) -> None:
    answers = ['{"name": "stork"}', '```json\n{"name": "stork", "legs": 2}\n```']
    async with ProviderServer(*(chat(*text(answer)) for answer in answers)) as server:
        agent = create_agent(
            "huggingface:acme/model", base_url=f"{server.url}/v1", response_format=strategy, **JSON_MODE
        )
        result = await agent.invoke("Which bird?")
        first, second = (asked.body for asked in server.asked)
    assert result.state["structured_response"] == Bird(name="stork", legs=2)
    assert first["response_format"] == second["response_format"] == {"type": "json_object"}
    assert "legs" in second["messages"][-1]["content"]
    assert second["messages"][0] == first["messages"][0]


async def test_one_that_never_fits_ends_in_a_typed_error() -> None:
    async with ProviderServer(chat(*text("{}"))) as server:
        strategy = ProviderStrategy(Bird, max_retries=1)
        agent = create_agent("openai:m", base_url=f"{server.url}/v1", response_format=strategy, **JSON_MODE)
        with pytest.raises(StructuredOutputError, match="legs"):
            await agent.invoke("Which bird?")
        assert len(server.asked) == 2


# --- ctx.llm -------------------------------------------------------------------------------------------------------


def node(model: ChatModel, form: Any) -> CompiledGraph:
    graph = StateGraph(MessagesState).add_node("ask", llm_node(model, response_format=form))
    return graph.add_edge(START, "ask").add_edge("ask", END).compile(name="birds")


async def test_a_node_checks_the_answer_and_has_the_model_try_again() -> None:
    graph = node(fake_model({"name": "stork"}, {"name": "stork", "legs": 2}), Bird)
    result = await graph.invoke("Which bird?")
    assert Bird.model_validate_json(result.state["messages"][-1].content) == Bird(name="stork", legs=2)
    assert len(result.state["messages"]) == 2
    assert sum(used.calls for used in result.usage.values()) == 2


async def test_a_node_whose_model_never_fits_ends_in_a_typed_error() -> None:
    with pytest.raises(
        StructuredOutputError, match=r"birds\.ask: fake:scripted gave no Bird in 3 attempts.*Invalid JSON"
    ):
        await node(fake_model("a", "b", "c", "d"), Bird).invoke("Which bird?")


async def test_calls_of_tools_are_no_answer_yet() -> None:
    result = await node(fake_model(ToolCall("c-1", "look", {})), Bird).invoke("Which bird?")
    assert result.state["messages"][-1].calls[0].name == "look"


async def test_json_is_taken_out_of_its_block() -> None:
    async with ProviderServer(chat(*text('```json\n{"name": "stork", "legs": 2}\n```'))) as server:
        model = init_chat_model("openai:m", base_url=f"{server.url}/v1", structured_output="json_object")
        for form in (FORMAT, Bird):
            result = await node(model, form).invoke("Which bird?")
            assert result.state["messages"][-1].content == '{"name": "stork", "legs": 2}'
        assert len(server.asked) == 2


@pytest.mark.parametrize("form", [print, {"type": "object"}])
def test_what_is_no_type_is_refused_where_the_graph_is_declared(form: Any) -> None:
    with pytest.raises(ConfigurationError, match="response_format"):
        llm_node("openai:m", response_format=form)
