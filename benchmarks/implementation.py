"""What the benchmark asks of an implementation, and where to find each."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol

from temporalio.client import Client
from temporalio.worker import Replayer, Worker

from .work import Row, State


class Implementation(Protocol):
    """One way to do the work of all rows.

    Attributes:
        title: Name in the report.
    """

    title: str

    def rows(self) -> frozenset[str] | None:
        """Names of the rows it does; ``None`` for all."""

    def worker(self, client: Client, task_queue: str) -> Worker:
        """A worker for all rows, not started."""

    def replayer(self) -> Replayer:
        """A replayer for the histories of all rows."""

    async def run(self, client: Client, task_queue: str, row: Row, id: str) -> State | Any:
        """Start a run as its users would, answer what it asks and return its final state."""


IMPLEMENTATIONS = {
    "ours": "benchmarks.ours:Ours",
    "handwritten": "benchmarks.handwritten:HandWritten",
    "handwritten-uws": "benchmarks.handwritten:HandWrittenUpdateWithStart",
    "handwritten-inbox": "benchmarks.handwritten:HandWrittenInbox",
    "handwritten-defaults": "benchmarks.handwritten:HandWrittenDefaults",
    "langgraph": "benchmarks.langgraph_plugin:LangGraphOfficial",
    "langgraph-inline": "benchmarks.langgraph_plugin:LangGraphInlineApproval",
}
"""Where each is, by its name on the command line."""


def load(name: str) -> Implementation:
    """An implementation by name.

    Raises:
        ModuleNotFoundError: A package it needs is not installed.
    """
    module, _, attribute = IMPLEMENTATIONS[name].partition(":")
    made: Implementation = getattr(import_module(module), attribute)()
    return made
