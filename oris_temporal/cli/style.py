"""How things look in a terminal: colours, widths, tables."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from typing import TextIO

_COLOURS = {"red": 31, "green": 32, "yellow": 33, "blue": 34, "cyan": 36, "dim": 2, "bold": 1}
_NARROW = 8
_STATUS = {
    "completed": "green",
    "interrupted": "yellow",
    "failed": "red",
    "cancelled": "red",
    "running": "cyan",
    "clean": "green",
    "diverged": "red",
}


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person looks at a stream."""
    return stream is not None and not stream.closed and stream.isatty() and os.environ.get("TERM") != "dumb"


def paint(text: str, colour: str, stream: TextIO | None = None) -> str:
    """Text in a colour, where the stream (standard output by default) is a terminal and ``NO_COLOR`` is not set."""
    if os.environ.get("NO_COLOR") or not is_terminal(stream or sys.stdout):
        return text
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def paint_status(status: str) -> str:
    """A status in its colour."""
    colour = _STATUS.get(status.strip())
    return paint(status, colour) if colour else status


def width_of(text: str) -> int:
    """Columns that a text takes."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def one_line(text: str, width: int | None = None) -> str:
    """Text without line breaks and control characters, cut to a number of columns."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if width is None or width_of(line) <= width:
        return line
    while line and width_of(line) > max(0, width - 1):
        line = line[:-1]
    return line + "…"


def terminal_width(stream: TextIO | None = None) -> int | None:
    """Columns of the terminal; ``None`` where there is none, so that nothing is cut."""
    return shutil.get_terminal_size().columns if is_terminal(stream or sys.stdout) else None


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with aligned columns, cut to fit the terminal, but for the first: its ids are to be copied."""
    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(width_of(row[column]) for row in [list(headers), *cells]) for column in range(len(headers))]
    limit = terminal_width()
    if limit is not None:
        _shrink(widths, limit - 2 * (len(widths) - 1))
    lines = [
        paint(_row([one_line(header, width) for header, width in zip(headers, widths, strict=True)], widths), "dim")
    ]
    lines += [_row([one_line(cell, width) for cell, width in zip(row, widths, strict=True)], widths) for row in cells]
    return "\n".join(lines)


def _shrink(widths: list[int], limit: int) -> None:
    """Make columns narrower until they fit: the last one, then the widest of the others, none below what can be read."""
    others = range(1, len(widths) - 1)
    while sum(widths) > limit:
        column = len(widths) - 1 if widths[-1] > _NARROW else max(others, key=widths.__getitem__, default=0)
        if column == 0 or widths[column] <= _NARROW:
            return
        widths[column] -= 1


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell + " " * (width - width_of(cell)) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join([*(paint_status(cell) for cell in padded[:-1]), paint_status(padded[-1].rstrip())]).rstrip()


def fields(items: Sequence[tuple[str, str]]) -> str:
    """Names and values in two columns; items without a value are left out."""
    shown = [(name, value) for name, value in items if value]
    width = max((width_of(name) for name, _ in shown), default=0)
    return "\n".join(f"{paint(name.ljust(width), 'dim')}  {value}" for name, value in shown)
