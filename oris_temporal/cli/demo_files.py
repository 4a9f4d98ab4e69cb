"""Where the demo keeps its files, and what it reads and shows of them."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from importlib import metadata
from pathlib import Path


def make_directory(base: Path) -> Path:
    """A new directory for one demo: below `base`, else, if that cannot be written, a temporary one."""
    stamp = f"{time.strftime('%Y%m%d-%H%M%S')}-"
    try:
        base.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=stamp, dir=base)).resolve()
    except OSError:
        return Path(tempfile.mkdtemp(prefix=f"oris-demo-{stamp}"))


def find_source(directory: Path, *, text: str | None, file: str | None) -> Path:
    """The file to read: the one given, the text given, or this project's README.

    Args:
        directory: Where a text is written to.
        text: Text to read.
        file: File to read.
    """
    if file is not None:
        return Path(file).resolve()
    if text is None:
        for place in (Path("README.md"), Path(__file__).parents[2] / "README.md"):
            if place.is_file():
                return place.resolve()
    path = directory / "input.md"
    path.write_text(_readme_of_package() if text is None else text, encoding="utf-8")
    return path


def relative(path: Path) -> str:
    """A path as one would type it here."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def text_of(path: str) -> str:
    """The text of a file."""
    return Path(path).read_text(encoding="utf-8")


def first_lines(text: str) -> list[str]:
    """A text, or how it begins."""
    lines = text.splitlines()
    return lines if len(lines) <= 12 else [*lines[:11], f"... {len(lines) - 11} more lines"]


def _readme_of_package() -> str:
    """The README as the installed package has it, else what its modules say of themselves."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        if description := metadata.metadata("oris-temporal").json.get("description"):
            return str(description)
    from oris_temporal.graph import builder, compiled, engine

    return "\n\n".join(f"# {module.__name__}\n\n{module.__doc__}" for module in (builder, compiled, engine))
