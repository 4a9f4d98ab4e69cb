"""What goes wrong at a provider, over real HTTP, and what a caller is told of it."""

from __future__ import annotations

import asyncio
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import openai as sdk
import pytest
from openai_wire import KEY, call, chat, chunk, request, serving, text, tool
from provider_server import Answer

from oris_temporal.activities.providers import openai
from oris_temporal.graph.errors import ModelError
from oris_temporal.models.providers import AdapterSettings


async def failure(answer: Answer, **more: Any) -> ModelError:
    with pytest.raises(ModelError) as raised:
        await call(answer, **more)
    return raised.value


def refusal(status: int, message: str = "It is so.", **more: Any) -> Answer:
    headers = more.pop("headers", {})
    return Answer.json(
        {"error": {"message": message, "type": "x", "param": None, "code": None, **more}}, status, **headers
    )


# --- kinds ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request"),
        (401, "authentication"),
        (402, "permission"),
        (403, "permission"),
        (404, "not_found"),
        (408, "timeout"),
        (409, "conflict"),
        (413, "invalid_request"),
        (422, "invalid_request"),
        (429, "rate_limit"),
        (500, "server"),
        (502, "server"),
        (503, "overloaded"),
        (504, "server"),
        (529, "overloaded"),
    ],
)
async def test_kind_by_status(status, kind):
    error = await failure(refusal(status))
    assert (error.kind, error.status, error.provider) == (kind, status, "openai")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (429, "insufficient_quota", "permission"),
        (429, "billing_hard_limit_reached", "permission"),
        (400, "context_length_exceeded", "context_length"),
        (400, "content_policy_violation", "refused"),
        (400, "content_filter", "refused"),
        (400, "invalid_api_key", "authentication"),
        (429, "rate_limit_exceeded", "rate_limit"),
    ],
)
async def test_kind_by_code(status, code, kind):
    error = await failure(refusal(status, code=code))
    assert (error.kind, error.status) == (kind, status)


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "This model's maximum context length is 4096 tokens. However, you requested 9000.", "context_length"),
        (400, "The input token count (1200000) exceeds the maximum number of tokens allowed.", "context_length"),
        (400, "Range of input length should be [1, 30720]", "context_length"),
        (500, "the request exceeds the available context size, try increasing it", "context_length"),
        (400, "Content Exists Risk", "refused"),
        (400, "Invalid prompt: flagged as potentially violating our usage policy", "refused"),
        (403, "Your account violated our usage policies", "permission"),
        (400, "max_tokens is too large: 99999", "invalid_request"),
    ],
)
async def test_kind_by_what_servers_without_codes_say(status, message, kind):
    error = await failure(refusal(status, message))
    assert error.kind == kind


async def test_gemini_answers_a_wrong_key_with_400():
    reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    body = [
        {"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT", "details": [reason]}}
    ]
    error = await failure(Answer.json(body, 400), provider="gemini")
    assert (error.kind, "API key not valid." in str(error)) == ("authentication", True)


async def test_server_error_that_says_not_to_retry_keeps_its_kind():
    error = await failure(refusal(500, headers={"x_should_retry": "false"}))
    assert error.kind == "server"


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_nothing_is_asked_twice(status):
    async with serving(refusal(status)) as (server, adapter):
        with pytest.raises(ModelError):
            await adapter.generate(request(), print)
    assert len(server.asked) == 1


# --- how long to wait -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after_ms": "1500"}, 1.5),
        ({"retry_after_ms": "1500", "retry_after": "9"}, 1.5),
        ({"retry_after": "soon"}, None),
        ({}, None),
    ],
)
async def test_retry_after(headers, seconds):
    error = await failure(refusal(429, headers=headers))
    assert error.retry_after == seconds


async def test_retry_after_as_a_date():
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    error = await failure(refusal(503, headers={"retry_after": then}))
    assert error.retry_after == pytest.approx(60, abs=5)


# --- what is said ---------------------------------------------------------------------------------------------------------


async def test_message_is_the_providers_with_what_to_do():
    error = await failure(refusal(404, "The model `gpt-9` does not exist"))
    assert str(error) == (
        "Provider openai (404): The model `gpt-9` does not exist. Check the name of the model and the address of the provider."
    )


async def test_details():
    error = await failure(
        refusal(429, code="rate_limit_exceeded", headers={"x_request_id": "req_1", "retry_after": "3"})
    )
    assert error.details == {
        "kind": "rate_limit",
        "provider": "openai",
        "status": 429,
        "retry_after": 3.0,
        "provider_code": "rate_limit_exceeded",
        "request_id": "req_1",
    }


