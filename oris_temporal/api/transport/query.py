"""Query strings: unsigned numbers without any coercion, and no parameter twice."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any
from urllib.parse import parse_qsl

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from ..errors import ApiError, invalid

_MAX_U64 = 2**64 - 1
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
    if not isinstance(value, str):
        return value  # the default
    if not value:
        raise PydanticCustomError("query", "cannot parse integer from empty string")
    if not _DIGITS.fullmatch(value):
        raise PydanticCustomError("query", "invalid digit found in string")
    digits = value.lstrip("+").lstrip("0")
    if len(digits) > 20 or int(digits or "0") > _MAX_U64:
        raise PydanticCustomError("query", "number too large to fit in target type")
    return int(digits or "0")


Unsigned = Annotated[int, BeforeValidator(_unsigned)]
"""An unsigned 64-bit integer in a query string."""
