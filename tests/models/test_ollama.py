"""Ollama: the OpenAI-compatible interface under its own address, without a key."""

from __future__ import annotations

import pytest
from openai_wire import chat, chunk, hello, request, text
from provider_server import ProviderServer

from oris_temporal.activities.providers import openai
from oris_temporal.activities.providers.openai import ollama_adapter
from oris_temporal.models.providers import AdapterSettings, find_provider


async def ask(server: ProviderServer, address: str, **options):
    adapter = ollama_adapter(AdapterSettings("ollama", address, None))
    try:
        return await adapter.generate(
            request(provider="ollama", model="llama3:8b", options=options), lambda piece: None
        )
    finally:
        await adapter.close()


@pytest.mark.parametrize("form", ["{url}", "{url}/", "{url}/v1", "{url}/v1/", "{host}"])
async def test_forms_of_the_address(form):
    async with ProviderServer(hello()) as server:
        await ask(server, form.format(url=server.url, host=server.url.removeprefix("http://")))
        assert server.asked[0].path == "/v1/chat/completions"


async def test_no_key_is_sent(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin")
    async with ProviderServer(hello()) as server:
        await ask(server, server.url)
        assert [name for name, value in server.asked[0].headers.items() if "sk-" in value] == []


async def test_openais_address_is_not_taken(monkeypatch):
    async with ProviderServer(hello()) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", "http://openai.invalid/v1")
        reply = await ask(server, server.url)
    assert reply.text == "Hello"


async def test_model_and_limit():
    async with ProviderServer(hello()) as server:
        await ask(server, server.url, max_tokens=9)
        assert (server.asked[0].body["model"], server.asked[0].body["max_tokens"]) == ("llama3:8b", 9)


async def test_reasoning_of_a_local_model():
    async with ProviderServer(chat(chunk({"content": "", "reasoning": "Hm."}), *text("Hi"))) as server:
        reply = await ask(server, server.url)
    assert reply.reasoning["text"] == "Hm."


async def test_from_the_table_of_providers():
    async with ProviderServer(hello()) as server:
        provider = find_provider("ollama")
        host = server.url.removeprefix("http://")
        adapter = provider.make(provider.settings(environ={"OLLAMA_HOST": host}))
        reply = await adapter.generate(request(provider="ollama", model="llama3"), lambda piece: None)
        await adapter.close()
    assert reply.text == "Hello"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (None, "http://localhost:11434/v1"),
        ("gpu-box", "http://gpu-box:11434/v1"),
        ("gpu-box:9999", "http://gpu-box:9999/v1"),
        (":9999", "http://127.0.0.1:9999/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0:9999", "http://127.0.0.1:9999/v1"),
        ("http://0.0.0.0:9999", "http://127.0.0.1:9999/v1"),
        ("https://ollama.test", "https://ollama.test/v1"),
        ("https://ollama.test/behind/", "https://ollama.test/behind/v1"),
        ("[::1]", "http://[::1]:11434/v1"),
        ("[::1]:9999", "http://[::1]:9999/v1"),
    ],
)
def test_address(written, meant):
    assert openai._ollama_url(written) == meant
