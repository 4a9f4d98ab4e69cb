"""Structured output of endpoints that know no JSON schema: it is in the prompt, and the agent checks the answer."""

from __future__ import annotations

import json
from typing import Any

import anthropic_wire
import openai_wire
import pytest
from openai_wire import chat, text
from provider_server import ProviderServer
from pydantic import BaseModel

from oris_temporal import create_agent
from oris_temporal.agents import ProviderStrategy
from oris_temporal.graph.errors import StructuredOutputError
from oris_temporal.graph.messages import Message
from oris_temporal.models import ModelRequest, Provider, ResponseFormat, init_chat_model, register_provider
from oris_temporal.models.caller import ModelCaller
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
