"""Envelopes, request ids, and how a body is read: content type, size, syntax (sections 1.3 to 1.6)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import httpx
import pytest
from facade_probe import JSON, error_of, post

# --- envelopes and request ids ------------------------------------------------------------------------------


def test_success_envelope(api: httpx.Client) -> None:
    response = api.get("/probe/page", headers={"x-request-id": "req-1"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {
        "meta": {"status": "ok", "api_version": "v1"},
        "request_id": "req-1",
        "data": 50,
    }


def test_error_envelope_has_request_id_code_and_details(api: httpx.Client) -> None:
    """Case 4."""
    response = api.post("/v1/jobs/run", json={"thread_id": ""}, headers={"x-request-id": "req-123"})
    assert response.status_code == 400
    assert response.json() == {
        "request_id": "req-123",
        "error": {"code": "invalid_argument", "message": "thread_id must not be empty", "details": None},
    }


@pytest.mark.parametrize("header", ["a", "A-z_0.9:x", "x" * 128])
def test_well_formed_request_id_is_kept(api: httpx.Client, header: str) -> None:
    assert api.get("/probe/page", headers={"x-request-id": header}).json()["request_id"] == header


@pytest.mark.parametrize("header", ["", "req injected value", "x" * 129, "a/b", "é"])
def test_malformed_request_id_is_replaced(api: httpx.Client, header: str) -> None:
    id = api.get("/probe/page", headers=[(b"x-request-id", header.encode())]).json()["request_id"]
    assert str(uuid.UUID(id, version=4)) == id


def test_first_request_id_counts(api: httpx.Client) -> None:
    response = api.get("/probe/page", headers=[("x-request-id", "first"), ("x-request-id", "second")])
    assert response.json()["request_id"] == "first"


def test_request_id_is_never_a_response_header(api: httpx.Client) -> None:
    assert "x-request-id" not in api.get("/probe/page", headers={"x-request-id": "req-1"}).headers


def test_unexpected_failure_is_an_envelope_without_the_cause(api: httpx.Client) -> None:
    response = api.get("/probe/crash", headers={"x-request-id": "req-1"})
    assert response.status_code == 500
    assert error_of(response)["code"] == "internal"
    assert "secret" not in response.text
    assert response.json()["request_id"] == "req-1"


def test_not_a_number_is_written_as_null(api: httpx.Client) -> None:
    assert api.get("/probe/odd").json()["data"] == {"nan": None, "text": "é\u2028"}


# --- content type, size, syntax -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "text/json", "application/x-json", "application/jsonx", "json"]
)
def test_other_content_types_are_415(api: httpx.Client, content_type: str | None) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    response = api.post("/v1/jobs/run", content=b'{"thread_id": ""}', headers=headers)
    assert response.status_code == 415
    assert error_of(response) == {
        "code": "invalid_argument",
        "message": "Expected request with `Content-Type: application/json`",
        "details": None,
    }


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/vnd.oris+json"],
)
def test_json_content_types_are_accepted(api: httpx.Client, content_type: str) -> None:
    response = api.post("/probe/resume", content=b'{"value": 1}', headers={"content-type": content_type})
    assert response.json()["data"] == {"value": 1, "checkpoint_id": None, "wait_ms": None}


@pytest.mark.parametrize(
    "body",
    [
        "",
        "   ",
        "{",
        "{thread_id: 1}",
        '{"thread_id": "a",}',
        "{'thread_id': 'a'}",
        '{"thread_id": "a"} junk',
        '{"thread_id": NaN}',
        '{"thread_id": Infinity}',
        '{"thread_id": -Infinity}',
        '{"thread_id": 1e999}',
        '{"thread_id": ' + "9" * 400 + "}",
        '{"thread_id": 01}',
        '{"thread_id": "\t"}',
        '{"thread_id": "\\ud800"}',
        '{"thread_id": "a", "other": ["\\udfff"]}',
        b'{"thread_id": "\xff"}',
        b"\xef\xbb\xbf{}",
        '{"thread_id": "a"}'.encode("utf-16"),
        '{"a": ' + "[" * 128 + "]" * 128 + "}",
        '{"a": ' * 129 + "1" + "}" * 129,
        "[" * 100_000,
    ],
)
def test_broken_json_is_400(api: httpx.Client, body: str | bytes) -> None:
    response = post(api, "/v1/jobs/run", body)
    assert response.status_code == 400
    error = error_of(response)
    assert error["code"] == "invalid_argument"
    assert error["message"].startswith("Failed to parse the request body as JSON: ")


def test_nesting_up_to_128_is_accepted(api: httpx.Client) -> None:
    response = post(api, "/probe/resume", '{"value": ' + "[" * 127 + "]" * 127 + "}")
    assert response.status_code == 200


def test_brackets_inside_strings_are_not_nesting(api: httpx.Client) -> None:
    response = post(api, "/probe/resume", json.dumps({"value": "[{" * 500}))
    assert response.status_code == 200


def test_surrogate_pairs_are_characters(api: httpx.Client) -> None:
    assert post(api, "/probe/resume", '{"value": "\\ud83d\\ude00"}').json()["data"]["value"] == "\U0001f600"


def test_a_body_of_2_mib_is_accepted_and_one_byte_more_is_413(api: httpx.Client) -> None:
    def body(size: int) -> bytes:
        head, tail = b'{"value": "', b'"}'
        return head + b"x" * (size - len(head) - len(tail)) + tail

    assert post(api, "/probe/resume", body(2_097_152)).status_code == 200
    response = post(api, "/probe/resume", body(2_097_153))
    assert response.status_code == 413
    assert error_of(response)["message"] == "Failed to buffer the request body: length limit exceeded"


def test_a_body_of_unknown_length_is_limited_too(api: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 65_536

    assert api.post("/probe/resume", content=chunks(), headers=JSON).status_code == 413


def test_content_type_is_checked_before_the_body(api: httpx.Client) -> None:
    assert api.post("/probe/resume", content=b"x" * 3_000_000).status_code == 415
