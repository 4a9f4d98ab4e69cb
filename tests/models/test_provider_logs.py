"""What the SDKs of providers log holds no secret, at any level."""

from __future__ import annotations

import logging
from types import ModuleType

import anthropic_wire
import openai_wire
import pytest
from provider_server import ProviderServer

from oris_temporal.graph.messages import Message
from oris_temporal.models import ModelRequest, init_chat_model
from oris_temporal.models.caller import ModelCaller

KEY = "sk-verysecret-123456"


@pytest.mark.parametrize(("provider", "wire"), [("openai", openai_wire), ("anthropic", anthropic_wire)])
async def test_neither_the_key_nor_the_secrets_of_an_address(
    provider: str, wire: ModuleType, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MY_KEY", KEY)
    async with ProviderServer(wire.hello()) as server:
        monkeypatch.setenv("MY_URL", f"{server.url.replace('://', '://ann:hunter@')}/tenants/s3cr3t-path/v1")
        caller = ModelCaller()
        model = init_chat_model(f"{provider}:m", base_url="env:MY_URL", api_key="env:MY_KEY")
        await caller.call(ModelRequest(model, [Message.human("Hi")]), lambda piece: None)
        await caller.close()
    logged = [record.getMessage() for record in caplog.records]
    assert any("/tenants/***/v1" in line for line in logged)
    assert not [line for line in logged if KEY in line or "hunter" in line or "s3cr3t" in line]