async def test_long_message_is_shortened():
    error = await failure(refusal(400, "x" * 100_000))
    assert ("x" * 499 + "…" in str(error), len(str(error)) < 700) == (True, True)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": "model not found"}, "model not found"),
        ({"message": "no such model"}, "no such model"),
        ({"detail": "Not allowed"}, "Not allowed"),
        ({"detail": [{"loc": ["body", "top_k"], "msg": "Extra inputs are not permitted"}]}, "body.top_k: Extra inputs"),
        ({"message": {"detail": [{"loc": ["body", "x"], "msg": "Forbidden"}]}}, "body.x: Forbidden"),
        ({}, "no message"),
        ([], "no message"),
        (None, "no message"),
        (5, "no message"),
    ],
)
async def test_shapes_of_error_bodies(body, said):
    error = await failure(Answer.json(body, 422))
    assert said in str(error)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"upstream gone", "upstream gone"),
        (b"<html><body>Bad gateway", "a web page"),
        (b"", "no message"),
        (b"\xff\xfe", ""),
    ],
)
async def test_error_bodies_that_are_no_json(body, said):
    error = await failure(Answer(502, {}, [body] if body else []))
    assert (error.kind, said in str(error)) == ("server", True)


async def test_deep_error_body():
    deep = b'{"error":' * 800 + b"1" + b"}" * 800
    error = await failure(Answer(500, {"content-type": "application/json"}, [deep]))
    assert error.kind == "server"


# --- secrets --------------------------------------------------------------------------------------------------------------


async def test_echoed_key_is_removed():
    message = f"Incorrect API key provided: {KEY}. You can find your API key at https://platform.openai.com."
    error = await failure(refusal(401, message, code="invalid_api_key"))
    assert (error.kind, KEY in str(error) + str(error.details)) == ("authentication", False)
    assert "Incorrect API key provided: ***" in str(error)


async def test_masked_key_is_removed():
    error = await failure(refusal(401, "Incorrect API key provided: sk-proj-********7890."))
    assert "7890" not in str(error)


async def test_key_of_no_known_form_is_removed():
    error = await failure(refusal(401, "Who is my-own-secret-key?"), key="my-own-secret-key")
    assert "secret" not in str(error)


async def test_short_key_is_removed_but_not_out_of_words():
    error = await failure(refusal(401, "Wrong key: test. The latest was another."), key="test")
    assert "Wrong key: ***. The latest was another." in str(error)


async def test_key_is_not_in_the_traceback():
    error = await failure(refusal(401, f"Incorrect API key provided: {KEY}."))
    assert KEY not in "".join(traceback.format_exception(error))


async def test_no_exception_of_the_sdk_comes_along():
    error = await failure(refusal(401))
    assert (error.__cause__, error.__context__) == (None, None)


@pytest.mark.parametrize(
    ("said", "secret"),
    [
        ("see https://user:hunter2@proxy.test/v1", "hunter2"),
        ("sent Authorization: Bearer abcdef123456", "abcdef123456"),
        ("sent {'authorization': 'Basic YWJjZGVm'}", "YWJjZGVm"),
        ("bad bearer abcdef123456", "abcdef123456"),
        ("GET /models?key=AIzaSyAbCdEf&x=1", "AIzaSyAbCdEf"),
        ("token hf_abcdefghijklmnop is not known", "hf_abcdefghijklmnop"),
        ("Your api key: ****wxyz is invalid", "wxyz"),
    ],
)
async def test_other_secrets_are_removed(said, secret):
    error = await failure(refusal(403, said))
    assert (secret in str(error), "***" in str(error)) == (False, True)


async def test_innocent_words_are_left():
    said = "A basic task-force may risk-taking; the bearer of this key is well known."
    error = await failure(refusal(400, said))
    assert said in str(error)


# --- streams that break ---------------------------------------------------------------------------------------------------

NOTHING = Answer(200, {"content-type": "text/event-stream"}, [])


@pytest.mark.parametrize(
    "broken",
    [
        chat(*text("Hello")[:-1]),
        chat(*text("Hello")[:-1], done=False),
        chat(*text("Hello")[:-1], done=False, hang_up=True),
        chat(*text("Hello"), done=False, hang_up=True),
        chat(chunk({"content": "Hel"}), b"data: {nonsense\n\n"),
        chat(chunk({"content": "Hel"}), b"data: \xff\xfe\n\n"),
        chat(b"data: 5\n\n"),
        chat(b"data: null\n\n"),
        chat(b"data: " + b"[" * 100_000 + b"\n\n"),
        chat(chunk({"tool_calls": ["x"]})),
        chat(chunk(usage={"prompt_tokens": 1})),
        chat(),
        NOTHING,
    ],
    ids=[
        "no finish_reason",
        "no end",
        "is cut",
        "is cut after finish_reason",
        "no JSON",
        "no UTF-8",
        "no object",
        "null",
        "too deep",
        "no call",
        "no choices",
        "only DONE",
        "is empty",
    ],
)
async def test_broken_stream_is_malformed(broken):
    error = await failure(broken)
    assert (error.kind, error.is_retryable) == ("malformed", True)


