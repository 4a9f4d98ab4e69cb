"""What Anthropic refuses, as typed errors that never hold a key."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from anthropic_wire import KEY, finish, request, serving, start, text_block
from provider_server import Answer

from oris_temporal.activities.providers.anthropic import adapter
from oris_temporal.graph.errors import ModelError
from oris_temporal.models.providers import AdapterSettings


def refusal(status: int, kind: str, message: str, **headers: str) -> Answer:
    return Answer.json({"type": "error", "error": {"type": kind, "message": message}}, status, **headers)


async def error_of(answer: Answer) -> ModelError:
    async with serving(answer) as (server, made):
        with pytest.raises(ModelError) as raised:
            await made.generate(request(), lambda piece: None)
        assert len(server.asked) == 1  # the SDK does not try again by itself
    return raised.value


@pytest.mark.parametrize(
    ("status", "type", "message", "kind", "retryable"),
    [
        (400, "invalid_request_error", "messages: bad", "invalid_request", False),
        (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", "context_length", False),
        (400, "invalid_request_error", "Your credit balance is too low to access the API.", "permission", False),
        (401, "authentication_error", "invalid x-api-key", "authentication", False),
        (403, "permission_error", "not yours", "permission", False),
        (404, "not_found_error", "model: claude-none", "not_found", False),
        (413, "request_too_large", "Request exceeds the maximum size", "invalid_request", False),
        (429, "rate_limit_error", "too many", "rate_limit", True),
        (500, "api_error", "Internal server error", "server", True),
        (529, "overloaded_error", "Overloaded", "overloaded", True),
    ],
)
async def test_each_status(status: int, type: str, message: str, kind: str, retryable: bool) -> None:
    error = await error_of(refusal(status, type, message))
    assert (error.kind, error.status, error.is_retryable) == (kind, status, retryable)
    assert message.rstrip(".") in error.message
    assert error.message.startswith(f"Provider anthropic ({status}): ")


@pytest.mark.parametrize(("type", "kind"), [("overloaded_error", "overloaded"), ("api_error", "server")])
async def test_an_error_within_a_stream(type: str, kind: str) -> None:
    event = ("error", {"type": "error", "error": {"type": type, "message": "Sorry"}})
    error = await error_of(Answer.events(start(), *text_block(0, "Hel"), event, *finish()))
    assert (error.kind, error.is_retryable) == (kind, True)
    assert "Sorry" in error.message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"retry_after": "2"}, 2), ({"retry_after_ms": "250"}, 0.25), ({}, None)],
    ids=["seconds", "milliseconds", "none"],
)
async def test_how_long_it_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    error = await error_of(refusal(429, "rate_limit_error", "too many", **headers))
    assert error.retry_after == seconds


async def test_until_when_it_asks_to_wait() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=3000), usegmt=True)
    error = await error_of(refusal(429, "rate_limit_error", "too many", retry_after=later))
    assert error.retry_after is not None
    assert 2900 < error.retry_after <= 3000


async def test_no_key_is_in_an_error_even_if_the_provider_says_it() -> None:
    error = await error_of(refusal(401, "authentication_error", f"invalid x-api-key: {KEY}"))
    shown = "".join(traceback.format_exception(error)) + str(error.details)
    assert KEY not in shown
    assert error.__cause__ is None
    assert error.__context__ is None


async def test_nobody_there() -> None:
    made = adapter(AdapterSettings("anthropic", "http://127.0.0.1:9", KEY))
    with pytest.raises(ModelError, match=r"cannot be reached at 127\.0\.0\.1:9") as raised:
        await made.generate(request(), lambda piece: None)
    await made.close()
    assert (raised.value.kind, raised.value.is_retryable) == ("connection", True)


@pytest.mark.parametrize(("url", "key", "kind"), [("ftp://x", KEY, "configuration"), (None, "a\nb", "credentials")])
def test_settings_that_cannot_work(url: str | None, key: str, kind: str) -> None:
    with pytest.raises(ModelError) as raised:
        adapter(AdapterSettings("anthropic", url, key))
    assert raised.value.kind == kind


async def test_credentials_of_the_environment_stay_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-of-the-environment")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-of-the-environment")
    async with serving(Answer.events(start(), *text_block(0, "x"), *finish()), key=None) as (server, made):
        await made.generate(request(), lambda piece: None)
    assert "of-the-environment" not in str(server.asked[0].headers)
