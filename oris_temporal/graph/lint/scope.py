"""`Scope`: the names that a piece of code binds."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import NamedTuple

from .values import Value


class Import(NamedTuple):
    """What an import binds a name to: a module, or a name in it."""

    module: str
    name: str | None
    level: int


Binding = ast.expr | Import | None
"""What a name is bound to; None where that does not matter."""


class Scope:
    """The names that one function, class body or comprehension binds.

    Args:
        body: Its code.
        names: Names that it binds besides, such as parameters.

    Attributes:
        bindings: All bindings of each name.
        known: Values of names that are known otherwise.
        globals: Names that it declares global.
        nonlocals: Names that it declares nonlocal.
    """

    def __init__(self, body: Sequence[ast.AST] = (), names: Sequence[str] = ()) -> None:
        self.bindings: dict[str, list[Binding]] = {name: [None] for name in names}
        self.known: dict[str, Value] = {}
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()
        for node in body:
            self._collect(node)
        for name in self.globals | self.nonlocals:
            self.bindings.pop(name, None)

    def _bind(self, name: str | None, binding: Binding = None) -> None:
        if name is not None:
            self.bindings.setdefault(name, []).append(binding)

    def _collect(self, node: ast.AST) -> None:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.NamedExpr(target=ast.Name(id=name), value=value)
            ):
                self._bind(name, value)
                self._collect(value)
            case ast.AnnAssign(target=target, value=assigned):
                self._collect(target)
                if assigned is not None:
                    self._collect(assigned)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                self._bind(name)
            case ast.Lambda():
                pass
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                for inner in ast.walk(node):  # of a comprehension, only `:=` binds out here
                    if isinstance(inner, ast.NamedExpr):
                        self._bind(inner.target.id)
            case _:
                self._collect_plain(node)
                for child in ast.iter_child_nodes(node):
                    self._collect(child)

    def _collect_plain(self, node: ast.AST) -> None:
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                self._bind(name)
            case ast.ExceptHandler(name=name) | ast.MatchAs(name=name) | ast.MatchStar(name=name):
                self._bind(name)
            case ast.MatchMapping(rest=name):
                self._bind(name)
            case ast.Global(names=names):
                self.globals.update(names)
            case ast.Nonlocal(names=names):
                self.nonlocals.update(names)
            case ast.Import(names=aliases):
                for alias in aliases:
                    module = alias.name if alias.asname else alias.name.partition(".")[0]
                    self._bind(alias.asname or module, Import(module, None, 0))
            case ast.ImportFrom(module=source, names=aliases, level=level):
                for alias in aliases:
                    self._bind(alias.asname or alias.name, Import(source or "", alias.name, level))
