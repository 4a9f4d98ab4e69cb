"""State schemas: the fields of a graph's state, their reducers and their JSON form.

The engine holds state as a plain ``dict`` of field values. A `StateSchema` knows how updates are merged into it, how user
code sees it (a TypedDict's dict, a dataclass or a Pydantic model) and how it is written as JSON.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaMode
from pydantic_core import PydanticUndefined
from typing_extensions import is_typeddict

from .control import MISSING
from .errors import GraphCompileError, InvalidUpdateError, error_line
from .field_type import FieldType, grew
from .wire import PLAIN, wire_size

Reducer = Callable[[Any, Any], Any]
Values = dict[str, Any]


@dataclass(frozen=True)
class Write:
    """One partial update on its way into the state.

    Attributes:
        owner: Who wrote it, ``graph.node``.
        update: Field name to JSON value.
    """

    owner: str
    update: Mapping[str, Any]


@dataclass(frozen=True)
class Field:
    """One field of a state schema.

    Attributes:
        name: Its name.
        type: Type of its values.
        reducer: Merges an update into the present value; ``None`` means the last value wins.
        update_type: Type of an update to the field.
        default: Makes the value before any update, or ``None``.
    """

    name: str
    type: FieldType
    reducer: Reducer | None
    update_type: FieldType
    default: Callable[[], Any] | None

    def factories(self) -> dict[str, Callable[..., Any]]:
        """Default factories of the classes it is made of, by ``class.field``."""
        return {**self.type.factories, **self.update_type.factories}

    def write(self, update: Any, owner: str) -> Any:
        """The JSON form of an update to this field."""
        self.update_type.check_classes(update, f"{owner}: update to field {self.name!r}")
        return self.update_type.write(update, f"update of {owner} to field {self.name!r}")

    def read_update(self, wire: Any, owner: str) -> Any:
        """Read the JSON form of an update to this field."""
        return self.update_type.read(wire, f"{owner}: update to field {self.name!r}")

    def decode(self, wire: Any, owner: str) -> Any:
        """Read a stored value of this field."""
        return self.type.read(wire, f"{owner}: field {self.name!r}")


class StateSchema:
    """A TypedDict, dataclass or Pydantic model, read as fields with reducers.

    Args:
        cls: The class. A field's reducer is the last function in its ``Annotated``. What a type leaves open (`Any`, a bare
            ``list``) is JSON data: objects put there come back as dicts, tuples as lists, the keys of dicts as text.

    Raises:
        GraphCompileError: The class is of another kind, or a field's type has no JSON form.
    """

    def __init__(self, cls: type) -> None:
        self.cls = cls
        self.name = getattr(cls, "__name__", str(cls))
        if is_typeddict(cls):
            self.kind = "typeddict"
        elif dataclasses.is_dataclass(cls):
            self.kind = "dataclass"
        elif isinstance(cls, type) and issubclass(cls, BaseModel):
            self.kind = "pydantic"
        else:
            raise GraphCompileError(
                f"State schema {self.name!r} must be a TypedDict, a dataclass or a Pydantic model, not {type(cls).__name__}."
            )
        try:
            hints = typing.get_type_hints(cls, include_extras=True)
        except NameError as error:
            raise GraphCompileError(
                f"State schema {self.name!r} has an annotation that cannot be resolved: {error}. "
                "Define the schema and its types at module level."
            ) from None
        self._own_factories = _own_factories(cls)
        names = list(cls.model_fields) if self.kind == "pydantic" else list(hints)  # type: ignore[attr-defined]
        self.fields: dict[str, Field] = {name: self._field(name, hints[name]) for name in names}

    def factories(self) -> dict[str, Callable[..., Any]]:
        """What makes defaults of this class, and of the classes of its fields, by ``class.field``."""
        found = {name: made for field in self.fields.values() for name, made in field.factories().items()}
        return {**{f"{self.name}.{name}": made for name, made in self._own_factories.items()}, **found}

    # --- values --------------------------------------------------------------------------------------------------

    def initial(self) -> Values:
        """Values before any input: the defaults, and an empty value for fields with a reducer."""
        return {name: field.default() for name, field in self.fields.items() if field.default is not None}

    def apply(self, values: Values, writes: Iterable[Write]) -> Values:
        """Merge updates, in order, and return the new values; `values` is not changed.

        Raises:
            InvalidUpdateError: An unknown field, a value of the wrong type, or two writes in one step to a field that
                has no reducer.
        """
        merged = dict(values)
        writers: dict[str, str] = {}
        for write in writes:
            for name, wire in write.update.items():
                field = self._known(name, write.owner)
                if field.reducer is None:
                    if name in writers:
                        raise InvalidUpdateError(
                            f"{writers[name]} and {write.owner} both wrote field {name!r} in one superstep, and it has no "
                            f"reducer. Declare one: {name}: Annotated[..., reducer].",
                            field=name,
                        )
                    writers[name] = write.owner
                    merged[name] = field.decode(wire, write.owner)
                else:
                    merged[name] = self._reduce(field, merged, wire, write.owner)
        return merged

    def view(self, values: Values, only: Iterable[str] | None = None) -> Any:
        """The state as user code sees it: a fresh instance that user code may change without any effect.

        Args:
            values: Field values.
            only: Names of the fields to show; ``None`` is all.

        Raises:
            InvalidUpdateError: A required field of a dataclass or model has no value.
        """
        seen = {name: isolate(values[name]) for name in (self.fields if only is None else only) if name in values}
        if self.kind == "typeddict":
            return seen
        try:
            return self.cls.model_validate(seen, by_name=True) if self.kind == "pydantic" else self.cls(**seen)  # type: ignore[attr-defined]
        except (TypeError, ValidationError) as error:
            problems = error.errors(include_url=False) if isinstance(error, ValidationError) else []
            told = "; ".join(": ".join([*map(str, problem["loc"]), problem["msg"]]) for problem in problems) or error
            lacks = not problems or any(problem["type"] == "missing" for problem in problems)
            remedy = " Give the other fields defaults, or pass them in the input." if lacks else ""
            raise InvalidUpdateError(
                f"State {self.name} cannot be built from the fields that have a value ({', '.join(seen) or 'none'}): {told}.{remedy}"
            ) from None

    def update_wire(self, update: Any, owner: str) -> dict[str, Any]:
        """The JSON form of what a node returned as its update.

        Args:
            update: A mapping, ``None`` (no change), or an instance of the schema (all of its set fields).
            owner: ``graph.node``, for errors.

        Raises:
            InvalidUpdateError: It is something else, or names an unknown field.
            SerializationError: It has no JSON form.
        """
        if update is None:
            return {}
        if isinstance(update, BaseModel):
            update = {name: getattr(update, name) for name in update.model_fields_set}
        elif type(update) is not dict and dataclasses.is_dataclass(update) and not isinstance(update, type):
            update = {item.name: getattr(update, item.name) for item in dataclasses.fields(update)}
        if not isinstance(update, dict | Mapping):
            raise InvalidUpdateError(
                f"{owner} returned {type(update).__name__}; a node returns a dict with the fields to update, None, or a Command."
            )
        return {name: self._known(name, owner).write(value, owner) for name, value in update.items()}

    # --- JSON ----------------------------------------------------------------------------------------------------

    def encode(self, values: Values, only: Iterable[str] | None = None) -> dict[str, Any]:
        """Values as JSON data."""
        names = self.fields if only is None else only
        return {
            name: self.fields[name].type.write(values[name], f"field {name!r} of {self.name}")
            for name in names
            if name in values
        }

    def decode(self, wire: Mapping[str, Any], owner: str) -> Values:
        """Values from JSON data.

        Raises:
            InvalidUpdateError: An unknown field, or a value of the wrong type.
        """
        return {name: self._known(name, owner).decode(value, owner) for name, value in wire.items()}

    def check_update(self, wire: Mapping[str, Any], owner: str) -> None:
        """Check the JSON form of an update before it is merged.

        Raises:
            InvalidUpdateError: An unknown field, or a value of the wrong type.
        """
        for name, value in wire.items():
            self._known(name, owner).read_update(value, owner)

    def json_schema(self) -> dict[str, Any]:
        """JSON schema of the state, as it may be given."""
        return self._json_schema({name: field.type for name, field in self.fields.items()}, "validation")

    def update_schema(self) -> dict[str, Any]:
        """JSON schema of a partial update, such as an input."""
        schema = self._json_schema({name: field.update_type for name, field in self.fields.items()}, "validation")
        return {**schema, "additionalProperties": False}

    def output_schema(self) -> dict[str, Any]:
        """JSON schema of the state, as results have it."""
        return self._json_schema({name: field.type for name, field in self.fields.items()}, "serialization")

    def _json_schema(self, types: Mapping[str, FieldType], mode: JsonSchemaMode) -> dict[str, Any]:
        found, shared = TypeAdapter.json_schemas([(name, mode, type.adapter) for name, type in types.items()])
        properties = {name: found[name, mode] for name in types}
        return {"title": self.name, "type": "object", "properties": properties, **shared}

    # --- reading the class ---------------------------------------------------------------------------------------

    def _known(self, name: str, owner: str) -> Field:
        field = self.fields.get(name)
        if field is None:
            raise InvalidUpdateError(
                f"{owner} wrote field {name!r}, which state {self.name} does not have (it has {', '.join(self.fields)}).",
                field=name,
            )
        return field

    @staticmethod
    def _reduce(field: Field, values: Values, wire: Any, owner: str) -> Any:
        update = field.read_update(wire, owner)
        if field.name not in values:
            return field.type.check(update, f"{owner}: first value of field {field.name!r}")
        # A copy, for a reducer may add to its argument in place. A list keeps its items: what only grew costs only its tail.
        present = values[field.name]
        given = list(present) if type(present) is list else isolate(present)
        try:
            reduced = cast("Reducer", field.reducer)(given, update)
        except InvalidUpdateError:
            raise
        except Exception as error:
            raise InvalidUpdateError(
                f"{owner}: the reducer of field {field.name!r} raised {error_line(error)}", field=field.name
            ) from error
        return field.type.check(reduced, f"{owner}: what the reducer of field {field.name!r} returned", known=present)

    def _field(self, name: str, hint: Any) -> Field:
        where = f"State {self.name}: field {name!r}"
        annotation, metadata = _unwrap(hint)
        if self.kind == "pydantic":
            metadata = tuple(self.cls.model_fields[name].metadata)  # type: ignore[attr-defined]
        reducer = next((item for item in reversed(metadata) if _is_reducer(item, where)), None)
        type_ = update_type = FieldType(annotation, [item for item in metadata if item is not reducer], where)
        if reducer is not None and (update_hint := _update_hint(reducer)) is not MISSING:
            update_type = FieldType(update_hint, [], f"{where}, update of its reducer")
        return Field(name, type_, reducer, update_type, self._default(name, annotation, reducer))

    def _default(self, name: str, annotation: Any, reducer: Reducer | None) -> Callable[[], Any] | None:
        if name in self._own_factories:
            return self._own_factories[name]
        if self.kind == "pydantic":
            info: FieldInfo = self.cls.model_fields[name]  # type: ignore[attr-defined]
            if info.default_factory is not None:
                raise GraphCompileError(
                    f"State {self.name}: the default of field {name!r} is made from other fields, which have no value before the "
                    "first update. Set it in a node."
                )
            if info.default is not PydanticUndefined:
                return lambda: copy.deepcopy(info.default)
        elif self.kind == "dataclass":
            item = next(item for item in dataclasses.fields(self.cls) if item.name == name)
            if item.default is not dataclasses.MISSING:
                return lambda: item.default
        return _empty(annotation) if reducer is not None else None


class StateValues:
    """The values of one graph (or subgraph) run and, computed once per change, their JSON form.

    A list that only grew is encoded only for its new tail, so a long message log costs what was added to it.

    Attributes:
        schema: The schema.
        data: Field values; replaced, never changed in place.
        generations: For each field, how often it changed other than by growing at its end.
    """

    def __init__(self, schema: StateSchema, data: Values) -> None:
        self.schema = schema
        self.data = data
        self.generations: dict[str, int] = {}
        self._encoded: dict[str, Encoded] = {}

    def apply(self, writes: Iterable[Write]) -> None:
        """Merge updates (see `StateSchema.apply`)."""
        before, self.data = self.data, self.schema.apply(self.data, writes)
        for name, value in self.data.items():
            old = before.get(name)
            if value is not old and not grew(old, value):
                self.generations[name] = self.generations.get(name, 0) + 1

    def wire(self, only: Iterable[str] | None = None) -> dict[str, Any]:
        """JSON form of all fields, or of some. Not to be changed by the caller."""
        return {
            name: self.encoded(name).wire
            for name in (self.schema.fields if only is None else only)
            if name in self.data
        }

    def encoded(self, name: str) -> Encoded:
        """JSON form and size in bytes of one field that has a value."""
        value = self.data[name]
        known = self._encoded.get(name)
        if known is None or known.value is not value:
            known = self._encoded[name] = self._encode(name, value, known)
        return known

    def _encode(self, name: str, value: Any, known: Encoded | None) -> Encoded:
        what, write = f"field {name!r} of {self.schema.name}", self.schema.fields[name].type.write
        if known is not None and known.value and grew(known.value, value):
            tail = write(value[len(known.value) :], what)
            return Encoded(value, known.wire + tail, known.size + wire_size(tail))
        wire = write(value, what)
        return Encoded(value, wire, wire_size(wire))


@dataclass(frozen=True, slots=True)
class Encoded:
    """JSON form of a field's value.

    Attributes:
        value: The value.
        wire: Its JSON form.
        size: Bytes of JSON.
    """

    value: Any
    wire: Any
    size: int


def isolate(value: Any) -> Any:
    """Copy what user code could change in place; share what it cannot."""
    kind = type(value)
    if kind in _UNCHANGEABLE:
        return value
    if kind is list:
        return [item if type(item) in _UNCHANGEABLE else isolate(item) for item in value]
    if kind is dict:
        return {key: isolate(item) for key, item in value.items()}
    if isinstance(value, BaseModel) and kind.model_config.get("frozen"):
        return value
    return copy.deepcopy(value)


_UNCHANGEABLE = PLAIN | {frozenset}


def _own_factories(cls: Any) -> dict[str, Callable[[], Any]]:
    """Default factories of a dataclass or model, by field."""
    if dataclasses.is_dataclass(cls):
        return {
            item.name: item.default_factory
            for item in dataclasses.fields(cls)
            if item.default_factory is not dataclasses.MISSING
        }
    return {
        name: info.default_factory
        for name, info in getattr(cls, "model_fields", {}).items()
        if info.default_factory is not None and not info.default_factory_takes_validated_data
    }


def payload_type(annotation: Any, where: str) -> FieldType | None:
    """Type of the payload of a `Send`, if the node's parameter is annotated with a dataclass or model."""
    if isinstance(annotation, type) and (dataclasses.is_dataclass(annotation) or issubclass(annotation, BaseModel)):
        return FieldType(annotation, [], where)
    return None


