"""`Names`: from the expressions of a function to values."""

from __future__ import annotations

import ast
import builtins
import importlib.util
import os
from types import FunctionType

from .scope import Import, Scope
from .syntax import is_number
from .values import Known, Made, Value, attribute_of, known, module_named, returned_by


class Names:
    """Resolves the expressions of one function to values.

    Attributes:
        scopes: The scopes around the expression, outermost first.
    """

    def __init__(self, fn: FunctionType) -> None:
        self.scopes: list[Scope] = []
        self._globals = fn.__globals__
        self._cells = dict(zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True))
        self._resolving: set[tuple[int, str]] = set()

    def resolve(self, node: ast.AST | None) -> Value | None:
        """What an expression stands for; None if that is not known."""
        match node:
            case ast.Name(id=name):
                return self._name(name)
            case ast.Attribute(value=base, attr=attr):
                return attribute_of(self.resolve(base), attr)
            case ast.Call(func=func):
                return self._result(self.resolve(func))
            case ast.NamedExpr(value=value):
                return self.resolve(value)
            case ast.Set(elts=elements):
                return None if all(is_number(element) for element in elements) else Made(set)
            case ast.SetComp():
                return Made(set)
            case ast.BinOp(left=left, op=op):
                return self._operation(self.resolve(left), op)
        return None

    def _result(self, callee: Value | None) -> Value | None:
        if not isinstance(callee, Known):
            return None
        return Made(callee.obj) if isinstance(callee.obj, type) else returned_by(callee.obj)

    def _operation(self, left: Value | None, op: ast.operator) -> Value | None:
        cls = left.cls if isinstance(left, Made) else type(left.obj) if isinstance(left, Known) else object
        of_sets = isinstance(op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor) and cls in (set, frozenset)
        of_paths = isinstance(op, ast.Div) and issubclass(cls, os.PathLike)
        return Made(cls) if of_sets or of_paths else None

    def _name(self, name: str) -> Value | None:
        for scope in reversed(self.scopes):
            if name in scope.globals:
                return self._global(name)
            if name in scope.bindings:
                return self._local(scope, name)
        if name not in self._cells:
            return self._global(name)
        try:
            return known(self._cells[name].cell_contents)
        except ValueError:  # not assigned yet
            return None

    def _global(self, name: str) -> Value | None:
        for namespace in (self._globals, vars(builtins)):
            if name in namespace:
                return known(namespace[name])
        return None

    def _local(self, scope: Scope, name: str) -> Value | None:
        """Follow a local name to its value if it is bound in one place only."""
        if name in scope.known:
            return scope.known[name]
        token = (id(scope), name)
        if len(scope.bindings[name]) != 1 or token in self._resolving:
            return None
        binding = scope.bindings[name][0]
        if isinstance(binding, Import):
            return self._imported(binding)
        self._resolving.add(token)
        try:
            return self.resolve(binding)
        finally:
            self._resolving.discard(token)

    def _imported(self, imported: Import) -> Value | None:
        module = imported.module
        if imported.level:
            package = self._globals.get("__package__") or ""
            try:
                module = importlib.util.resolve_name("." * imported.level + module, package)
            except ImportError:
                return None
        found = module_named(module)
        return found if imported.name is None else attribute_of(found, imported.name)

    def variable_outside(self, name: str) -> str | None:
        """Say which kind of variable outside of the function an assignment to `name` changes, if any."""
        if name in self.scopes[-1].globals:
            return "global"
        if name in self.scopes[-1].nonlocals and not any(name in scope.bindings for scope in self.scopes):
            return "enclosing"
        return None
