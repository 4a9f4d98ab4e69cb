"""Where a tool over files runs: that follows from its backend."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from oris_temporal.graph.errors import ToolError

from ..tool import Tool
from .backend import FileBackend, clean_path


def on_files(
    made: Tool,
    backend: FileBackend,
    *,
    writes: bool = False,
    paths: Callable[[Mapping[str, Any]], Iterable[str]] = lambda args: [args.get("path", "")],
) -> Tool:
    """A tool over files, to be run where they are reached: calls about files of the state in the workflow, others as activities.

    Args:
        made: The tool.
        backend: The backend it works on.
        writes: Whether it writes.
        paths: The paths that a call is about, by its arguments.
    """
    if backend.in_state(""):
        return replace(made, run_as="workflow", reads=backend.reads)

    def here(args: Mapping[str, Any]) -> bool:
        try:
            return all(backend.in_state(clean_path(path)) for path in paths(args))
        except ToolError:  # which the call is going to raise
            return True

    return replace(
        made,
        reads=backend.reads,
        detached=not backend.needs_run,
        here=here if backend.state_schema is not None else None,
        in_order=writes and backend.in_order,
    )
