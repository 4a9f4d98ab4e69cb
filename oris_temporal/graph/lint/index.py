"""The tables of bans by object: is calling or using this very object banned?"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from types import BuiltinMethodType, MethodType, ModuleType
from typing import Any, NamedTuple

from .bans import ANY, BANNED, RETURNS, SHARED, Ban
from .objects import is_usable, static_attribute

_Identity = tuple[int, int]


class Rule(NamedTuple):
    """The ban on one function.

    Attributes:
        call: What to report, such as ``time.time()``.
        remedy: What to do instead.
        below: Calls with this many arguments or more are fine.
    """

    call: str
    remedy: str
    below: int


def ban_on_calling(obj: Any) -> Rule | None:
    """The ban on calling an object."""
    rules = _index().rules
    match obj:
        case type():
            return next((rule for base in obj.__mro__ if (rule := rules.get((id(base), 0)))), None)
        case functools.partial(func=func):
            rule = ban_on_calling(func) if is_usable(func) else None
            return rule if rule and rule.below == ANY else None  # it may hold the arguments
    function, bound_to = _identity(obj)
    return rules.get((function, bound_to)) or rules.get((function, 0))


def ban_on_name(dotted: str) -> Rule | None:
    """The ban on calling what has this name in a module that is not imported yet."""
    return _RULES_BY_NAME.get(dotted)


def remedy_for_using(obj: Any) -> str | None:
    """What to do instead of using an object, or a method bound to one, that lives outside of the function."""
    if isinstance(obj, type | ModuleType):
        return None
    if isinstance(obj, MethodType | BuiltinMethodType):
        obj = obj.__self__
    shared = _index().shared
    return next((shared[id(base)] for base in type(obj).__mro__ if id(base) in shared), None)


def class_returned_by(obj: Any) -> type | None:
    """The class of what a function returns or a property holds, where `RETURNS` says so."""
    return _index().returns.get(_identity(obj))


def _identity(obj: Any) -> _Identity:
    """Identity of a callable, the same for every bound copy of a method.

    A method bound to an object keeps the object's identity: `random.choice` is not another generator's.
    """
    if not isinstance(obj, MethodType | BuiltinMethodType) or isinstance(obj.__self__, ModuleType | None):
        return id(obj), 0
    of_class = isinstance(obj.__self__, type)
    if isinstance(obj, MethodType):
        raw: Any = obj.__func__
    else:
        raw = static_attribute(obj.__self__ if of_class else type(obj.__self__), obj.__name__) or obj
    return id(raw), 0 if of_class else id(obj.__self__)


class _Index:
    """The tables, resolved to objects as far as their modules are imported."""

    def __init__(self) -> None:
        self.rules: dict[_Identity, Rule] = {}
        self.shared: dict[int, str] = {}  # class -> remedy
        self.returns: dict[_Identity, type] = {}
        self._alive: list[Any] = []  # an id names an object only as long as the object lives
        for ban in BANNED:
            for name, obj in self._objects(ban.home, ban.names):
                self.rules.setdefault(_identity(obj), _rule(ban, name))
        for ban in SHARED:
            for _, cls in self._objects(ban.home, ban.names):
                self.shared[id(cls)] = ban.remedy
        for home, names, returned in RETURNS:
            for _, obj in self._objects(home, names):
                if (cls := _find(returned)) is not None:
                    self.returns[_identity(obj)] = cls

    def _objects(self, home: str, names: str) -> Iterator[tuple[str, Any]]:
        for name in names.split():
            if (obj := _find(f"{home}.{name}")) is not None:
                self._alive.append(obj)
                yield name, obj


def _index() -> _Index:
    return _index_of(tuple(name for name in _HOMES if name in sys.modules))


@functools.lru_cache(maxsize=4)
def _index_of(loaded: tuple[str, ...]) -> _Index:
    """The index, made anew when more modules are `loaded`."""
    return _Index()


def _find(dotted: str) -> Any | None:
    """Find a module, class or function by its dotted name, if its module is imported."""
    root, *rest = dotted.split(".")
    value: Any = sys.modules.get(root)
    for done, name in enumerate(rest, start=1):
        if isinstance(value, ModuleType):
            value = vars(value).get(name, sys.modules.get(".".join([root, *rest[:done]])))
        elif value is not None:
            value = static_attribute(value, name)
    return value.__func__ if isinstance(value, classmethod | staticmethod) else value


def _rule(ban: Ban, name: str) -> Rule:
    call = f"{ban.home}.{name}".removeprefix("builtins.")
    return Rule(f"{call}()", ban.remedy, ban.below)


_HOMES = sorted({name for ban in BANNED + SHARED for name in (ban.home, ban.home.rpartition(".")[0])})
_RULES_BY_NAME = {f"{ban.home}.{name}": _rule(ban, name) for ban in BANNED for name in ban.names.split()}
