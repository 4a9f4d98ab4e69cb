"""`lint_function`: reads a function and the functions of its package that it calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from types import CodeType
from typing import Any

from .finding import Finding
from .home import Home
from .index import ban_on_calling
from .reader import Reader
from .source import Part, functions_of, node_of

MAX_DEPTH = 5


def lint_function(fn: Callable[..., Any], *, owner: str) -> list[Finding]:
    """Look for calls that a replay cannot repeat, in `fn` and in functions of its package that it calls.

    Nothing is called or imported. Functions without source (builtins, C functions, code typed into a plain
    prompt) give no findings.

    Args:
        fn: Function, lambda, method, `functools.partial`, decorated function, class or callable object.
        owner: Full name to report, ``graph.node``.

    Returns:
        The findings in the order the code is read; at most one for each line and call.
    """
    parts = list(functions_of(fn))
    if not parts:
        return []
    innermost, _ = parts[-1]  # the function itself rather than its decorators
    linter = Linter(owner, Home(innermost))
    linter.follow(parts)
    return linter.findings


def lint_default(factory: Callable[..., Any], *, owner: str) -> list[Finding]:
    """Look for calls that a replay cannot repeat in what makes the default value of a field of the state.

    Args:
        factory: The default factory.
        owner: Full name to report, ``graph (default of Class.field)``.
    """
    rule = ban_on_calling(factory)
    found = lint_function(factory, owner=owner) if rule is None else [Finding(owner, "it", "", 0, rule.call, "")]
    return [replace(finding, remedy=_NO_DEFAULT) for finding in found]


_NO_DEFAULT = "leave the field without a default, and set it in the input or where a node makes the object"


class Linter:
    """Lints functions, each once.

    Attributes:
        owner: Full name to report, ``graph.node``.
        home: The code that is linted; other code is left alone.
    """

    def __init__(self, owner: str, home: Home) -> None:
        self.owner = owner
        self.home = home
        self._seen: set[CodeType] = set()
        self._findings: dict[tuple[str, int, str], Finding] = {}

    @property
    def findings(self) -> list[Finding]:
        """What was found so far, at most one for each line and call."""
        return list(self._findings.values())

    def add(self, finding: Finding) -> None:
        """Add a finding, unless its line and call are reported already."""
        self._findings.setdefault((finding.file, finding.line, finding.call), finding)

    def follow(self, parts: Iterable[Part], via: tuple[str, ...] = ()) -> None:
        """Lint functions that were not linted yet; `via` says which functions lead to them."""
        if len(via) > MAX_DEPTH:
            return
        for fn, receiver in parts:
            code = fn.__code__
            if code in self._seen or not self.home.contains(fn.__module__, code.co_filename):
                continue
            self._seen.add(code)
            node = node_of(fn)
            if node is not None:
                Reader(self, fn, via).read(node, receiver)
