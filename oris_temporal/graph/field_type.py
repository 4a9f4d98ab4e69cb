"""Types of state fields: how their values come back from JSON, and which types would lose something on the way."""

from __future__ import annotations

import dataclasses
import functools
import operator
import sys
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Annotated, Any, NewType, NotRequired, Required, cast

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic_core import to_json
from typing_extensions import TypedDict

from .errors import GraphCompileError, InvalidUpdateError
from .wire import PLAIN, to_wire

_BASE64 = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")


class FieldType:
    """A type whose values are written as JSON, by `to_wire`, and read back.

    Args:
        annotation: The type.
        metadata: Constraints on it, as in ``Annotated``.
        where: The field, for errors: ``State Order: field 'items'``.

    Attributes:
        adapter: Validates Python values.
        factories: Default factories of the dataclasses and models in it, by ``class.field``.

    Raises:
        GraphCompileError: It has no JSON form, or its values would not come back as they were.
    """

    def __init__(self, annotation: Any, metadata: Iterable[Any], where: str) -> None:
        try:
            for item in metadata:
                annotation = Annotated[annotation, item]
            # Under a name of its own, for Pydantic takes no configuration beside a class that may have one.
            FieldValue = NewType("FieldValue", annotation)  # type: ignore[valid-newtype]
            self.adapter: TypeAdapter[Any] = TypeAdapter(FieldValue, config=_BASE64)
            schema: Any = self.adapter.core_schema
        except (PydanticUserError, PydanticUndefinedAnnotation, TypeError) as error:
            raise GraphCompileError(
                f"{where} has type {annotation!r}, which has no JSON form ({str(error).splitlines()[0]}). "
                "Use plain data, dataclasses or Pydantic models."
            ) from None
        survey = _Survey(where)
        survey.visit(schema, _Place())
        self.factories = survey.factories
        self._classes = survey.classes
        self._needs_json = survey.needs_json
        self._may_hold_sets = survey.may_hold_sets
        outermost = schema["schema"] if schema["type"] == "definitions" else schema
        self._is_free_list = outermost["type"] == "list" and not outermost.keys() & {"min_length", "max_length"}

    def read(self, wire: Any, what: str) -> Any:
        """A value from its JSON form.

        Args:
            wire: The JSON form.
            what: What it is, for the error.

        Raises:
            InvalidUpdateError: It does not fit.
        """
        try:
            if self._needs_json:
                return self.adapter.validate_json(to_json(wire), by_alias=True, by_name=True)
            return self.adapter.validate_python(wire, by_alias=True, by_name=True)
        except ValidationError as error:
            raise _misfit(error, what) from None

    def check(self, value: Any, what: str, known: Any = None) -> Any:
        """A Python value as the type wants it.

        Args:
            value: The value.
            what: What it is, for the error.
            known: A value of the type. What a list has in common with its beginning is not looked at again.

        Raises:
            InvalidUpdateError: It does not fit.
        """
        try:
            if self._is_free_list and grew(known, value):
                return [*known, *self.adapter.validate_python(value[len(known) :], by_alias=True, by_name=True)]
            return self.adapter.validate_python(value, by_alias=True, by_name=True)
        except ValidationError as error:
            raise _misfit(error, what) from None

    def write(self, value: Any, what: str) -> Any:
        """The JSON form of a value of the type."""
        return to_wire(value, what, may_hold_sets=self._may_hold_sets)

    def check_classes(self, value: Any, what: str) -> None:
        """Refuse an instance of a subclass that would come back as one of its base, without the fields it adds.

        Raises:
            InvalidUpdateError: There is one.
        """
        if self._classes and (found := _widened(value, self._classes)) is not None:
            item, base = type(found[0]).__name__, found[1].__name__
            raise InvalidUpdateError(
                f"{what} has a {item} where the type says {base}; JSON would bring it back as a {base}, without "
                f"{', '.join(found[2])}. Annotate it with all it may be: {base} | {item}."
            )


def readable(annotation: Any) -> Any:
    """A type as Pydantic reads it: before Python 3.12 that takes a TypedDict of ``typing_extensions`` only."""
    if sys.version_info >= (3, 12) or not typing.is_typeddict(annotation):
        return annotation
    fields = {
        name: hint
        if typing.get_origin(hint) in (Required, NotRequired)
        else Required[hint]
        if name in annotation.__required_keys__
        else NotRequired[hint]
        for name, hint in typing.get_type_hints(annotation, include_extras=True).items()
    }
    return cast("Any", TypedDict)(annotation.__name__, fields)


