"""Small questions about syntax trees."""

from __future__ import annotations

import ast

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def decorators(node: FunctionNode) -> list[ast.expr]:
    """The decorators of a function."""
    return [] if isinstance(node, ast.Lambda) else node.decorator_list


def parameters(arguments: ast.arguments) -> list[str]:
    """The names of a function's parameters."""
    extra = [arg for arg in (arguments.vararg, arguments.kwarg) if arg]
    return [arg.arg for arg in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *extra)]


def has_splats(node: ast.Call) -> bool:
    """Whether a call passes arguments that cannot be counted."""
    return any(isinstance(arg, ast.Starred) for arg in node.args) or any(k.arg is None for k in node.keywords)


def is_number(node: ast.expr) -> bool:
    """Whether this is a number: those hash the same in every process, text does not."""
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def is_text(node: ast.expr) -> bool:
    """Whether this is a literal text."""
    return isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
