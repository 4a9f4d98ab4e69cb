"""Calling the command line as people do: in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
T = TypeVar("T")


@dataclass
class Answer:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The error object of ``--json``."""
        return json.loads(self.err.splitlines()[-1])["error"]


def eventually(ask: Callable[[], T], seconds: float = 30) -> T:
    """Ask until the result is true."""
    end = time.monotonic() + seconds
    while not (result := ask()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
    return result


def clean_environment(**more: str) -> dict[str, str]:
    """This environment without settings of Temporal's, of model providers or ours, and with the package on the path."""
    theirs = ("TEMPORAL_", "ORIS_", "OPENAI_", "ANTHROPIC_", "CLAUDE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
    for name in ("CRASH", "COLUMNS"):
        kept.pop(name, None)
    path = os.pathsep.join(filter(None, [str(ROOT), kept.get("PYTHONPATH")]))
    return {**kept, "PYTHONPATH": path, "TEMPORAL_CONFIG_FILE": os.devnull, "TERM": "xterm", **more}


def arguments(*args: str) -> list[str]:
    return [sys.executable, "-m", "oris_temporal.cli", *args]


@dataclass
class Program:
    """A command that runs in a process of its own, with everything it starts marked in the environment."""

    process: subprocess.Popen[str]
    mark: str

    def line(self) -> str:
        """The next line of its standard output."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def ends(self, seconds: float = 60) -> Answer:
        """Wait for its end."""
        out, err = self.process.communicate(timeout=seconds)
        return Answer(self.process.returncode, out, err)

    def stop(self, number: int = signal.SIGINT) -> Answer:
        """Stop it, as Ctrl-C does, and wait for its end."""
        self.process.send_signal(number)
        return self.ends()

    @property
    def family(self) -> list[int]:
        """Processes that are alive of those that it started, itself included."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() in (place / "environ").read_bytes():
                    found.append(int(place.name))
            except OSError:
                continue
        return found


Start = Callable[..., Program]
