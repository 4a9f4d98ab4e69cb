"""JSON forms: what leaves a process, and what comes back."""

from __future__ import annotations

from typing import Any

from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

from .errors import SerializationError


def to_wire(value: Any, what: str) -> Any:
    """Turn a value into plain JSON data (dict, list, str, int, float, bool, None), copying all of it.

    Pydantic models, dataclasses, dates, enums, sets, tuples and UUIDs are written the way Pydantic writes them.

    Args:
        value: The value.
        what: What it is, for the error: ``update of review.research``.

    Raises:
        SerializationError: Part of the value has no JSON form.
    """
    try:
        wire = to_jsonable_python(value)
        to_json(wire)  # which text with lone surrogates is not
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise SerializationError(
            f"The {what} cannot be written as JSON: {error}. Return plain data, Pydantic models or dataclasses."
        ) from None
    return wire


def wire_size(wire: Any) -> int:
    """Size in bytes of a wire value as Temporal's JSON converter stores it: it escapes all that is not ASCII."""
    return len(to_json(wire, ensure_ascii=True))