def grew(old: Any, new: Any) -> bool:
    """Whether a list is an earlier one with more at its end."""
    if not isinstance(old, list) or not isinstance(new, list) or len(new) < len(old):
        return False
    return all(map(operator.is_, old, new))


def _misfit(error: ValidationError, what: str) -> InvalidUpdateError:
    first = error.errors(include_url=False)[0]
    place = "".join(f"[{part!r}]" for part in first["loc"])
    return InvalidUpdateError(f"{what}{place}: {first['msg']} (got {first['input']!r:.100}).")


# --- what a type consists of ---------------------------------------------------------------------------------------

# Parts of a core schema that are data, not schemas.
_DATA = frozenset({"cls", "config", "default", "expected", "function", "metadata", "serialization", "type"})

_WITHOUT_JSON = {
    "callable": "a function",
    "is-subclass": "a class",
    "generator": "an iterator",
}
_NO_KEYS = frozenset(
    {"dataclass", "dict", "frozenset", "list", "model", "nullable", "none", "set", "tuple", "typed-dict"}
)
_OPEN = frozenset({"any", "frozenset", "function-plain", "set"})
_ITEMS = {"list": "items_schema", "dict": "values_schema"}  # without it they may hold anything
_REWRITING = frozenset({"function-before", "function-plain", "function-wrap"})


@dataclass(frozen=True)
class _Place:
    """Where in a type a part of it is.

    Attributes:
        config: Configuration that holds there.
        owner: The nearest class, with the field there.
        writer: The function that writes it, in place of Pydantic's own ways.
        writes_itself: Whether it belongs to a Pydantic class, whose serializers hold.
        rewritten: Whether a validator of the user's may make of it what it likes.
    """

    config: Mapping[str, Any] = field(default_factory=lambda: dict(_BASE64))
    owner: str = ""
    writer: Any = None
    writes_itself: bool = False
    rewritten: bool = False


