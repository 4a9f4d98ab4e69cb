"""Which values a search finds. Every store decides it here, so that they find the same."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from oris_temporal.graph.errors import StoreError
from oris_temporal.graph.wire import to_wire

Test = Callable[[Any], bool]

_MISSING = object()


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """An ordering that holds between two numbers or two texts, and nothing else."""

    def holds(left: Any, right: Any) -> bool:
        return (_kind(left) == _kind(right)) and _kind(left) in ("number", "text") and compare(left, right)

    return holds


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "other"


def _equal(left: Any, right: Any) -> bool:
    """Equality of JSON values: ``true`` is not 1, at any depth."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(value, right[name]) for name, value in left.items())
    return bool(left == right)


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "$eq": _equal,
    "$ne": lambda left, right: not _equal(left, right),
    "$gt": _ordered(operator.gt),
    "$gte": _ordered(operator.ge),
    "$lt": _ordered(operator.lt),
    "$lte": _ordered(operator.le),
    "$in": lambda left, right: any(_equal(left, item) for item in right),
}


def check_filter(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A filter as JSON data.

    Raises:
        StoreError: It is none.
        SerializationError: A value in it has no JSON form.
    """
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise _invalid(f"filter={given!r} must be an object: field -> value, or field -> {{operator: value}}.")
    wire: dict[str, Any] = to_wire(dict(given), "filter of a store search")
    for field, wanted in wire.items():
        for name, operand in _conditions(wanted):
            if name not in _OPERATORS:
                raise _invalid(
                    f"filter of {field!r}: there is no operator {name!r}; there are {', '.join(_OPERATORS)}."
                )
            if name == "$in" and not isinstance(operand, list):
                raise _invalid(f"filter of {field!r}: $in takes a list, not {operand!r}.")
    return wire


def matcher(query: str | None, filter: Mapping[str, Any] | None) -> Test | None:
    """Tells whether a value is searched for; ``None`` if any is."""
    words = (query or "").casefold().split()
    conditions = [
        (field, _OPERATORS[name], operand)
        for field, wanted in (filter or {}).items()
        for name, operand in _conditions(wanted)
    ]
    if not words and not conditions:
        return None

    def matches(value: Any) -> bool:
        fields = value if isinstance(value, dict) else {}
        if not all(holds(fields.get(field, _MISSING), operand) for field, holds, operand in conditions):
            return False
        if not words:
            return True
        text = "\n".join(_texts(value)).casefold()
        return all(word in text for word in words)

    return matches


def _conditions(wanted: Any) -> list[tuple[str, Any]]:
    """Operators and operands of what a filter says about one field."""
    if isinstance(wanted, dict) and wanted and all(name.startswith("$") for name in wanted):
        return list(wanted.items())
    return [("$eq", wanted)]


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value, and every number as text; names of fields are none."""
    if isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value
    elif _kind(value) == "number":
        yield str(value)


def _invalid(message: str) -> StoreError:
    return StoreError(message, kind="invalid_input")