def _unwrap(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Take ``Required``/``NotRequired``/``ReadOnly`` and ``Annotated`` off a hint."""
    metadata: tuple[Any, ...] = ()
    while True:
        origin = get_origin(hint)
        if origin is Annotated:
            hint, metadata = get_args(hint)[0], (*get_args(hint)[1:], *metadata)
        elif origin in (typing.Required, typing.NotRequired):
            hint = get_args(hint)[0]
        else:
            return hint, metadata


def _is_reducer(item: Any, where: str) -> bool:
    """Whether something in ``Annotated`` is a reducer: a function that can be called with two arguments.

    Raises:
        GraphCompileError: It is a function that cannot.
    """
    if not callable(item) or isinstance(item, type | FieldInfo) or hasattr(item, _OF_PYDANTIC):
        return False
    try:
        inspect.signature(item).bind(None, None)
    except ValueError:
        return True  # such as max and set.union, which do not tell their signature
    except TypeError:
        name = getattr(item, "__name__", type(item).__name__)
        raise GraphCompileError(
            f"{where} is annotated with {name}(), which cannot be a reducer: a reducer takes two arguments, the present value "
            "and the update."
        ) from None
    return True


_OF_PYDANTIC = "__get_pydantic_core_schema__"


def _update_hint(reducer: Reducer) -> Any:
    """Annotation of a reducer's second parameter: the type of an update, where it is not the field's own type."""
    try:
        names = list(inspect.signature(reducer).parameters)
        return typing.get_type_hints(reducer, include_extras=True).get(names[1], MISSING)
    except (TypeError, NameError, ValueError, IndexError):
        return MISSING


def _empty(annotation: Any) -> Callable[[], Any] | None:
    """Maker of an empty value of a type, if it has an obvious one."""
    origin = get_origin(annotation) or annotation
    if origin in (typing.Union, types.UnionType):
        return None
    if origin in (list, dict, set, frozenset, tuple, int, float, str, bool):
        return cast("Callable[[], Any]", origin)
    return None
