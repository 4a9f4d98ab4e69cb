"""`FileBackend`: where file tools keep files."""

from __future__ import annotations

import functools
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from oris_temporal.graph.errors import ToolError

from ..runtime import Runtime

MOST_FILES = 20_000
"""Files that a walk looks at."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """What a directory has.

    Attributes:
        path: Its path from the root.
        kind: What it is; links are shown, not followed.
        size: Bytes of a file.
    """

    path: str
    kind: Literal["file", "directory", "link", "other"] = "file"
    size: int | None = None


class FileChangedError(Exception):
    """A file is not, or no longer, what its writer took it for."""


class FileBackend(ABC):
    """Files of text by path. Paths are those that `clean_path` makes; the root is the empty one.

    Each tool call works on the backend as `at` makes it ready for that call. What goes wrong is a `ToolError` that tells the model what
    to do.

    Attributes:
        needs_run: Whether `at` needs the run: its state, store or context. If not, workers that do not have the graph may call the tools.
        reads: State fields that `at` needs.
        in_order: Whether the calls of one turn that write have to be made one after the other, for `write` cannot tell what happened
            since `read`.
        state_schema: TypedDict of the state field that has the files, for those that are in the state.
    """

    needs_run: bool = False
    reads: tuple[str, ...] = ()
    in_order: bool = False
    state_schema: type | None = None

    def at(self, runtime: Runtime) -> Self:
        """The backend for one tool call."""
        return self

    def in_state(self, path: str) -> bool:
        """Whether a path, and all beneath it, is in the state of the run, so that calls about it are made in the workflow."""
        return False

    @property
    def update(self) -> Mapping[str, Any]:
        """The state update that what was written asks for."""
        return {}

    @abstractmethod
    async def ls(self, path: str) -> list[FileEntry]:
        """What a directory has, in the order of names."""

    @abstractmethod
    async def walk(self, path: str) -> list[str]:
        """Paths of the files in a directory, at any depth, in the order of names."""

    @abstractmethod
    async def read(self, path: str) -> str:
        """Text of a file."""

    @abstractmethod
    async def write(self, path: str, text: str, *, expected: str | None = None) -> None:
        """Write a whole file, making the directories it lies in.

        Args:
            path: The file.
            text: Its text from now on.
            expected: Its text until now; ``None`` is whatever it has, also none.

        Raises:
            FileChangedError: It has another text than the expected one; nothing was written.
        """


def clean_path(path: str) -> str:
    """A path as backends take it: from the root, without ``.`` and a slash at its ends.

    Raises:
        ToolError: It leads out of the root, or cannot be a path.
    """
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in path:
        raise ToolError(f"{path!r} is not allowed: give a path from the root, without '..'.", kind="permission")
    return "/".join(parts)


def open_files(files: FileBackend | str | os.PathLike[str]) -> FileBackend:
    """A backend, or that of a directory of the worker: for the same directory the same one."""
    return files if isinstance(files, FileBackend) else _directory(os.fspath(files))


@functools.cache
def _directory(path: str) -> FileBackend:
    from .workspace import WorkspaceBackend  # it is a backend itself

    return WorkspaceBackend(path)
