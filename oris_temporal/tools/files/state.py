"""`StateBackend`: files in the state of a thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired

from typing_extensions import TypedDict

from oris_temporal.graph.errors import ToolError

from ..runtime import Runtime
from .backend import FileBackend, FileChangedError, FileEntry, clean_path
from .flat import check_file, is_directory, list_paths, missing, walk_paths

FILES = "files"
"""The state field that has the files."""


def merge_files(files: dict[str, str], update: dict[str, str | None]) -> dict[str, str]:
    """Reducer: file by file; ``None`` removes one."""
    changed = {clean_path(path): text for path, text in update.items()}
    kept = {path: text for path, text in files.items() if path not in changed}
    return {**kept, **{path: text for path, text in changed.items() if text is not None}}


class FilesState(TypedDict):
    """State of graphs with a `StateBackend`.

    Attributes:
        files: Texts by path.
    """

    files: NotRequired[Annotated[dict[str, str], merge_files]]


class StateBackend(FileBackend):
    """Files in the state field ``files`` of the thread: every checkpoint has them, and a replay or a fork goes on with those of its own.

    Calls about them are made in the workflow, one after the other, and cost no activity. The graph's state needs the field, as
    `FilesState` has it; agents get it from their middleware.

    Args:
        max_bytes: Bytes that the files may have together. The state of a run may have 2 MB.
    """

    needs_run = True
    reads = (FILES,)
    state_schema = FilesState

    def __init__(self, *, max_bytes: int = 1_000_000) -> None:
        self._max_bytes = max_bytes
        self._files: dict[str, str] = {}
        self._written: dict[str, str] = {}

    def at(self, runtime: Runtime) -> StateBackend:
        """See `FileBackend.at`."""
        state = runtime.state
        files = state.get(FILES) if isinstance(state, Mapping) else getattr(state, FILES, None)
        opened = StateBackend(max_bytes=self._max_bytes)
        opened._files = dict(files or {})
        return opened

    def in_state(self, path: str) -> bool:
        """See `FileBackend.in_state`."""
        return True

    @property
    def update(self) -> Mapping[str, Any]:
        """See `FileBackend.update`."""
        return {FILES: self._written} if self._written else {}

    async def ls(self, path: str) -> list[FileEntry]:
        """See `FileBackend.ls`."""
        return list_paths({name: _size(text) for name, text in self._files.items()}, path)

    async def walk(self, path: str) -> list[str]:
        """See `FileBackend.walk`."""
        return walk_paths(self._files, path)

    async def read(self, path: str) -> str:
        """See `FileBackend.read`."""
        if path in self._files:
            return self._files[path]
        if not path or any(name.startswith(f"{path}/") for name in self._files):
            raise is_directory(path)
        raise missing(path)

    async def write(self, path: str, text: str, *, expected: str | None = None) -> None:
        """See `FileBackend.write`."""
        check_file(self._files, path)
        if expected is not None and self._files.get(path) != expected:
            raise FileChangedError(path)
        others = sum(_size(other) for name, other in self._files.items() if name != path)
        if others + _size(text) > self._max_bytes:
            raise ToolError(
                f"{path} was not written: all files together may have {self._max_bytes:,} bytes; the others have {others:,}, and this "
                f"one would have {_size(text):,}. Write less, or shorten another file.",
                kind="invalid_input",
            )
        self._files[path] = self._written[path] = text


def _size(text: str) -> int:
    return len(text.encode(errors="replace"))
