"""Shape and types of bodies and query strings (sections 1.6 and 1.9)."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from facade_probe import JSON, error_of, post

# --- shape and types ----------------------------------------------------------------------------------------

PREFIX = "Failed to deserialize the JSON body into the target type: "


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({}, "missing field `thread_id`"),
        ([], "invalid type: an array, expected an object"),
        (["t1", "hello"], "invalid type: an array, expected an object"),
        (None, "invalid type: null, expected an object"),
        ("t1", 'invalid type: string "t1", expected an object'),
        ({"thread_id": 5}, "thread_id: invalid type: integer `5`, expected a string"),
        ({"thread_id": None}, "thread_id: invalid type: null, expected a string"),
        ({"thread_id": True}, "thread_id: invalid type: boolean `true`, expected a string"),
        ({"thread_id": {}}, "thread_id: invalid type: an object, expected a string"),
        ({"thread_id": "t", "input": 5}, "input: invalid type: integer `5`, expected a string or an object"),
        ({"thread_id": "t", "input": ["a"]}, "input: invalid type: an array, expected a string or an object"),
        ({"thread_id": "t", "priority": "5"}, 'priority: invalid type: string "5", expected an integer'),
        (
            {"thread_id": "t", "priority": 5.0},
            "priority: invalid type: floating point `5.0`, expected an integer",
        ),
        ({"thread_id": "t", "priority": True}, "priority: invalid type: boolean `true`, expected an integer"),
        (
            {"thread_id": "t", "priority": 2**31},
            "priority: invalid value: integer `2147483648`, input should be less than or equal to 2147483647",
        ),
        (
            {"thread_id": "t", "priority": -(2**31) - 1},
            "priority: invalid value: integer `-2147483649`, input should be greater than or equal to -2147483648",
        ),
        (
            {"thread_id": "t", "timeout_policy": []},
            "timeout_policy: invalid type: an array, expected an object",
        ),
        ({"thread_id": "t", "timeout_policy": {}}, "timeout_policy: missing field `timeout_ms`"),
        (
            {"thread_id": "t", "timeout_policy": {"timeout_ms": 1}},
            "timeout_policy: missing field `on_timeout_status`",
        ),
        (
            {"thread_id": "t", "timeout_policy": {"timeout_ms": "1", "on_timeout_status": "failed"}},
            'timeout_policy.timeout_ms: invalid type: string "1", expected an integer',
        ),
        (
            {"thread_id": "t", "timeout_policy": {"timeout_ms": 2**63, "on_timeout_status": "failed"}},
            "timeout_policy.timeout_ms: invalid value: integer `9223372036854775808`, "
            "input should be less than or equal to 9223372036854775807",
        ),
        ({"thread_id": "t", "tenant_id": 7}, "tenant_id: invalid type: integer `7`, expected a string"),
        (
            {"thread_id": "t", "idempotency_key": 7},
            "idempotency_key: invalid type: integer `7`, expected a string",
        ),
    ],
)
def test_wrong_shape_is_422(api: httpx.Client, body: Any, problem: str) -> None:
    response = post(api, "/v1/jobs/run", json.dumps(body))
    assert response.status_code == 422
    assert error_of(response) == {"code": "invalid_argument", "message": PREFIX + problem, "details": None}


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ('{"thread_id": "a", "thread_id": "b"}', "thread_id"),
        ('{"thread_id": "a", "timeout_policy": {"timeout_ms": 1, "timeout_ms": 2}}', "timeout_ms"),
    ],
)
def test_repeated_keys_are_422(api: httpx.Client, body: str, name: str) -> None:
    response = post(api, "/v1/jobs/run", body)
    assert response.status_code == 422
    assert error_of(response)["message"] == f"{PREFIX}duplicate field `{name}`"


def test_unknown_fields_are_ignored_and_null_means_absent(api: httpx.Client) -> None:
    """Case 132."""
    names = ("input", "graph", "idempotency_key", "timeout_policy", "priority", "tenant_id", "on_conflict", "wait_ms")
    optional = dict.fromkeys(names)
    response = api.post("/probe/run", json={"thread_id": " a ", "unknown": 1, **optional})
    assert response.json()["data"] == {"thread_id": " a ", **optional}
    nested = {"timeout_ms": 1, "on_timeout_status": "failed"}
    response = api.post("/probe/run", json={"thread_id": "a", "timeout_policy": {**nested, "unknown": {}}})
    assert response.json()["data"]["timeout_policy"] == nested


def test_value_must_be_present_and_may_be_null(api: httpx.Client) -> None:
    """Case 132."""
    assert api.post("/probe/resume", json={"value": None}).json()["data"]["value"] is None
    response = api.post("/v1/jobs/t1/resume", json={})
    assert response.status_code == 422
    assert error_of(response)["message"] == f"{PREFIX}missing field `value`"
    assert api.post("/v1/interrupts/int-t1-0/resume", json={}).status_code == 422


def test_any_json_is_a_value_and_keeps_its_type(api: httpx.Client) -> None:
    value = {"int": 1, "float": 1.0, "big": 2**70, "text": "5", "list": [True, None, {"a": []}]}
    assert post(api, "/probe/resume", json.dumps({"value": value})).text.endswith(
        '"data":{"value":{"int":1,"float":1.0,"big":1180591620717411303424,"text":"5","list":[true,null,{"a":[]}]},'
        '"checkpoint_id":null,"wait_ms":null}}'
    )


@pytest.mark.parametrize("body", [None, b"", b"{}", b'{"reason": null}', b'{"reason": "stop"}'])
def test_optional_body(api: httpx.Client, body: bytes | None) -> None:
    headers = JSON if body else {}
    response = api.post("/probe/optional", content=body, headers=headers)
    assert response.status_code == 200
    assert (response.json()["data"] or {}).get("reason") == (json.loads(body).get("reason") if body else None)


def test_optional_body_is_checked_when_there_is_one(api: httpx.Client) -> None:
    assert api.post("/probe/optional", content=b"{}", headers={"content-type": "text/plain"}).status_code == 415
    assert post(api, "/probe/optional", "null").status_code == 422
    assert post(api, "/probe/optional", "[]").status_code == 422
    assert post(api, "/probe/optional", "{").status_code == 400


def test_reject_needs_a_body(api: httpx.Client) -> None:
    assert api.post("/v1/interrupts/int-t1-0/reject").status_code == 415
    assert post(api, "/v1/interrupts/int-t1-0/reject", "").status_code == 400


# --- query strings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("query", "limit"), [("", 50), ("limit=0", 0), ("limit=%2B7", 7), ("limit=007&x=1&x=2", 7)])
def test_query_numbers(api: httpx.Client, query: str, limit: int) -> None:
    assert api.get(f"/probe/page?{query}").json()["data"] == limit


def test_query_numbers_are_unsigned_64_bit(api: httpx.Client) -> None:
    assert api.get("/probe/page?limit=18446744073709551615").json()["data"] == 18446744073709551615


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("limit=abc", "invalid digit found in string"),
        ("limit=-1", "invalid digit found in string"),
        ("limit=+1", "invalid digit found in string"),
        ("limit=1.0", "invalid digit found in string"),
        ("limit=", "cannot parse integer from empty string"),
        ("offset=", "cannot parse integer from empty string"),
        ("limit=18446744073709551616", "number too large to fit in target type"),
        ("limit=1&limit=1", "duplicate field `limit`"),
        ("status=a&status=b", "duplicate field `status`"),
    ],
)
def test_bad_query_is_400(api: httpx.Client, query: str, problem: str) -> None:
    response = api.get(f"/v1/jobs?{query}")
    assert response.status_code == 400
    assert error_of(response) == {
        "code": "invalid_argument",
        "message": f"Failed to deserialize query string: {problem}",
        "details": None,
    }
