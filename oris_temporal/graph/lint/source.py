"""From a callable to the syntax trees of its functions."""

from __future__ import annotations

import ast
import functools
import linecache
from collections.abc import Iterator
from types import CodeType, FunctionType, MethodType
from typing import Any

from .objects import static_attribute
from .syntax import FunctionNode, decorators
from .values import Known, Made, Value

Part = tuple[FunctionType, Value | None]
"""A Python function, and its first argument where that is known."""


def functions_of(target: Any, receiver: Value | None = None) -> Iterator[Part]:
    """Unwrap partials, methods, decorators, classes and callable objects to functions, outermost first."""
    seen: set[int] = set()
    while target is not None and id(target) not in seen:
        seen.add(id(target))
        if isinstance(target, functools.partial):
            target, receiver = target.func, None
        elif isinstance(target, MethodType):
            target, receiver = target.__func__, Known(target.__self__)
        elif isinstance(target, staticmethod | classmethod):
            target = target.__func__
        elif isinstance(target, FunctionType):
            yield target, receiver
            target = target.__dict__.get("__wrapped__")
        elif isinstance(target, type):
            inits = (static_attribute(target, name) for name in ("__init__", "__post_init__"))
            yield from ((init, Made(target)) for init in inits if isinstance(init, FunctionType))
            return
        elif (wrapped := static_attribute(target, "__wrapped__")) is not None:  # functools.cache and the like
            target = wrapped
        else:
            call = static_attribute(type(target), "__call__")
            target, receiver = (call, Known(target)) if isinstance(call, FunctionType) else (None, None)


def node_of(fn: FunctionType) -> FunctionNode | None:
    """Find the syntax tree of a function; None without source, or when the source is no longer the code's."""
    code = fn.__code__
    linecache.checkcache(code.co_filename)
    source = "".join(linecache.getlines(code.co_filename, fn.__globals__))
    found = [node for node in _nodes_by_line(source).get(code.co_firstlineno, ()) if _fits(node, code)]
    if len(found) > 1:  # several lambdas on one line; the innermost one around the code is the code's
        found = sorted((node for node in found if _spans(node, code)), key=_size)
    return found[0] if found else None


@functools.lru_cache(maxsize=16)
def _nodes_by_line(source: str) -> dict[int, list[FunctionNode]]:
    """Index the functions of a file by the line that their code objects name as the first."""
    nodes: dict[int, list[FunctionNode]] = {}
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return nodes
    for node in ast.walk(tree):
        if isinstance(node, FunctionNode):
            first = min([node.lineno, *(decorator.lineno for decorator in decorators(node))])
            nodes.setdefault(first, []).append(node)
    return nodes


def _fits(node: FunctionNode, code: CodeType) -> bool:
    name = "<lambda>" if isinstance(node, ast.Lambda) else node.name
    positional = len(node.args.posonlyargs) + len(node.args.args)
    counts = (code.co_name, code.co_argcount, code.co_kwonlyargcount)
    return counts == (name, positional, len(node.args.kwonlyargs))


def _spans(node: FunctionNode, code: CodeType) -> bool:
    """Whether all instructions of `code` come from the body of this lambda."""
    if not isinstance(node, ast.Lambda):
        return True
    start = (node.body.lineno, node.body.col_offset)
    end = (node.body.end_lineno or 0, node.body.end_col_offset or 0)
    # Instructions that set the frame up have no place of their own: a width of nothing.
    places = [(a, b, c, d) for a, b, c, d in code.co_positions() if a and b and c is not None and d and c != d]
    return bool(places) and all(start <= (a, c) and (b, d) <= end for a, b, c, d in places)


def _size(node: FunctionNode) -> tuple[int, int]:
    return (node.end_lineno or 0) - node.lineno, (node.end_col_offset or 0) - node.col_offset
