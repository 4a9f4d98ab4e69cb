"""What Anthropic refuses, as typed errors that never hold a key."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from anthropic_wire import KEY, finish, hello, request, serving, start, text_block
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
        (
            400,
            "invalid_request_error",
            "input length and `max_tokens` exceed context limit: 9 > 8",
            "context_length",
            False,
        ),
        (400, "invalid_request_error", "Output blocked by content filtering policy", "refused", False),
        (400, "invalid_request_error", "You have reached your specified API usage limits.", "permission", False),
        (402, "billing_error", "Pay first", "permission", False),
        (408, "timeout_error", "Request timed out", "timeout", True),
        (409, "conflict_error", "busy", "conflict", True),
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


@pytest.mark.parametrize(
    ("type", "kind"),
    [
        ("overloaded_error", "overloaded"),
        ("api_error", "server"),
        ("rate_limit_error", "rate_limit"),
        ("timeout_error", "timeout"),
        ("conflict_error", "conflict"),
        ("invalid_request_error", "invalid_request"),
        ("request_too_large", "invalid_request"),
        ("authentication_error", "authentication"),
        ("permission_error", "permission"),
        ("billing_error", "permission"),
        ("not_found_error", "not_found"),
    ],
)
async def test_an_error_within_a_stream(type: str, kind: str) -> None:
    event = ("error", {"type": "error", "error": {"type": type, "message": "Sorry"}})
    error = await error_of(Answer.events(start(), *text_block(0, "Hel"), event, *finish()))
    assert (error.kind, error.status) == (kind, None)  # the answer's status was 200
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


@pytest.mark.parametrize("key", [KEY, None])
async def test_credentials_of_the_environment_stay_there(monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-of-the-environment")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-of-the-environment")
    custom = "authorization: Bearer of-the-environment\nx-api-key: of-the-environment\nX-Team: mine"
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", custom)
    async with serving(hello(), key=key) as (server, made):
        await made.generate(request(), lambda piece: None)
    headers = server.asked[0].headers
    assert "of-the-environment" not in str(headers)
    assert headers.get("authorization") == (key and f"Bearer {key}")
    assert headers["x-team"] == "mine"


async def test_other_providers_learn_nothing_of_anthropic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Secret: secret\nauthorization: Bearer secret")
    async with serving(hello(), provider="compatible") as (server, made):
        await made.generate(request(), lambda piece: None)
    assert "secret" not in str(server.asked[0].headers)


async def test_what_it_says_is_shortened() -> None:
    error = await error_of(refusal(500, "api_error", "word " * 1000))
    assert len(error.message) < 600
    assert "…" in error.message


async def test_an_error_within_a_stream_holds_no_key_either() -> None:
    event = ("error", {"type": "error", "error": {"type": "api_error", "message": f"bad key {KEY}"}})
    error = await error_of(Answer.events(start(), event))
    assert KEY not in "".join(traceback.format_exception(error)) + str(error.details)


async def test_a_web_page_in_place_of_an_error() -> None:
    error = await error_of(Answer(502, {"content-type": "text/html"}, [b"<html><h1>Bad gateway</h1>"]))
    assert (error.kind, error.status, error.is_retryable) == ("server", 502, True)
    assert "web page" in error.message
