"""`ServerLog`: where the server's output goes."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import IO


class ServerLog:
    """The log of a server.

    Args:
        path: File to append to; its directory is made if needed. None keeps the log until it is closed.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def open(self) -> IO[bytes]:
        """Open it, anew if it is open, for the server to write to."""
        self.close()
        if self._path is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the server runs
        else:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab+")
        return self._file

    def close(self) -> None:
        """Close it, if it is open."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def tail(self, size: int = 4096) -> bytes:
        """Its last bytes; none if it is closed."""
        if self._file is None:
            return b""
        # The child shares this file's offset, so read by position instead of seeking.
        descriptor = self._file.fileno()
        end = os.fstat(descriptor).st_size
        return os.pread(descriptor, size, max(0, end - size))
