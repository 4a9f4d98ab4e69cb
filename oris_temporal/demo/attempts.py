"""The log in which the demo's nodes and tools note every attempt: evidence of what ran, how often, and in which process."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

_FILE = "attempts.jsonl"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log.

    Attributes:
        node: The node, or the tool and the call.
        event: ``started``, ``finished``, or ``note`` for anything on the way.
        pid: Process that ran it.
        text: Text of a note.
    """

    node: str
    event: Literal["started", "note", "finished"]
    pid: int
    text: str = ""


class Attempt:
    """One attempt at a node.

    Args:
        node: The node.
        directory: Directory of the log.
    """

    def __init__(self, node: str, directory: str | Path) -> None:
        self._node = node
        self._path = Path(directory) / _FILE

    def note(self, text: str) -> None:
        """Note how far it got."""
        self.write("note", text)

    def write(self, event: Literal["started", "note", "finished"], text: str = "") -> None:
        """Add an entry; one write each, so that entries of nodes that run in parallel do not mix."""
        line = json.dumps(asdict(Entry(self._node, event, os.getpid(), text))) + "\n"
        with self._path.open("ab", buffering=0) as file:
            file.write(line.encode())


@contextmanager
def attempt(node: str, directory: str | Path) -> Iterator[Attempt]:
    """Note that an attempt starts and, if it does not fail, that it finished."""
    work = Attempt(node, directory)
    work.write("started")
    yield work
    work.write("finished")


def read_attempts(directory: str | Path) -> list[Entry]:
    """The log, oldest first."""
    path = Path(directory) / _FILE
    return [Entry(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def count_attempts(entries: Sequence[Entry]) -> dict[str, dict[str, int]]:
    """How often each node ``started`` and ``finished``."""
    counts: dict[str, dict[str, int]] = {}
    for entry in entries:
        count = counts.setdefault(entry.node, {"started": 0, "finished": 0})
        if entry.event in count:
            count[entry.event] += 1
    return counts


def first_note(directory: str | Path) -> Entry | None:
    """The first note of any node, once there is one."""
    return next((entry for entry in read_attempts(directory) if entry.event == "note"), None)


def ran_again(entries: Sequence[Entry]) -> list[str]:
    """What started once more after it had finished; Temporal sees to it that there is none."""
    finished: set[str] = set()
    again: dict[str, None] = {}
    for entry in entries:
        if entry.event == "started" and entry.node in finished:
            again[entry.node] = None
        elif entry.event == "finished":
            finished.add(entry.node)
    return list(again)
