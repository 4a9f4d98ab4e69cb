"""Conditions on the state, and the router that decides by them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any

from pydantic import BaseModel

from ..errors import ConditionError
from ..wire import to_wire
from .graph_file import Condition

ELSE = "else"

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "contains": operator.contains,
}


def router_by(conditions: Sequence[Condition], owner: str) -> Callable[[Any], str]:
    """A router that returns the text of the first condition that holds, or ``else``."""
    rules = [(condition, str(condition)) for condition in conditions]

    def when(state: Any) -> str:
        return next((text for condition, text in rules if _holds(condition, state, owner)), ELSE)

    return when


def _holds(condition: Condition, state: Any, owner: str) -> bool:
    """Whether a condition holds.

    Raises:
        ConditionError: The two values cannot be compared.
    """
    found, value = _look_up(state, condition.field), condition.value
    match condition.op:
        case "exists":
            return (found is not None) is value
        case "truthy":
            return bool(found) is value
        case "==":
            return bool(found == value)
        case "!=":
            return bool(found != value)
        case "in":
            return isinstance(value, list) and found in value
    if found is None:
        return False
    try:
        return bool(_COMPARE[condition.op](found, value))
    except TypeError:
        raise ConditionError(
            f"{owner}: the condition {str(condition)!r} cannot be decided, because {condition.field} is a "
            f"{type(found).__name__}. Compare values of the same type."
        ) from None


def _look_up(state: Any, path: str) -> Any:
    """What a dotted path leads to, as JSON data; ``None`` if it leads nowhere."""
    value = state
    for step in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list | tuple):
            value = _item(value, step)
        elif isinstance(value, BaseModel) or is_dataclass(value):
            value = getattr(value, step, None)
        else:
            return None
    return to_wire(value, f"value of {path}")


def _item(items: Sequence[Any], step: str) -> Any:
    try:
        return items[int(step)]
    except (IndexError, ValueError):
        return None
