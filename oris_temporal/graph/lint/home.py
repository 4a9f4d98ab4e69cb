"""`Home`: which code is the user's own, and not a library's."""

from __future__ import annotations

import os
from types import FunctionType


class Home:
    """The package, file and directory of a function: the code that is linted with it."""

    def __init__(self, fn: FunctionType) -> None:
        self._file = fn.__code__.co_filename
        self._package = _package(fn.__module__)

    def contains(self, module: str | None, file: str | None = None) -> bool:
        """Whether code is of this package, file or directory."""
        if file is not None and (file == self._file or _side_by_side(file, self._file)):
            return True
        return _package(module) == self._package not in ("", "__main__")


def _package(module: str | None) -> str:
    return (module or "").partition(".")[0]


def _side_by_side(file: str, home: str) -> bool:
    """Whether two files form a program without packages: modules in one directory of the user."""
    directory = os.path.dirname(home)
    if not directory or os.path.dirname(file) != directory:
        return False
    installed = os.path.basename(directory) in ("site-packages", "dist-packages")
    return not installed and directory != os.path.dirname(os.__file__)
