"""`Reader`: goes through the body of one function."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Sequence
from dataclasses import is_dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from .bans import ANY, SETTING, SORT, STATE
from .finding import Finding
from .index import Rule, ban_on_calling, ban_on_name, remedy_for_using
from .names import Names
from .scope import Scope
from .source import functions_of
from .syntax import Comprehension, FunctionNode, decorators, has_splats, is_number, is_text, parameters
from .values import Known, Made, Unloaded, Value

if TYPE_CHECKING:
    from .linter import Linter

_ORDERING: tuple[object, ...] = (list, tuple, enumerate, iter)  # a set given to these yields its order
_ORDER_FREE: tuple[object, ...] = (sorted, set, frozenset, len, sum, min, max, any, all)  # these forget it


class Reader:
    """Reads the body of one function.

    Args:
        linter: Takes the findings, and the functions that this one calls.
        fn: The function.
        via: Functions that lead to it, outermost first.
    """

    def __init__(self, linter: Linter, fn: FunctionType, via: tuple[str, ...]) -> None:
        self._linter = linter
        self._fn = fn
        self._via = via
        self._names = Names(fn)
        self._order_lost: set[int] = set()

    def read(self, node: FunctionNode, receiver: Value | None = None) -> None:
        """Read a function; what its defaults and decorators do happened when it was defined."""
        body = [node.body] if isinstance(node, ast.Lambda) else node.body
        scope = Scope(body, parameters(node.args))
        first = [*node.args.posonlyargs, *node.args.args][:1]
        if receiver is not None and first and len(scope.bindings[first[0].arg]) == 1:
            scope.known[first[0].arg] = receiver
        self._inside(scope, body)

    def _inside(self, scope: Scope, body: Sequence[ast.AST]) -> None:
        self._names.scopes.append(scope)
        for node in body:
            self._visit(node)
        self._names.scopes.pop()

    def _children(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            self._visit(child)

    def _visit(self, node: ast.AST) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                self._inner_function(node)
            case ast.ClassDef():
                self._inside(Scope(node.body), [*node.decorator_list, *node.bases, *node.keywords, *node.body])
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                self._comprehension(node)
            case ast.AnnAssign(target=target, value=value):  # a local annotation is not evaluated
                for child in (target, value) if value else (target,):
                    self._visit(child)
            case ast.Name():
                self._name(node)
            case ast.Attribute():
                self._environment(node)
                self._children(node)
            case ast.For():
                self._iteration(node.iter)
                self._children(node)
            case ast.Call():
                self._call(node)
                self._children(node)
            case _:
                self._children(node)

    def _inner_function(self, node: FunctionNode) -> None:
        for outer in (*decorators(node), *node.args.defaults, *node.args.kw_defaults):
            if outer is not None:
                self._visit(outer)
        self.read(node)

    def _comprehension(self, node: Comprehension) -> None:
        if isinstance(node, ast.ListComp) and id(node) not in self._order_lost:
            for generator in node.generators:
                self._iteration(generator.iter)
        targets = [name for generator in node.generators for name in ast.walk(generator.target)]
        scope = Scope(names=[name.id for name in targets if isinstance(name, ast.Name)])
        self._inside(scope, list(ast.iter_child_nodes(node)))

    def _report(self, node: ast.expr, verb: str, call: str, remedy: str) -> None:
        file, function = self._fn.__code__.co_filename, _display(self._fn)
        self._linter.add(Finding(self._linter.owner, function, file, node.lineno, call, remedy, verb, self._via))

    def _name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._environment(node)
        elif kind := self._names.variable_outside(node.id):
            self._report(node, "assigns", f"the {kind} variable {node.id!r}", STATE)

    def _environment(self, node: ast.expr) -> None:
        value = self._names.resolve(node)
        if isinstance(value, Known) and value.obj is os.environ:
            self._report(node, "reads", "os.environ", SETTING)

    def _iteration(self, node: ast.expr) -> None:
        match self._names.resolve(node):
            case Made(cls) if cls in (set, frozenset):
                unordered = True
            case Known(set() | frozenset() as found):
                unordered = not all(isinstance(element, int | float) for element in found)
            case _:
                unordered = False
        if unordered:
            self._report(node, "iterates over", "a set", SORT)

    def _call(self, node: ast.Call) -> None:
        callee = self._names.resolve(node.func)
        rule = _ban_on(callee)
        if rule is not None and _applies(rule, node):
            self._report(node, "calls", rule.call, rule.remedy)
        elif (remedy := self._remedy_for_owner(node.func)) is not None:
            self._report(node, "calls", f"{ast.unparse(node.func)}()", remedy)
        elif isinstance(callee, Known):
            self._order(node, callee.obj)
            self._defaults(node, callee.obj)
            self._descend(callee)
        elif isinstance(node.func, ast.Attribute) and node.func.attr == "join" and is_text(node.func.value):
            self._ordered(node)

    def _remedy_for_owner(self, node: ast.expr) -> str | None:
        """What to do instead of using the client, generator or pool from outside that a method belongs to."""
        value = self._names.resolve(node)
        remedy = remedy_for_using(value.obj) if isinstance(value, Known) else None
        if remedy is None and isinstance(node, ast.Attribute):
            return self._remedy_for_owner(node.value)
        return remedy

    def _order(self, node: ast.Call, callee: Any) -> None:
        if any(callee is fn for fn in _ORDER_FREE):
            self._order_lost.update(id(arg) for arg in node.args)
        elif any(callee is fn for fn in _ORDERING):
            self._ordered(node)

    def _ordered(self, node: ast.Call) -> None:
        if node.args and id(node) not in self._order_lost:
            self._iteration(node.args[0])

    def _defaults(self, node: ast.Call, callee: Any) -> None:
        """Follow the default factories that run when an object of a class of the user is created."""
        if not isinstance(callee, type) or not self._linter.home.contains(callee.__module__):
            return
        for field, factory in _default_factories(callee, node):
            rule = ban_on_calling(factory)
            if rule is not None:
                self._report(node, "calls", f"{rule.call} for {callee.__name__}.{field}", rule.remedy)
            else:
                self._descend(Known(factory))

    def _descend(self, callee: Known) -> None:
        parts = functions_of(callee.obj, callee.receiver)
        self._linter.follow(parts, via=(*self._via, _display(self._fn)))


def _ban_on(callee: Value | None) -> Rule | None:
    match callee:
        case Known(obj):
            return ban_on_calling(obj)
        case Unloaded(dotted):
            return ban_on_name(dotted)
    return None


def _display(fn: FunctionType) -> str:
    name = fn.__qualname__.rpartition("<locals>.")[2]
    return "a lambda" if name.endswith("<lambda>") else f"{name}()"


def _applies(rule: Rule, node: ast.Call) -> bool:
    if rule.call == "hash()" and node.args and is_number(node.args[0]):
        return False
    if rule.below == ANY:
        return True
    values = [*node.args, *(keyword.value for keyword in node.keywords)]
    given = sum(not (isinstance(value, ast.Constant) and value.value is None) for value in values)
    return given < rule.below and not has_splats(node)


def _default_factories(cls: type, node: ast.Call) -> Iterator[tuple[str, Any]]:
    """Yield the default factories of the fields of a dataclass or Pydantic model that a call leaves out."""
    given = {keyword.arg for keyword in node.keywords}
    if has_splats(node):
        return
    if is_dataclass(cls):
        fields = [field for field in cls.__dataclass_fields__.values() if field.init]
        for field in fields[len(node.args) :]:
            if field.name not in given and callable(field.default_factory):
                yield field.name, field.default_factory
    elif issubclass(cls, BaseModel):
        for name, info in cls.model_fields.items():
            if info.default_factory is not None and name not in given and info.alias not in given:
                yield name, info.default_factory
