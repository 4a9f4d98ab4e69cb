"""The build id of a set of graphs: what a worker deployment is called that serves them."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
from collections.abc import Callable, Iterable
from types import CodeType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .compiled import CompiledGraph

_CHARACTERS = 16


def build_id(graphs: Iterable[CompiledGraph]) -> str:
    """Build id for workers that serve these graphs: another one if a run might not go on with the other's code.

    It follows from the graphs' digests and from the bytecode of their workflow-side functions (nodes with a `Context`, routers,
    reducers, mappings), not from activity nodes, which may change at any time. Functions that those call are not looked at.

    Args:
        graphs: The graphs, in any order. Their subgraphs are part of them.

    Returns:
        16 hexadecimal digits.
    """
    found = {item.name: item for graph in graphs for item in (graph, *graph.subgraphs())}
    parts = [
        [name, found[name].digest, [[owner, _fingerprint(fn)] for owner, fn in found[name].workflow_side()]]
        for name in sorted(found)
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:_CHARACTERS]


def _fingerprint(fn: Callable[..., Any]) -> Any:
    target: Any = inspect.unwrap(fn)
    while isinstance(target, functools.partial):
        target = target.func
    code = getattr(target, "__code__", None) or getattr(
        inspect.getattr_static(type(target), "__call__", None), "__code__", None
    )
    return _code(code) if code is not None else f"{target.__module__}.{target.__qualname__}"


def _code(code: CodeType) -> list[Any]:
    constants = [_code(item) if isinstance(item, CodeType) else repr(item) for item in code.co_consts]
    return [code.co_code.hex(), constants, list(code.co_names), list(code.co_varnames)]