class _Survey:
    """Reads the core schema of a type, and refuses what does not survive JSON."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.classes: set[type] = set()
        self.factories: dict[str, Callable[..., Any]] = {}
        self.needs_json = False
        self.may_hold_sets = False
        self._definitions: dict[str, Any] = {}
        self._seen: set[tuple[str, bool]] = set()

    def visit(self, part: Any, place: _Place) -> None:
        """Look at a part of a core schema and all that is in it."""
        if isinstance(part, list | tuple):
            for item in part:
                self.visit(item, place)
        elif isinstance(part, dict) and isinstance(part.get("type"), str):
            self._visit_schema(part, place)
        elif isinstance(part, dict):
            for name, item in part.items():
                self.visit(
                    item, replace(place, owner=f"{place.owner.partition('.')[0]}.{name}") if place.owner else place
                )

    def _visit_schema(self, schema: Mapping[str, Any], place: _Place) -> None:
        kind, config = schema["type"], schema.get("config") or place.config
        place = replace(
            place,
            config=config,
            writer=place.writer or schema.get("serialization"),
            rewritten=place.rewritten or kind in _REWRITING,
        )
        if kind == "definitions":
            self._definitions = {item["ref"]: item for item in schema["definitions"]}
            self.visit(schema["schema"], place)
            return
        if kind == "definition-ref":
            key = schema["schema_ref"], place.writer is None
            if key not in self._seen:
                self._seen.add(key)
                self.visit(self._definitions.get(key[0]), place)
            return
        if kind in ("model", "dataclass"):
            place = self._enter(schema["cls"], place)
        elif kind == "dataclass-field":
            place = replace(place, owner=f"{place.owner.partition('.')[0]}.{schema['name']}")
        self._check(kind, schema, place)
        if kind in _OPEN or config.get("extra_fields_behavior") == "allow" or not schema.get(_ITEMS.get(kind, "type")):
            self.may_hold_sets = True
        if schema.get("strict") or config.get("strict"):
            self.needs_json = True  # Python's strict mode refuses what JSON makes of dates, tuples and the like
        for name, part in schema.items():
            if name not in _DATA and name != "json_schema":  # what a type takes from Python says what it holds
                self.visit(part, place)

    def _enter(self, cls: type, place: _Place) -> _Place:
        if place.writer is None and not place.rewritten:
            self.classes.add(cls)
        own = place.writes_itself or hasattr(cls, "__pydantic_serializer__")
        return replace(place, owner=cls.__name__, writes_itself=own, rewritten=False)

    def _check(self, kind: str, schema: Mapping[str, Any], place: _Place) -> None:
        if kind == "default" and "default_factory" in schema:
            self.factories[place.owner] = schema["default_factory"]
        if kind in _WITHOUT_JSON and place.writer is None:
            self._refuse(place, f"is {_WITHOUT_JSON[kind]}, which has no JSON form. Use plain data")
        if kind == "dict" and (keys := _lost_keys(schema.get("keys_schema", {}))):
            self._refuse(place, f"is a dict with keys of type {keys}, which JSON writes as text. Use a list of pairs")
        if kind == "literal" and any(
            isinstance(item, Enum) and not isinstance(item, str | int) for item in schema["expected"]
        ):
            self._refuse(place, "is a Literal of enum members, which JSON writes as their values. Use the enum itself")
        if kind == "json" and place.writer is None:
            self._refuse(place, "is Json, which is read from text but written as what it holds. Use the type it holds")
        if schema.get("computed_fields") and place.config.get("extra_fields_behavior") == "forbid":
            self._refuse(
                place, "has computed fields, which JSON shows and extra='forbid' then refuses. Drop one of them"
            )
        if schema.get("serialization_exclude") is True:
            self._refuse(place, "has exclude=True, so it is lost when the state is written. Leave it out of the class")
        if _masks(place.writer):
            self._refuse(
                place, "is a secret, of which JSON has only asterisks. Keep secrets where nodes can look them up"
            )
        if kind == "bytes":
            self._check_bytes(place)

    def _check_bytes(self, place: _Place) -> None:
        written = place.writer is not None
        if place.writes_itself and written:
            return  # the class knows how, as with Base64Bytes
        if written:
            self._refuse(place, "is written as base64 anyway. Annotate it as bytes")
        if not all(place.config.get(name) == how for name, how in _BASE64.items()):
            self._refuse(
                place,
                "is bytes, which its class would write as UTF-8 text. Give the class "
                "ConfigDict(ser_json_bytes='base64', val_json_bytes='base64')",
            )
        self.needs_json = True

    def _refuse(self, place: _Place, problem: str) -> None:
        raise GraphCompileError(f"{self.where}: {place.owner or 'its type'} {problem}.")


def _lost_keys(schema: Mapping[str, Any]) -> str | None:
    """Type of the keys of a dict, if they do not come back from text."""
    kind: str | None = schema.get("type")
    if kind == "enum" and not schema.get("sub_type"):
        values = [member.value for member in schema["members"]]
    else:
        values = schema["expected"] if kind == "literal" else []
    return kind if kind in _NO_KEYS or not all(isinstance(value, str) for value in values) else None


def _masks(writer: Any) -> bool:
    function = writer.get("function") if writer is not None else None
    return getattr(function, "__module__", "") == "pydantic.types" and "secret" in getattr(function, "__name__", "")


# --- instances of other classes ------------------------------------------------------------------------------------


def _widened(value: Any, known: set[type]) -> tuple[Any, type, list[str]] | None:
    """An instance whose class adds fields to one of the `known` classes, with that class and the fields."""
    kind: Any = type(value)
    members: Iterable[Any] = ()
    if isinstance(value, _COLLECTIONS):
        members = value
    elif isinstance(value, dict):
        members = value.values()
    elif names := _field_names(kind):
        if kind not in known and (base := next((item for item in kind.__mro__ if item in known), None)):
            added = [name for name in names if name not in _field_names(base)]
            if added and getattr(base, "model_config", {}).get("extra") != "allow":
                return value, base, added
        members = [getattr(value, name, None) for name in names]
    for item in members:
        if type(item) not in PLAIN and (found := _widened(item, known)) is not None:
            return found
    return None


_COLLECTIONS = (list, tuple, set, frozenset)


@functools.lru_cache(maxsize=1000)
def _field_names(kind: Any) -> tuple[str, ...]:
    if issubclass(kind, BaseModel):
        return tuple(kind.model_fields)
    return tuple(item.name for item in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else ()
