"""Reading a JSON body strictly: content type, size, syntax, in this order."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any, NoReturn

from starlette.requests import Request

from ..errors import ApiError

MAX_BODY_BYTES = 2 * 1024 * 1024
MAX_DEPTH = 128

_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_SURE_DIGITS = 308  # an integer this short fits a double


class Absent:
    """An optional body that was left out."""


class _NumberOutOfRangeError(ValueError):
    pass


async def read_json(request: Request, *, required: bool) -> Any:
    """Read the request's body as JSON.

    Args:
        request: The request; its body has not been read yet.
        required: Whether there must be a body.

    Returns:
        Plain JSON data, or `Absent` for an optional body that is missing or empty.

    Raises:
        ApiError: 415 for another content type, 413 for more than 2 MiB, else as `parse_json`.
    """
    if required and not is_json_type(request.headers.get("content-type")):
        raise _unsupported()
    raw = await _read_bytes(request)
    if not required:
        if not raw:
            return Absent
        if not is_json_type(request.headers.get("content-type")):
            raise _unsupported()
    return parse_json(raw)


def is_json_type(content_type: str | None) -> bool:
    """Whether a content type is ``application/json`` or ``application/*+json``, parameters aside."""
    essence = (content_type or "").partition(";")[0].strip().lower()
    kind, _, subtype = essence.partition("/")
    return kind == "application" and (subtype == "json" or subtype.endswith("+json"))


async def _read_bytes(request: Request) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        raise _too_large()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise _too_large()
    return bytes(body)


def parse_json(raw: bytes) -> Any:
    """Parse JSON text by RFC 8259, without Python's extensions to it.

    Raises:
        ApiError: 400 for broken syntax, ``NaN``, numbers beyond a double, lone surrogates and nesting deeper
            than 128; 422 for a repeated key.
    """
    try:
        text = raw.decode("utf-8")
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_float
        )
    except UnicodeDecodeError as error:
        raise _syntax(f"invalid unicode code point at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise _syntax(_explain(text, error)) from None
    except _NumberOutOfRangeError as error:
        raise _syntax(f"number out of range: {error}") from None
    except RecursionError:
        raise _syntax("recursion limit exceeded") from None
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise _syntax("recursion limit exceeded")
    if _SURROGATE_ESCAPE.search(raw) and not _is_unicode(value):
        raise _syntax("lone surrogate in hex escape")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    parsed = dict(pairs)
    if len(parsed) < len(pairs):
        repeated = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ApiError(422, f"Failed to deserialize the JSON body into the target type: duplicate field `{repeated}`")
    return parsed


def _constant(name: str) -> NoReturn:
    raise json.JSONDecodeError("expected value", name, 0)


def _integer(digits: str) -> int:
    if len(digits) > _SURE_DIGITS and math.isinf(float(digits)):
        raise _NumberOutOfRangeError(f"{digits[:20]}...")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _NumberOutOfRangeError(digits[:30])
    return number


def _deeper_than(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
    return any(isinstance(value, dict | list) for value in level)


def _is_unicode(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _explain(text: str, error: json.JSONDecodeError) -> str:
    if error.doc is not text:  # a constant such as NaN, which the parser reports without its place
        return f"expected value: {error.doc} is not JSON"
    if not text.strip():
        return "EOF while parsing a value at line 1 column 0"
    return f"{error.msg} at line {error.lineno} column {error.colno}"


def _syntax(message: str) -> ApiError:
    return ApiError(400, f"Failed to parse the request body as JSON: {message}")


def _too_large() -> ApiError:
    return ApiError(413, "Failed to buffer the request body: length limit exceeded")


def _unsupported() -> ApiError:
    return ApiError(415, "Expected request with `Content-Type: application/json`")
