"""`Place`: where in a graph file something is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..errors import GraphCompileError, InvalidUpdateError


@dataclass(frozen=True)
class Place:
    """A place in a document, for errors.

    Attributes:
        document: Name of the file, or ``graph``.
        path: Keys and positions that lead to the place.
    """

    document: str
    path: tuple[str | int, ...] = ()

    def at(self, *path: str | int) -> Place:
        """A place inside of this one."""
        return Place(self.document, (*self.path, *path))

    def error(self, message: str) -> GraphCompileError:
        """An error that says that this is the place."""
        return GraphCompileError(f"{self}: {message}", document=self.document, path=list(self.path))

    @contextmanager
    def locating(self) -> Iterator[None]:
        """Say in errors that this is the place."""
        try:
            yield
        except (GraphCompileError, InvalidUpdateError) as error:
            raise self.error(str(error)) from error

    def __str__(self) -> str:
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return f"{self.document}: {path.removeprefix('.')}" if path else self.document
