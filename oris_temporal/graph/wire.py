"""JSON forms: what leaves a process, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import PydanticSerializationError, from_json, to_json, to_jsonable_python

from .errors import SerializationError

PLAIN = frozenset({str, int, float, bool, type(None), bytes})
"""Types whose values have no parts."""


def to_wire(value: Any, what: str, *, may_hold_sets: bool = True, finite: bool = False) -> Any:
    """Turn a value into plain JSON data (dict, list, str, int, float, bool, None), copying all of it.

    Pydantic models, dataclasses, dates, enums, tuples and UUIDs are written the way Pydantic writes them: fields by their names,
    not by aliases. Bytes are base64 (within Pydantic models as these say), sets are sorted, for their own order differs from one
    process to the next, and NaN and the infinities are text, which a field of type ``float`` reads back.

    Args:
        value: The value.
        what: What it is, for the error: ``update of review.research``.
        may_hold_sets: Whether to look for sets in it.
        finite: Whether to refuse NaN and the infinities, for nobody knows their type when they are read.

    Raises:
        SerializationError: Part of the value has no JSON form.
    """
    try:
        wire = to_jsonable_python(value, by_alias=False, bytes_mode="base64")
        text = to_json(wire, inf_nan_mode="strings")  # which text with lone surrogates is not
        if b"NaN" in text or b"Infinity" in text:
            if finite and text != to_json(wire):
                raise SerializationError(f"The {what} has a number that JSON does not have: NaN or an infinity.")
            wire = from_json(text)
        return _sort_sets(value, wire) if may_hold_sets else wire
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise SerializationError(
            f"The {what} cannot be written as JSON: {error}. Return plain data, Pydantic models or dataclasses."
        ) from None


def whole(value: Any) -> Any:
    """JSON data with the halves (surrogates) of characters in its texts put together; one without the other is replaced.

    Models and servers leave them behind, and no JSON text can carry them.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {name: whole(part) for name, part in value.items()}
    return [whole(part) for part in value] if isinstance(value, list | tuple) else value


def wire_json(wire: Any) -> bytes:
    """A wire value as JSON text in UTF-8, the way it is stored."""
    return to_json(wire)


def wire_size(wire: Any) -> int:
    """Size in bytes of a wire value as it is stored."""
    return len(wire_json(wire))


def _sort_sets(value: Any, wire: Any) -> Any:
    """The JSON form of a value, changed in place so that what was a set is sorted."""
    if type(wire) is list:
        if isinstance(value, _SEQUENCES) and len(value) == len(wire):
            for index, (item, written) in enumerate(zip(value, wire, strict=True)):
                if type(written) in _COMPOUND:
                    wire[index] = _sort_sets(item, written)
            if isinstance(value, _SETS):
                wire.sort(key=_order_of(wire))
    elif type(value) is dict:
        if len(value) == len(wire):  # else two keys became the same text
            for item, (name, written) in zip(value.values(), wire.items(), strict=True):
                if type(written) in _COMPOUND:
                    wire[name] = _sort_sets(item, written)
    elif type(wire) is dict:
        for name, written in wire.items():
            if type(written) in _COMPOUND:
                wire[name] = _sort_sets(getattr(value, name, None), written)
    return wire


_COMPOUND = frozenset({list, dict})
_SETS = (set, frozenset)
_SEQUENCES = (list, tuple, *_SETS)


def _order_of(items: list[Any]) -> Any:
    """Sort key under which the order of items depends on nothing else: by value where that is possible, else as JSON."""
    kinds = {type(item) for item in items}
    return None if kinds == {str} or kinds <= {int, float} else to_json
