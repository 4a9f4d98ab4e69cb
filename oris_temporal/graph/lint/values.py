"""What an expression stands for, as far as that is known without running it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from .index import class_returned_by
from .objects import is_usable, static_attribute


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A real object, reached by name; `receiver` is set for methods, to what they were looked up on."""

    obj: Any
    receiver: Value | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """An object that the code under lint creates itself; only its class is known."""

    cls: type


@dataclass(frozen=True, slots=True, eq=False)
class Unloaded:
    """A name in a module that is not imported yet, as by an import inside of a function."""

    dotted: str


Value = Known | Made | Unloaded


def known(obj: Any) -> Known | None:
    """A real object, if it can be looked at."""
    return Known(obj) if is_usable(obj) else None


def module_named(dotted: str) -> Value:
    """The module of a name."""
    found = sys.modules.get(dotted)
    return Known(found) if isinstance(found, ModuleType) else Unloaded(dotted)


def attribute_of(value: Value | None, name: str) -> Value | None:
    """An attribute of a value."""
    match value:
        case Unloaded(dotted):
            return Unloaded(f"{dotted}.{name}")
        case Known(ModuleType() as home):
            return known(vars(home)[name]) if name in vars(home) else module_named(f"{home.__name__}.{name}")
        case Known(obj):
            return _member(obj, name, value)
        case Made(cls):
            return _member(cls, name, value)
    return None


def returned_by(obj: Any) -> Made | None:
    """What calling a function, or reading a property, gives."""
    cls = class_returned_by(obj)
    return Made(cls) if cls else None


def _member(obj: Any, name: str, on: Known | Made) -> Value | None:
    found = static_attribute(obj, name)
    if found is None:
        return None
    if isinstance(found, staticmethod):
        return Known(found.__func__)
    if isinstance(found, classmethod):
        return Known(found.__func__, Known(obj if isinstance(obj, type) else type(obj)))
    if hasattr(type(found), "__get__") and not callable(found):  # a property: its value is not known
        return returned_by(found)
    instance_of = on.cls if isinstance(on, Made) else type(obj)
    is_method = callable(found) and static_attribute(instance_of, name) is found
    return Known(found, on) if is_method else known(found)
