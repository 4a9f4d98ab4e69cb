"""`Part`: what all parts of a graph file have in common, and how their errors read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Discriminator, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from ..errors import GraphCompileError
from .place import Place


class Part(BaseModel):
    """A part of a graph file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _know_all_keys(cls, value: Any) -> Any:
        known = [info.alias or name for name, info in cls.model_fields.items()]
        for key in value if isinstance(value, Mapping) else ():
            if key not in known:
                text = "there is no such key; the keys here are {known}"
                raise PydanticCustomError("unknown_key", text, {"key": key, "known": ", ".join(known)})
        return value

    def given(self) -> dict[str, Any]:
        """The keys that were written; for the others the defaults of the code hold."""
        return {name: getattr(self, name) for name in self.model_fields_set}


# The tags of a union's members stand in angle brackets: `misfit` leaves them out of places.


def form(value: Any) -> str | None:
    """Tag of a value that may be written in several forms."""
    match value:
        case str():
            return "<text>"
        case list():
            return "<list>"
        case dict():
            return "<object>"
    return None


def by_key(*keys: str) -> Callable[[Any], str | None]:
    """Tag of an object by the one of these keys that it has."""

    def kind(value: Any) -> str | None:
        given = [key for key in keys if isinstance(value, Mapping) and key in value]
        return f"<{given[0]}>" if len(given) == 1 else None

    return kind


def one_of(kind: Callable[[Any], str | None], needed: str) -> Discriminator:
    """Choose a union's member by its tag; an error says what is `needed`."""
    return Discriminator(kind, custom_error_type="form", custom_error_message=f"this must be {needed}")


def misfit(error: ValidationError, place: Place) -> GraphCompileError:
    """Say where in the document at `place` its parts are not as they must be."""
    problems: list[tuple[Place, str]] = []
    for problem in error.errors(include_url=False, include_input=False):
        path = [step for step in problem["loc"] if step != "[key]" and not str(step).startswith("<")]
        text, context = problem["msg"], problem.get("ctx", {})
        if problem["type"] == "unknown_key":
            path.append(context["key"])
        elif problem["type"] == "missing":
            text = "this key is required"
        elif problem["type"] == "model_type":
            text = "this must be an object"
        elif problem["type"] == "value_error":
            text = str(context["error"])
        problems.append((place.at(*path), text.removesuffix(".")))
    where, text = problems[0]
    more = "".join(f"\n{where}: {text}." for where, text in problems[1:])
    return where.error(f"{text}.{more}")
