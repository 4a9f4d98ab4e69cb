"""`FileBackend`: where file tools keep files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from oris_temporal.graph.errors import ToolError


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


class FileBackend(Protocol):
    """Files of text by path. Paths are those that `clean_path` makes; the root is the empty one.

    What goes wrong is a `ToolError` that tells the model what to do.
    """

    async def ls(self, path: str) -> list[FileEntry]:
        """What a directory has, in the order of names."""

    async def walk(self, path: str) -> list[str]:
        """Paths of the files in a directory, at any depth, in the order of names."""

    async def read(self, path: str) -> str:
        """Text of a file."""

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
