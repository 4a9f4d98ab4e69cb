"""A terminal for tests: a command that believes that a person sits in front of it."""

from __future__ import annotations

import os
import pty
import re
import select
import time
from types import TracebackType
from typing import Self

from cli_harness import Program, Start

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A command at a terminal.

    Args:
        launch: Starts it.
        args: Its arguments.
    """

    def __init__(self, launch: Start, *args: str, **options: object) -> None:
        self._master, slave = pty.openpty()
        self.program: Program = launch(*args, stdin=slave, stdout=slave, stderr=slave, **options)
        os.close(slave)
        self._raw = b""

    @property
    def screen(self) -> str:
        """All that was printed, without colours and cursor movements."""
        return _ESCAPES.sub("", self._raw.decode(errors="replace")).replace("\r\n", "\n")

    def until(self, text: str, seconds: float = 60) -> str:
        """Read until the text appears."""
        end = time.monotonic() + seconds
        while text not in self.screen:
            assert time.monotonic() < end, f"{text!r} did not appear in: {self.screen}"
            assert self._read() or text in self.screen, f"it ended without {text!r}: {self.screen}"
        return self.screen

    def type(self, text: str) -> None:
        """Type something."""
        os.write(self._master, text.encode())

    def ends(self, seconds: float = 60) -> int:
        """Read to the end; the exit code."""
        end = time.monotonic() + seconds
        while self._read():
            assert time.monotonic() < end, f"it did not end: {self.screen}"
        return self.program.process.wait(seconds)

    def _read(self) -> bool:
        """Read a piece; False at the end."""
        if not select.select([self._master], [], [], 1)[0]:
            return True
        try:
            piece = os.read(self._master, 65536)
        except OSError:  # Linux says so when the other side is closed
            return False
        self._raw += piece
        return bool(piece)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._master)
