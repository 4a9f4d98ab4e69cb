"""`Finding`: what the lint reports."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a workflow-side function does and a replay cannot repeat.

    Attributes:
        owner: Full name of the node, router or reducer, ``graph.node``.
        function: Name of the function the line belongs to.
        file: Path of its source file; empty where there is no line to point at.
        line: Line number in that file, counted from 1.
        call: What is called, by its real name, such as ``time.time()``.
        remedy: What to do instead.
        verb: What the function does with it: "calls", "reads", "assigns" or "iterates over".
        via: Functions that lead from the owner's function to this one, outermost first.
    """

    owner: str
    function: str
    file: str
    line: int
    call: str
    remedy: str
    verb: str = "calls"
    via: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = self.function
        if self.file:
            place += f" at {os.path.basename(self.file)}:{self.line}"
        if self.via:
            place += f", called from {' -> '.join(self.via)},"
        return f"{self.owner}: {place} {self.verb} {self.call}, which a replay cannot repeat; {self.remedy}."
