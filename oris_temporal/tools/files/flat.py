"""Files that are known by their whole paths, without directories: what makes them look as if they lay in some."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from oris_temporal.graph.errors import ToolError

from .backend import FileEntry


def list_paths(sizes: Mapping[str, int], directory: str) -> list[FileEntry]:
    """What a directory has.

    Args:
        sizes: Bytes of the files, by path.
        directory: The directory.

    Raises:
        ToolError: There is no such directory.
    """
    start = f"{directory}/" if directory else ""
    found: dict[str, FileEntry] = {}
    for path in walk_paths(sizes, directory):
        name, deeper, _ = path[len(start) :].partition("/")
        inside = start + name
        found[inside] = FileEntry(inside, "directory") if deeper else FileEntry(inside, "file", sizes[path])
    return [found[path] for path in sorted(found)]


def walk_paths(paths: Collection[str], directory: str) -> list[str]:
    """The files in a directory, at any depth.

    Raises:
        ToolError: There is no such directory.
    """
    if not directory:
        return sorted(paths)
    found = sorted(path for path in paths if path.startswith(f"{directory}/"))
    if not found:
        if directory in paths:
            raise ToolError(f"{directory} is a file, not a directory.", kind="invalid_input")
        raise missing(directory)
    return found


def missing(path: str) -> ToolError:
    """The error about a path that is nothing."""
    return ToolError(f"There is no {path}. Look for it with ls or glob.", kind="not_found")


def is_directory(path: str) -> ToolError:
    """The error about a path that should be a file's."""
    return ToolError(f"{path or 'the root'} is a directory. Use ls, or name a file in it.", kind="invalid_input")


def check_file(paths: Collection[str], path: str) -> None:
    """Check that a path can be a file's, beside those there are.

    Raises:
        ToolError: It is a directory, or lies in a file.
    """
    if not path or any(other.startswith(f"{path}/") for other in paths):
        raise is_directory(path)
    parts = path.split("/")
    for depth in range(1, len(parts)):
        if (outer := "/".join(parts[:depth])) in paths:
            raise ToolError(f"{outer} is a file, so nothing can lie in it.", kind="invalid_input")
