"""The arguments of a tool: what a model is told about them, and a check of what it sends."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from itertools import islice
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from oris_temporal.graph.errors import ConfigurationError

from .signature import json_schema

_PROBLEMS = 5
"""Problems told at once; the rest often follows from them."""

_PROBLEM_LENGTH = 300


class ArgumentsError(ValueError):
    """Arguments do not fit. Its text says which and why, for the model."""


class Arguments(Protocol):
    """What a tool takes."""

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema, an object."""

    def check(self, args: Any) -> dict[str, Any]:
        """Arguments as JSON data: as they were given, for `read` to make of them what the tool takes.

        Raises:
            ArgumentsError: They do not fit.
        """

    def read(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments as the tool's function takes them, of what `check` returned."""


class ModelArguments:
    """Arguments that a Pydantic model describes.

    Args:
        model: The model.
    """

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model

    @cached_property
    def schema(self) -> dict[str, Any]:
        """See `Arguments.schema`."""
        return json_schema(self._model)

    def check(self, args: Any) -> dict[str, Any]:
        """See `Arguments.check`."""
        try:
            self._model.model_validate(args)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False)
            raise ArgumentsError("; ".join(_problem(item["loc"], item["msg"]) for item in problems)) from None
        # not what the model made of them: a validator that changes a value would change it again where the tool runs
        wire: dict[str, Any] = to_jsonable_python(args, round_trip=True)
        return wire

    def read(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """See `Arguments.read`."""
        return dict(vars(self._model.model_validate(args)))


class SchemaArguments:
    """Arguments that a JSON schema describes, as that of an MCP server. They are passed as they came.

    Args:
        schema: The schema, of any draft; without ``$schema`` it is of draft 2020-12.

    Raises:
        ConfigurationError: It is no schema, or package ``jsonschema`` is not installed.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        try:
            from jsonschema.exceptions import SchemaError
            from jsonschema.validators import Draft202012Validator, validator_for
            from referencing.exceptions import Unresolvable
            from referencing.jsonschema import EMPTY_REGISTRY
        except ImportError as error:
            raise ConfigurationError(
                f"Tools with a JSON schema need package {error.name!r}: pip install 'oris-temporal[mcp]'."
            ) from error
        self.schema: dict[str, Any] = {"properties": {}, **schema}
        self._unresolvable = Unresolvable
        kind = validator_for(self.schema, default=Draft202012Validator)
        try:
            kind.check_schema(self.schema)
        except SchemaError as error:
            raise ConfigurationError(f"it is no JSON schema: {error.message:.{_PROBLEM_LENGTH}}") from None
        self._validator = kind(self.schema, registry=EMPTY_REGISTRY)  # of its own it would download what "$ref" names

    def check(self, args: Any) -> dict[str, Any]:
        """See `Arguments.check`."""
        try:
            problems = list(islice(self._validator.iter_errors(args), _PROBLEMS))
        except self._unresolvable:  # it refers to a schema elsewhere, so only the tool itself can tell
            problems = []
        if problems:
            raise ArgumentsError("; ".join(_problem(item.absolute_path, item.message) for item in problems))
        return dict(args)

    def read(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """See `Arguments.read`."""
        return dict(args)


def _problem(path: Any, said: str) -> str:
    return f"{'.'.join(map(str, path)) or 'arguments'}: {said:.{_PROBLEM_LENGTH}}"
