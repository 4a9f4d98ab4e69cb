"""`CompositeBackend`: files of several backends under one root."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from oris_temporal.graph.errors import ConfigurationError, ToolError

from ..runtime import Runtime
from .backend import FileBackend, FileEntry, clean_path
from .state import StateBackend

T = TypeVar("T")


class CompositeBackend(FileBackend):
    """Files of several backends: the longest of the prefixes that a path begins with says which backend has it.

    A backend sees the rest of the path: with ``{"memories/": StoreBackend()}`` the file ``memories/ada.md`` is its ``ada.md``.

    Args:
        default: The backend of paths without a prefix.
        routes: Backends by prefix, which is a directory; a slash at its ends does not matter.

    Raises:
        ConfigurationError: A prefix is empty or twice there, or more than one backend keeps files in the state.

    Example:
        >>> files = CompositeBackend(StateBackend(), {"memories/": StoreBackend(), "repo/": WorkspaceBackend("/srv/repo")})
    """

    def __init__(self, default: FileBackend, routes: Mapping[str, FileBackend]) -> None:
        self._default = default
        self._routes = {clean_path(prefix): backend for prefix, backend in routes.items()}
        if "" in self._routes or len(self._routes) < len(routes):
            raise ConfigurationError(
                f"CompositeBackend: the prefixes {', '.join(routes)} must name different directories."
            )
        parts = [default, *self._routes.values()]
        if sum(part.state_schema is not None for part in parts) > 1:
            raise ConfigurationError(
                f"CompositeBackend: the state has one set of files, so only one {StateBackend.__name__} can be part of it."
            )
        self.needs_run = any(part.needs_run for part in parts)
        self.reads = tuple(dict.fromkeys(field for part in parts for field in part.reads))
        self.in_order = any(part.in_order for part in parts)
        self.state_schema = next((part.state_schema for part in parts if part.state_schema is not None), None)

    def at(self, runtime: Runtime) -> CompositeBackend:
        """See `FileBackend.at`."""
        routes = {prefix: backend.at(runtime) for prefix, backend in self._routes.items()}
        return CompositeBackend(self._default.at(runtime), routes)

    def in_state(self, path: str) -> bool:
        """See `FileBackend.in_state`."""
        _, backend, rest = self._route(path)
        return backend.in_state(rest) and all(self._routes[prefix].in_state("") for prefix in self._beneath(path))

    @property
    def update(self) -> Mapping[str, Any]:
        """See `FileBackend.update`."""
        parts = [self._default, *self._routes.values()]
        return {field: value for part in parts for field, value in part.update.items()}

    async def ls(self, path: str) -> list[FileEntry]:
        """See `FileBackend.ls`."""
        start = f"{path}/" if path else ""
        inside = {start + prefix[len(start) :].partition("/")[0] for prefix in self._beneath(path)}
        try:
            entries = await self._of(path, lambda backend, rest: backend.ls(rest))
        except ToolError as error:
            if not inside or error.kind != "not_found":
                raise
            entries = []
        prefix, _, _ = self._route(path)
        shown = {entry.path: entry for entry in (_moved(entry, prefix) for entry in entries)}
        shown.update({name: FileEntry(name, "directory") for name in inside})
        return [shown[name] for name in sorted(shown)]

    async def walk(self, path: str) -> list[str]:
        """See `FileBackend.walk`."""
        beneath = self._beneath(path)
        prefix, backend, _ = self._route(path)
        try:
            own = await self._of(path, lambda backend, rest: backend.walk(rest))
        except ToolError as error:
            if not beneath or error.kind != "not_found":
                raise
            own = []
        found = [name for name in (_under(prefix, name) for name in own) if self._route(name)[1] is backend]
        for inner in beneath:
            with suppress(ToolError):  # nothing is there yet
                found += [_under(inner, name) for name in await self._routes[inner].walk("")]
        return sorted(name for name in found)

    async def read(self, path: str) -> str:
        """See `FileBackend.read`."""
        return await self._of(path, lambda backend, rest: backend.read(rest))

    async def write(self, path: str, text: str, *, expected: str | None = None) -> None:
        """See `FileBackend.write`."""
        await self._of(path, lambda backend, rest: backend.write(rest, text, expected=expected))

    def _route(self, path: str) -> tuple[str, FileBackend, str]:
        """The prefix of a path, its backend, and the path there."""
        found = [prefix for prefix in self._routes if path == prefix or path.startswith(f"{prefix}/")]
        if not found:
            return "", self._default, path
        longest = max(found, key=len)
        return longest, self._routes[longest], path[len(longest) + 1 :]

    def _beneath(self, path: str) -> list[str]:
        """The prefixes that lie in a directory."""
        start = f"{path}/" if path else ""
        return [prefix for prefix in self._routes if prefix.startswith(start) and prefix != path]

    async def _of(self, path: str, work: Callable[[FileBackend, str], Awaitable[T]]) -> T:
        prefix, backend, rest = self._route(path)
        try:
            return await work(backend, rest)
        except ToolError as error:
            if not prefix:
                raise
            raise ToolError(f"In {prefix}/: {error.message}", **error.details) from error


def _under(prefix: str, path: str) -> str:
    return f"{prefix}/{path}" if prefix else path


def _moved(entry: FileEntry, prefix: str) -> FileEntry:
    return FileEntry(_under(prefix, entry.path), entry.kind, entry.size)
