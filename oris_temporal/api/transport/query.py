"""Query strings: whole numbers without any coercion, and no parameter twice."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any
from urllib.parse import parse_qsl

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from ..errors import ApiError, invalid

_MAX_U64 = 2**64 - 1
_MAX_I64 = 2**63 - 1
_DIGITS = re.compile(r"\+?[0-9]+")


def bad_query(message: str) -> ApiError:
    """400: a query parameter cannot be read."""
    return invalid(f"Failed to deserialize query string: {message}")


def check_query(query_string: bytes, names: Iterable[str]) -> None:
    """Refuse a known parameter that is given twice; unknown ones are ignored.

    Raises:
        ApiError: 400.
    """
    given = [name for name, _ in parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)]
    for name in names:
        if given.count(name) > 1:
            raise bad_query(f"duplicate field `{name}`")


def _unsigned(value: Any) -> Any:
    return _number(value, _MAX_U64) if isinstance(value, str) else value  # else the default


def _signed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return -_number(value[1:], _MAX_I64 + 1) if value[:1] == "-" and value[1:2] != "+" else _number(value, _MAX_I64)


def _number(text: str, most: int) -> int:
    if not text:
        raise PydanticCustomError("query", "cannot parse integer from empty string")
    if not _DIGITS.fullmatch(text):
        raise PydanticCustomError("query", "invalid digit found in string")
    digits = text.lstrip("+").lstrip("0")
    if len(digits) > 20 or int(digits or "0") > most:
        raise PydanticCustomError("query", "number too large to fit in target type")
    return int(digits or "0")


def _flag(value: Any) -> Any:
    if isinstance(value, str) and value not in ("true", "false"):
        raise PydanticCustomError("query", "provided string was not `true` or `false`")
    return value


Flag = Annotated[bool, BeforeValidator(_flag)]
"""``true`` or ``false`` in a query string."""

Unsigned = Annotated[
    int, BeforeValidator(_unsigned), WithJsonSchema({"type": "integer", "minimum": 0, "maximum": _MAX_U64})
]
"""An unsigned 64-bit integer in a query string."""

Signed = Annotated[
    int, BeforeValidator(_signed), WithJsonSchema({"type": "integer", "minimum": -_MAX_I64 - 1, "maximum": _MAX_I64})
]
"""A signed 64-bit integer in a query string."""
