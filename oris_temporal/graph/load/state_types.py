"""Types and reducers of state fields, as graph files name them."""

from __future__ import annotations

import ast
import operator
import types
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator

from ..messages import Message, append_messages
from ..state import Reducer

TYPES: dict[str, Any] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "list": list[Any],
    "dict": dict[str, Any],
    "messages": list[Message],
    "any": Any,
}


def read_type(text: str) -> Any:
    """The type that a text names.

    Raises:
        ValueError: It names none.
    """
    try:
        return _type_of(ast.parse(text, mode="eval").body)
    except (LookupError, SyntaxError, TypeError):
        raise ValueError(
            f"{text!r} is not a type. Write {', '.join(TYPES)}, list[...], dict[str, ...] or ... | None"
        ) from None


def _type_of(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=None):
            return None
        case ast.Name(id=name):
            return TYPES[name]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _type_of(left) | _type_of(right)
        case ast.Subscript(value=ast.Name(id="list"), slice=item):
            return types.GenericAlias(list, (_type_of(item),))
        case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[ast.Name(id="str"), item])):
            return types.GenericAlias(dict, (str, _type_of(item)))
    raise LookupError


def _append(hint: Any) -> Reducer:
    def append(current: list[Any], update: list[Any]) -> list[Any]:
        return [*current, *update]

    as_list = BeforeValidator(lambda update: update if isinstance(update, list) else [update])
    append.__annotations__["update"] = Annotated[hint, as_list]
    return append


def _merge(hint: Any) -> Reducer:
    def merge(current: dict[str, Any], update: dict[str, Any]) -> dict[str, Any]:
        return {**current, **update}

    merge.__annotations__["update"] = hint
    return merge


REDUCERS: dict[str, tuple[tuple[Any, ...], Callable[[Any], Reducer | None]]] = {
    "last": ((), lambda hint: None),
    "add": ((int, float, str, list), lambda hint: operator.add),
    "append": ((list,), _append),
    "merge": ((dict,), _merge),
    "messages": ((list[Message],), lambda hint: append_messages),
}
"""Name -> the types that it is for (none: all), and what makes it for a type."""
