"""`WorkspaceBackend`: file tools over a directory of the worker."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar, cast

from oris_temporal.graph.errors import ConfigurationError, ToolError
from oris_temporal.graph.execution import in_thread

from .backend import MOST_FILES, FileBackend, FileChangedError, FileEntry

T = TypeVar("T")

_PART = ".oris-part-"
_SKIPPED = frozenset({".git"})
_IS_LINK = (errno.ELOOP, errno.ENOTDIR)


class WorkspaceBackend(FileBackend):
    """A directory of the worker that file tools do not get out of.

    No link is followed, wherever it leads, and each part of a path is opened from its directory, so that nothing that changes
    meanwhile leads out of it either. Files are replaced whole. ``.git`` is not walked through.

    Args:
        root: The directory; it is made if it is not there.
        max_bytes: Largest file that is read or written.

    Raises:
        ConfigurationError: This system cannot open a path part by part (Windows).
    """

    def __init__(self, root: str | os.PathLike[str], *, max_bytes: int = 10_000_000) -> None:
        if sys.platform == "win32":
            raise ConfigurationError("WorkspaceBackend needs a POSIX system: its sandbox opens paths from directories.")
        self._root = Path(root)
        self._max_bytes = max_bytes

    async def ls(self, path: str) -> list[FileEntry]:
        """See `FileBackend.ls`."""
        return await self._do(path, lambda: self._list(path))

    async def walk(self, path: str) -> list[str]:
        """See `FileBackend.walk`."""
        return await self._do(path, lambda: self._walk(path))

    async def read(self, path: str) -> str:
        """See `FileBackend.read`."""
        return await self._do(path, lambda: self._read(path))

    async def write(self, path: str, text: str, *, expected: str | None = None) -> None:
        """See `FileBackend.write`."""
        await self._do(path, lambda: self._write(path, text, expected))

    async def _do(self, path: str, work: Callable[[], T]) -> T:
        shown = path or "the root"
        try:
            return cast("T", await in_thread(None, work))
        except FileNotFoundError:
            raise ToolError(f"There is no {shown}. Look for it with ls or glob.", kind="not_found") from None
        except IsADirectoryError:
            raise ToolError(f"{shown} is a directory. Use ls, or name a file in it.", kind="invalid_input") from None
        except UnicodeDecodeError:
            raise ToolError(f"{shown} is no text (UTF-8), so it cannot be read.", kind="invalid_input") from None
        except OSError as error:
            if error.errno in _IS_LINK:
                raise ToolError(
                    f"{shown} is a link, or goes through a link or a file as if it were a directory, which is not allowed.",
                    kind="permission",
                ) from None
            kind = "permission" if isinstance(error, PermissionError) else "execution"
            raise ToolError(f"{shown} cannot be used: {error.strerror}.", kind=kind) from None

    # --- in a thread ---------------------------------------------------------------------------------------------

    @contextmanager
    def _directory(self, path: str, *, make: bool = False) -> Iterator[int]:
        """A directory, opened from the root part by part."""
        self._root.mkdir(parents=True, exist_ok=True)
        directory = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for part in filter(None, path.split("/")):
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, dir_fd=directory)
                inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
                os.close(directory)
                directory = inner
            yield directory
        finally:
            os.close(directory)

    def _list(self, path: str) -> list[FileEntry]:
        with self._directory(path) as directory, os.scandir(directory) as found:
            entries = [_entry(item, path) for item in found if not item.name.startswith(_PART)]
        return sorted(entries, key=lambda entry: entry.path)

    def _walk(self, path: str) -> list[str]:
        found: list[str] = []
        with self._directory(path) as directory:
            for where, inner, names, _ in os.fwalk(".", dir_fd=directory):
                inner[:] = sorted(name for name in inner if name not in _SKIPPED)
                files = sorted(name for name in names if not name.startswith(_PART))
                found += ["/".join(filter(None, (path, where[2:], name))) for name in files]
                if len(found) > MOST_FILES:
                    raise ToolError(
                        f"There are more than {MOST_FILES:,} files in {path or 'the root'}. Name a directory in it as the path.",
                        kind="invalid_input",
                    )
        return found

    def _read(self, path: str) -> str:
        where, _, name = path.rpartition("/")
        with self._directory(where) as directory:
            return self._text(directory, name, path)

    def _text(self, directory: int, name: str, path: str) -> str:
        if not name:
            raise IsADirectoryError
        # A pipe would keep the one who opens it waiting.
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
        with os.fdopen(file, "rb") as opened:
            status = os.fstat(opened.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ToolError(f"{path} is no file that can be read.", kind="invalid_input")
            data = opened.read(self._max_bytes + 1)
        self._check_size(path, max(len(data), status.st_size))
        return data.decode()

    def _write(self, path: str, text: str, expected: str | None) -> None:
        import fcntl  # there is none on Windows

        where, _, name = path.rpartition("/")
        if not name:
            raise IsADirectoryError
        data = text.encode()
        self._check_size(path, len(data))
        with self._directory("") as root, self._directory(where, make=True) as directory:
            fcntl.flock(
                root, fcntl.LOCK_EX
            )  # until it is closed: calls of one turn, and other workers, write one after the other
            mode = _mode(directory, name)
            if expected is not None and self._text(directory, name, path) != expected:
                raise FileChangedError(path)
            part = f"{_PART}{secrets.token_hex(8)}"
            file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666, dir_fd=directory)
            try:
                with os.fdopen(file, "wb") as opened:
                    opened.write(data)
                    if mode is not None:
                        os.fchmod(opened.fileno(), mode)
                os.replace(part, name, src_dir_fd=directory, dst_dir_fd=directory)
            except BaseException:
                os.unlink(part, dir_fd=directory)
                raise

    def _check_size(self, path: str, size: int) -> None:
        if size > self._max_bytes:
            raise ToolError(
                f"{path} has {size:,} bytes; at most {self._max_bytes:,} are allowed.", kind="invalid_input"
            )


def _entry(item: os.DirEntry[str], directory: str) -> FileEntry:
    path = f"{directory}/{item.name}" if directory else item.name
    if item.is_symlink():
        return FileEntry(path, "link")
    if item.is_dir(follow_symlinks=False):
        return FileEntry(path, "directory")
    if item.is_file(follow_symlinks=False):
        return FileEntry(path, "file", item.stat(follow_symlinks=False).st_size)
    return FileEntry(path, "other")


def _mode(directory: int, name: str) -> int | None:
    """Permissions of a file that is to be replaced; ``None`` if there is none yet.

    Raises:
        OSError: It is a link or a directory.
    """
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(found):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if stat.S_ISDIR(found):
        raise IsADirectoryError
    return stat.S_IMODE(found)
