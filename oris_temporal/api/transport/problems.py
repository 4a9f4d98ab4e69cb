"""What is wrong with a request's shape, in words, and its status: 422 for the body, 400 for the query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError

from ..errors import ApiError
from .query import bad_query

_EXPECTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "bool_type": "a boolean",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "list_type": "an array",
}


def wrong_shape(document: Any) -> ApiError:
    """The body is JSON, but not an object."""
    return _bad_body(f"invalid type: {_describe(document)}, expected an object")


def explain_validation(error: RequestValidationError) -> ApiError:
    """The answer for a query or body that does not fit its model; the first problem is reported."""
    problems = error.errors()
    first = problems[0]
    if first["loc"][0] == "query":
        return bad_query(first["msg"])
    path = _path_in(error.body, first["loc"][1:])
    if first["type"] == "missing":
        *parents, name = path
        return _bad_body(_at(parents, f"missing field `{name}`"))
    same_place = [problem for problem in problems if _path_in(error.body, problem["loc"][1:]) == path]
    expected = [_EXPECTED[problem["type"]] for problem in same_place if problem["type"] in _EXPECTED]
    if expected:
        return _bad_body(_at(path, f"invalid type: {_describe(first['input'])}, expected {' or '.join(expected)}"))
    return _bad_body(_at(path, f"invalid value: {_describe(first['input'])}, {_lower(first['msg'])}"))


def _path_in(document: Any, location: Sequence[int | str]) -> list[str]:
    """The part of a location that the document itself has; the rest names branches of a union."""
    path: list[str] = []
    for part in location:
        known = part in document if isinstance(document, dict) else False
        if not known and path and not isinstance(document, dict):
            break
        path.append(str(part))
        if not known:
            break
        document = document[part]
    return path


def _describe(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return f"boolean `{str(value).lower()}`"
        case int():
            return f"integer `{str(value)[:40]}`"
        case float():
            return f"floating point `{value}`"
        case str():
            shown = value if len(value) <= 80 else value[:80] + "..."
            return f'string "{shown}"'
        case list():
            return "an array"
        case _:
            return "an object"


def _at(path: Sequence[str], problem: str) -> str:
    return f"{'.'.join(path)}: {problem}" if path else problem


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


def _bad_body(message: str) -> ApiError:
    return ApiError(422, f"Failed to deserialize the JSON body into the target type: {message}")
