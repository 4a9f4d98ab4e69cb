"""From a function's signature and docstring to what a model is told about it, and a check of what the model sends."""

from __future__ import annotations

import inspect
import re
import textwrap
import typing
import warnings
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo

from oris_temporal.graph.errors import GraphCompileError

from .runtime import Runtime

_SECTION = re.compile(
    r"^(Args|Arguments|Parameters|Returns|Yields|Raises|Example|Examples|Note|Notes):\s*$", re.MULTILINE
)
_ARGUMENT = re.compile(r"^ {2,8}\*{0,2}(\w+)(?:\s*\([^)]*\))?:\s*(.*(?:\n {6,}\S.*)*)", re.MULTILINE)


def read_docstring(fn: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """What a function does, and what its parameters mean, by its docstring in Google's style."""
    text = inspect.getdoc(fn) or ""
    sections = list(_SECTION.finditer(text))
    summary = text[: sections[0].start()].strip() if sections else text.strip()
    meanings: dict[str, str] = {}
    for place, section in enumerate(sections):
        if section[1] in ("Args", "Arguments", "Parameters"):
            end = sections[place + 1].start() if place + 1 < len(sections) else len(text)
            for name, meaning in _ARGUMENT.findall(text[section.end() : end]):
                meanings[name] = " ".join(meaning.split())
    return summary, meanings


def arguments_model(
    name: str, fn: Callable[..., Any], meanings: Mapping[str, str]
) -> tuple[type[BaseModel], str | None]:
    """A model of a function's arguments, and the parameter that takes a `Runtime`, if there is one.

    Raises:
        GraphCompileError: A parameter has no type, a type without a JSON schema, or cannot be given by name.
    """
    hints = _hints(name, fn)
    fields: dict[str, Any] = {}
    runtime: str | None = None
    for parameter in inspect.signature(fn).parameters.values():
        hint = hints.get(parameter.name, inspect.Parameter.empty)
        if _is_runtime(hint):
            runtime = parameter.name
            continue
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise GraphCompileError(f"Tool {name}: parameter {parameter.name!r} cannot be given by name, as models do.")
        if hint is inspect.Parameter.empty:
            raise GraphCompileError(f"Tool {name}: parameter {parameter.name!r} has no type. Annotate it.")
        fields[parameter.name] = (hint, _field(parameter, meanings.get(parameter.name)))
    if "model_config" in fields:
        raise GraphCompileError(f"Tool {name}: a parameter cannot be called model_config. Give it another name.")
    try:
        with warnings.catch_warnings():  # a parameter may well be called "schema", "json" or "copy"
            warnings.filterwarnings("ignore", message="Field name .* shadows")
            made: type[BaseModel] = create_model(
                name, __config__=ConfigDict(extra="forbid", protected_namespaces=()), **fields
            )
    except (PydanticUserError, NameError, TypeError, ValueError) as error:
        raise GraphCompileError(
            f"Tool {name}: its arguments have no JSON schema: {str(error).splitlines()[0].rstrip('.')}."
        ) from None
    return made, runtime


def _is_runtime(hint: Any) -> bool:
    """Whether a parameter takes a `Runtime`; it may be optional, for those who call the function themselves."""
    if typing.get_origin(hint) in (typing.Union, UnionType):
        return any(_is_runtime(member) for member in typing.get_args(hint))
    return Runtime in (hint, typing.get_origin(hint))


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """JSON schema of the arguments, without the titles that Pydantic adds and models do not need."""
    schema: dict[str, Any] = _without_titles(model.model_json_schema())
    schema.pop("description", None)
    schema.setdefault("properties", {})
    return schema


def _hints(name: str, fn: Callable[..., Any]) -> dict[str, Any]:
    target: Any = fn if inspect.isroutine(fn) else type(fn).__call__
    try:
        return typing.get_type_hints(target, include_extras=True)
    except NameError as error:
        raise GraphCompileError(
            f"Tool {name}: an annotation cannot be resolved: {error}. Define its types at module level."
        ) from None


def _field(parameter: inspect.Parameter, meaning: str | None) -> Any:
    if isinstance(parameter.default, FieldInfo):
        return parameter.default
    default = ... if parameter.default is parameter.empty else parameter.default
    return Field(default, description=meaning and textwrap.dedent(meaning))


def _without_titles(schema: Any, *, named: bool = False) -> Any:
    """`named` says that the keys are names of the user's, of which one may be ``title``."""
    if isinstance(schema, dict):
        return {
            key: _without_titles(value, named=key in ("properties", "$defs") and not named)
            for key, value in schema.items()
            if named or key != "title"
        }
    return [_without_titles(item) for item in schema] if isinstance(schema, list) else schema
