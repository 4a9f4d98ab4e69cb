"""Types that answers must fit, written down so that any process finds them again: the one that asks and the one that checks."""

from __future__ import annotations

import dataclasses
import importlib
import types
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUndefinedAnnotation, PydanticUserError
from pydantic.fields import FieldInfo
from pydantic_core import to_json

from .errors import GraphError, InvalidAnswerError

if TYPE_CHECKING:
    from oris_temporal.tools import Tool

_CONSTRAINTS = frozenset({"annotated_types", "pydantic.types"})
"""Modules whose dataclasses may stand in ``Annotated``."""


def answer_type(schema: Any) -> Any:
    """JSON form of a type.

    ``module:name`` for what has a name, else a list of what it is made from: ``["builtins:list", "builtins:int"]``.

    Raises:
        GraphError: Pydantic cannot validate it, or part of it cannot be found by name.
    """
    try:
        TypeAdapter(schema)
    except (PydanticUserError, PydanticUndefinedAnnotation, TypeError) as error:
        raise GraphError(
            f"interrupt(schema={_shown(schema)}): answers cannot be checked against it ({str(error).splitlines()[0]}). "
            "Use plain types, dataclasses, TypedDicts or Pydantic models."
        ) from None
    return _write(schema, schema)


def answer_schema(wire: Any) -> dict[str, Any] | None:
    """JSON schema of the type that `answer_type` wrote, if it has one."""
    try:
        return TypeAdapter(_read(wire)).json_schema()
    except PydanticInvalidForJsonSchema:
        return None


def check_answer(
    wire: Any, value: Any, interrupt: str, asked: Any = None, tools: Mapping[str, Tool] | None = None
) -> Any:
    """An answer as a value of its declared type.

    Args:
        wire: What `answer_type` wrote.
        value: The answer, JSON data.
        interrupt: Which interrupt it answers, for the error.
        asked: What was asked, JSON data; Pydantic validators of the type find it in ``info.context["asked"]``.
        tools: Tools of the graph that asks, by name, as far as they are known; likewise in ``info.context["tools"]``.

    Raises:
        InvalidAnswerError: It does not fit.
        GraphError: The type cannot be found in this process.
    """
    declared = _read(wire)
    try:
        return TypeAdapter(declared).validate_json(
            to_json(value), by_alias=True, by_name=True, context={"asked": asked, "tools": tools or {}}
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "answer"
        told = first["msg"].removeprefix("Value error, ")
        raise InvalidAnswerError(
            f"The answer to interrupt {interrupt!r} does not fit {_shown(declared)}: {place}: {told}.",
            interrupt_id=interrupt,
        ) from None


# --- names ---------------------------------------------------------------------------------------------------------


def _write(part: Any, whole: Any) -> Any:
    if part is None or part is type(None):
        return None
    generic = getattr(part, "__pydantic_generic_metadata__", None) or {"origin": None}
    origin, args = generic["origin"] or typing.get_origin(part), generic.get("args") or typing.get_args(part)
    if origin is Literal:
        if all(item is None or type(item) in (str, int, bool) for item in args):
            return ["Literal", *args]
    elif origin is Annotated:
        return [
            "Annotated",
            _write(part.__origin__, whole),
            *(_write_constraint(item, whole) for item in _constraints(part)),
        ]
    elif origin in (Union, types.UnionType):
        return ["Union", *(_write(item, whole) for item in args)]
    elif origin is not None and not any(isinstance(item, list) for item in args):
        return [_write(origin, whole), *(["..."] if item is ... else _write(item, whole) for item in args)]
    else:
        name = f"{getattr(part, '__module__', '')}:{getattr(part, '__qualname__', getattr(part, '__name__', ''))}"
        if _find(name) is part:
            return name
    raise GraphError(
        f"interrupt(schema={_shown(whole)}): {_shown(part)} cannot be found by name, and whoever checks the answer must find it. "
        "Define it at the top level of a module."
    )


def _constraints(annotated: Any) -> list[Any]:
    """Metadata of ``Annotated``, with what a ``Field()`` stands for in its place."""
    return [
        item
        for given in annotated.__metadata__
        for item in (given.metadata if isinstance(given, FieldInfo) else [given])
        if item is not None
    ]


def _write_constraint(item: Any, whole: Any) -> Any:
    cls = type(item)
    if dataclasses.is_dataclass(cls) and cls.__module__ in _CONSTRAINTS:
        values = {part.name: getattr(item, part.name) for part in dataclasses.fields(cls)}
        if all(value is None or type(value) in (str, int, float, bool) for value in values.values()):
            return [f"{cls.__module__}:{cls.__name__}", values]
    raise GraphError(
        f"interrupt(schema={_shown(whole)}): {_shown(item)} cannot be found by name, and whoever checks the answer must find it. "
        "Use a class at the top level of a module, or give the type a name there with TypeAliasType."
    )


def _read(wire: Any) -> Any:
    if wire is None:
        return None
    if isinstance(wire, str):
        found = _find(wire)
        if found is None:
            raise GraphError(
                f"The type {wire!r}, which an answer must fit, cannot be found in this process. "
                "The module that defines it must be importable wherever the graph's workflows run."
            )
        return found
    head, *args = wire
    if head == "Literal":
        return Literal[tuple(args)]
    if head == "Annotated":
        constraints = (_find(name)(**values) for name, values in args[1:])
        return Annotated[(_read(args[0]), *constraints)]
    if head == "Union":
        return Union[tuple(map(_read, args))]  # noqa: UP007 - of as many as there are
    return _read(head)[tuple(... if item == ["..."] else _read(item) for item in args)]


def _find(name: str) -> Any:
    """What a ``module:name`` names, or ``None``."""
    module, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError):
        return None
    return found


def _shown(part: Any) -> str:
    return part.__qualname__ if isinstance(part, type) and not typing.get_args(part) else str(part)
