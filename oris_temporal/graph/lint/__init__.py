"""Determinism lint: finds calls in workflow-side functions that a replay cannot repeat.

Workflow-side code (nodes that take a `Context`, routers, reducers, defaults of the state) runs again, from the start, whenever
Temporal replays a run. The lint reads the source of such a function and resolves every name in it to the real
object, through globals, closures, attributes and imports: an alias of `time.time` is found, and a user's own
object called ``random`` is left alone. What does not resolve is not reported; the runtime guard and replay
tests stand behind this lint.
"""

from .bans import BANNED
from .finding import Finding
from .linter import MAX_DEPTH, lint_default, lint_function

__all__ = ["BANNED", "MAX_DEPTH", "Finding", "lint_default", "lint_function"]
