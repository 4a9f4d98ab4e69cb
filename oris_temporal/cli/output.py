"""Where a command's answer goes: text for people, JSON for programs, notes and errors on standard error."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

from oris_temporal.client import RunResult
from oris_temporal.graph.errors import OrisError
from oris_temporal.graph.wire import to_wire

from .style import paint
from .words import printable, printable_json, shortened, with_options


@dataclass(frozen=True, slots=True)
class Output:
    """The outputs of one command.

    Attributes:
        json: Whether the answer is JSON.
        quiet: Whether notes and progress are left out.
    """

    json: bool = False
    quiet: bool = False

    def answer(self, record: Any, text: str) -> None:
        """Print the command's answer.

        Args:
            record: The answer as data: what ``--json`` prints.
            text: The answer for people.
        """
        self._print(record, text, indent=2)

    def item(self, record: Any, text: str) -> None:
        """Print one item of an answer that comes piece by piece; as JSON, one line each."""
        self._print(record, text, indent=None)

    def note(self, text: str) -> None:
        """Tell a person something beside the answer."""
        if not (self.json or self.quiet):
            print(printable(text), file=sys.stderr, flush=True)

    def error(self, error: OrisError) -> None:
        """Report an error: one sentence, or as JSON ``{"error": {"code", "message", "details"}}``."""
        message = with_options(error.message)
        if self.json:
            wire = {"code": error.code, "message": message, "details": to_wire(error.details, "details")}
            text = printable_json(json.dumps({"error": wire}, ensure_ascii=False))
        else:
            text = paint("error: ", "red", sys.stderr) + printable(shortened(message))
        print(text, file=sys.stderr, flush=True)

    def _print(self, record: Any, text: str, *, indent: int | None) -> None:
        if self.json:
            print(printable_json(json.dumps(as_json(record), indent=indent, ensure_ascii=False)), flush=True)
        else:
            print(printable(text), flush=True)


def as_json(record: Any) -> Any:
    """JSON form of a record: its dataclass fields.

    A `RunResult` has no ``state`` here: it is the same as its ``values`` where the graph's classes are not at hand.
    """
    wire = to_wire(record, "answer")
    if isinstance(record, RunResult):
        del wire["state"]
    return wire