@pytest.mark.parametrize(
    "strange",
    [
        {"choices": 5},
        {"choices": [5]},
        {"choices": [{"index": 0, "delta": 5}]},
        {"choices": [{"index": 0, "delta": {"content": 5}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": 5}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": 5}]}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"name": 5}}]}}]},
        {"choices": [], "usage": 5},
        {"choices": [], "usage": {"prompt_tokens": "many", "prompt_tokens_details": 5}},
    ],
    ids=str,
)
async def test_strange_chunk_is_malformed_or_passed_over(strange):
    error = await failure(chat({**chunk(), **strange}))
    assert error.kind == "malformed"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"code": 502, "message": "Upstream failed"}, "server"),
        ({"code": "429", "message": "Slow down"}, "rate_limit"),
        ({"type": "server_error", "message": "The server had an error"}, "server"),
        ({"type": "invalid_request_error", "message": "Not so"}, "invalid_request"),
        ({"code": "context_length_exceeded", "message": "Too long"}, "context_length"),
        ({"code": "content_filter", "message": "No"}, "refused"),
        ({"message": "Something"}, "server"),
        ("Something", "server"),
    ],
)
async def test_error_in_the_stream(body, kind):
    error = await failure(chat(chunk({"content": "Hel"}), {"error": body}))
    assert error.kind == kind


async def test_echoed_key_in_the_stream_is_removed():
    error = await failure(chat({"error": {"message": f"key {KEY}", "code": "invalid_api_key"}}))
    assert (error.kind, KEY in str(error)) == ("authentication", False)


async def test_answer_that_is_no_stream_says_what_it_is():
    error = await failure(Answer(200, {"content-type": "text/html"}, [b"<html>Welcome</html>"]))
    assert (error.kind, "text/html" in str(error)) == ("malformed", True)


async def test_arguments_cut_off_are_malformed():
    error = await failure(chat(tool(0, '{"ci', id="a", name="weather"), done=False, hang_up=True))
    assert error.kind == "malformed"


# --- connections ----------------------------------------------------------------------------------------------------------


async def test_connection_that_is_closed_without_an_answer():
    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    server = await asyncio.start_server(close, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    adapter = openai.adapter(AdapterSettings("openai", f"http://127.0.0.1:{port}/v1", KEY))
    with pytest.raises(ModelError) as raised:
        await adapter.generate(request(), print)
    await adapter.close()
    server.close()
    assert raised.value.kind == "connection"


async def test_nobody_listens():
    unused = await asyncio.start_server(print, "127.0.0.1", 0)
    port = unused.sockets[0].getsockname()[1]
    unused.close()
    adapter = openai.adapter(AdapterSettings("openai", f"http://user:hunter2@127.0.0.1:{port}/v1", KEY))
    with pytest.raises(ModelError, match=f"cannot be reached at 127.0.0.1:{port}") as raised:
        await adapter.generate(request(), print)
    await adapter.close()
    assert (raised.value.kind, "hunter2" in str(raised.value)) == ("connection", False)


async def test_silence_is_a_timeout(monkeypatch):
    monkeypatch.setattr(openai, "_TIMEOUT", sdk.Timeout(0.2))
    never = asyncio.Event()
    error = await failure(Answer(200, {"content-type": "text/event-stream"}, [never]))
    assert (error.kind, error.is_retryable) == ("timeout", True)


async def test_silence_before_the_answer_is_a_timeout(monkeypatch):
    monkeypatch.setattr(openai, "_TIMEOUT", sdk.Timeout(0.2))
    never = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await never.wait()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    adapter = openai.adapter(AdapterSettings("openai", f"http://127.0.0.1:{port}/v1", KEY))
    with pytest.raises(ModelError) as raised:
        await adapter.generate(request(), print)
    await adapter.close()
    never.set()
    server.close()
    assert raised.value.kind == "timeout"


async def test_next_call_after_a_cut_stream_works():
    broken = chat(*text("Hel")[:-1], done=False, hang_up=True)
    async with serving(broken, chat(*text("Hello"))) as (_, adapter):
        with pytest.raises(ModelError):
            await adapter.generate(request(), lambda piece: None)
        reply = await adapter.generate(request(), lambda piece: None)
    assert reply.text == "Hello"
