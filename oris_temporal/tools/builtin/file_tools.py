"""File tools: ls, read_file, write_file, edit_file, glob, grep."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from oris_temporal.graph.errors import ToolError
from oris_temporal.tools.files import FileBackend, FileChangedError, clean_path, on_files, open_files
from oris_temporal.tools.output import ToolOutput
from oris_temporal.tools.runtime import Runtime
from oris_temporal.tools.tool import Tool, tool

LINES = 2_000
"""Lines that are read at once."""

LINE_LENGTH = 2_000
"""Characters of a line that are shown."""

CHARACTERS = 60_000
"""Characters that a tool shows at once."""

MOST_ENTRIES = 1_000
"""Entries, paths or matches that a tool shows at once."""

_TRIES = 10


class Replacement(BaseModel):
    """What to replace in a file."""

    old_string: str = Field(description="Text to replace, exactly as the file has it, without line numbers.")
    new_string: str = Field(description="Text to put in its place.")
    replace_all: bool = Field(False, description="Replace every occurrence. Otherwise there must be exactly one.")


def file_tools(
    files: FileBackend | str | os.PathLike[str],
    *,
    read_only: bool = False,
    prefix: str = "",
    task_queue: str | None = None,
) -> list[Tool]:
    """Tools to look at, search and change files of text.

    Args:
        files: Where they are: a `FileBackend`, or a directory of the worker that the tools do not get out of (`WorkspaceBackend`). The
            tools of the same one are the same.
        read_only: Leave out the tools that write.
        prefix: Put before their names.
        task_queue: Task queue of the workers that have the files.

    Returns:
        ``ls``, ``read_file``, ``glob``, ``grep`` and, unless they are to be left out, ``write_file`` and ``edit_file``.

    Example:
        >>> tools = ToolNode(file_tools("/srv/workspace"))
    """
    return list(_tools(open_files(files), read_only, prefix, task_queue))


@cache
def _tools(files: FileBackend, read_only: bool, prefix: str, queue: str | None) -> tuple[Tool, ...]:
    @tool(name=f"{prefix}ls", task_queue=queue)
    async def ls(runtime: Runtime, path: str = "") -> str:  # noqa: D417 - models do not see the runtime
        """List a directory. Directories end with a slash.

        Args:
            path: The directory, from the root.
        """
        shown = []
        for entry in await files.at(runtime).ls(clean_path(path)):
            note = {"directory": "/", "link": " (link)", "other": " (no file)"}.get(entry.kind, "")
            shown.append(f"{entry.path}{note}" if entry.size is None else f"{entry.path} ({entry.size:,} bytes)")
        return _listing(shown, "The directory is empty.")

    @tool(name=f"{prefix}read_file", task_queue=queue)
    async def read_file(  # noqa: D417
        runtime: Runtime,
        path: str,
        offset: Annotated[int, Field(ge=1)] = 1,
        limit: Annotated[int, Field(ge=1)] = LINES,
    ) -> str:
        """Read a file. Its lines are numbered; number and tab are not part of the file.

        Args:
            path: The file, from the root.
            offset: First line to read; the first line of a file is 1.
            limit: Number of lines to read.
        """
        text = await files.at(runtime).read(clean_path(path))
        return _numbered(path, _lines(text), offset, limit)

    @tool(name=f"{prefix}glob", task_queue=queue)
    async def glob(runtime: Runtime, pattern: str, path: str = "") -> str:  # noqa: D417
        """Find files by name.

        Args:
            pattern: Such as '*.py' (that name in any directory), 'src/**/test_*.py' or 'docs/?.md'.
            path: Directory to look in, from the root.
        """
        return _listing(await _matching(files.at(runtime), path, pattern), "No file matches.")

    @tool(name=f"{prefix}grep", task_queue=queue)
    async def grep(  # noqa: D417
        runtime: Runtime,
        query: Annotated[str, Field(min_length=1)],
        path: str = "",
        pattern: str = "",
        mode: Literal["files", "content", "count"] = "files",
    ) -> str:
        """Find files by what they say.

        Args:
            query: Plain text to look for; upper and lower case differ.
            path: Directory, or file, to look in, from the root.
            pattern: Only look in files that this matches, such as '*.py'.
            mode: files: paths; content: the lines with their numbers; count: how many lines of each file.
        """
        backend = files.at(runtime)
        shown: list[str] = []
        for name in await _matching(backend, path, pattern or "**"):
            try:
                text = await backend.read(name)
            except ToolError:  # no text, or gone
                continue
            if query not in text:
                continue
            numbers = [(number, line) for number, line in enumerate(_lines(text), 1) if query in line]
            match mode:
                case "files":
                    shown.append(name)
                case "count":
                    shown.append(f"{name}: {len(numbers)}")
                case "content":
                    shown += [f"{name}:{number}: {line:.{LINE_LENGTH}}" for number, line in numbers]
            if len(shown) > MOST_ENTRIES:
                break
        return _listing(shown, f"Nothing has {query!r}.")

    @tool(name=f"{prefix}write_file", task_queue=queue)
    async def write_file(runtime: Runtime, path: str, content: str) -> ToolOutput:  # noqa: D417
        """Write a whole file. What it had before is lost; to change a part of it use edit_file.

        Args:
            path: The file, from the root. Its directories are made.
            content: The whole text.
        """
        backend = files.at(runtime)
        await backend.write(clean_path(path), content)
        count = len(_lines(content))
        told = f"{clean_path(path)} has {count:,} line{'' if count == 1 else 's'} now."
        return ToolOutput(told, update=dict(backend.update) or None)

    @tool(name=f"{prefix}edit_file", task_queue=queue)
    async def edit_file(  # noqa: D417
        runtime: Runtime, path: str, replacements: Annotated[list[Replacement], Field(min_length=1)]
    ) -> ToolOutput:
        """Change parts of a file. Either all replacements are made, one after the other, or none.

        Args:
            path: The file, from the root.
            replacements: What to replace.
        """
        name = clean_path(path)
        for _ in range(_TRIES):  # calls of one turn run at once
            backend = files.at(runtime)
            before = await backend.read(name)
            after, count = _edited(name, before, replacements)
            try:
                await backend.write(name, after, expected=before)
            except FileChangedError:
                continue
            told = f"{count} replacement{'' if count == 1 else 's'} made in {name}."
            return ToolOutput(told, update=dict(backend.update) or None)
        raise ToolError(f"{name} is being changed all the time. Read it, and try again.", retryable=True)

    readers = [on_files(item, files) for item in (ls, read_file, glob, grep)]
    writers = [] if read_only else [on_files(item, files, writes=True) for item in (write_file, edit_file)]
    return (*readers, *writers)


def _lines(text: str) -> list[str]:
    """Lines as editors count them; `str.splitlines` knows more line ends."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines if lines[-1] else lines[:-1]


def _listing(found: Sequence[str], none: str) -> str:
    if not found:
        return none
    shown: list[str] = []
    length = 0
    for line in found[:MOST_ENTRIES]:
        length += len(line) + 1
        if length > CHARACTERS:
            break
        shown.append(line)
    if len(shown) < len(found):
        shown.append("(cut: there is more; narrow it down)")
    return "\n".join(shown)


def _numbered(path: str, lines: Sequence[str], offset: int, limit: int) -> str:
    if not lines:
        return "The file is empty."
    if offset > len(lines):
        raise ToolError(f"{path} has {len(lines):,} lines; offset={offset} is beyond.", kind="invalid_input")
    shown: list[str] = []
    length, last = 0, offset - 1
    for number, line in enumerate(lines[offset - 1 : offset - 1 + limit], offset):
        cut = f"{line[:LINE_LENGTH]}... (cut, of {len(line):,} characters)" if len(line) > LINE_LENGTH else line
        length += len(cut) + 8
        if length > CHARACTERS and shown:
            break
        shown.append(f"{number:6}\t{cut}")
        last = number
    if last < len(lines):
        shown.append(f"(of {len(lines):,} lines; go on with offset={last + 1})")
    return "\n".join(shown)


def _edited(name: str, text: str, replacements: Sequence[Replacement]) -> tuple[str, int]:
    made = 0
    for place, item in enumerate(replacements, 1):
        which = f"Replacement {place} of {name}"
        old, new = item.old_string, item.new_string
        if "\r\n" in text and "\r\n" not in old:  # models see and write plain line ends
            old, new = old.replace("\n", "\r\n"), new.replace("\r\n", "\n").replace("\n", "\r\n")
        if not old or old == new:
            raise ToolError(
                f"{which} changes nothing: old_string must not be empty, nor equal to new_string.", kind="invalid_input"
            )
        count = text.count(old)
        if not count:
            raise ToolError(
                f"{which}: the file does not have its old_string (any more), so nothing was changed. Read the file and copy the "
                "text exactly.",
                kind="not_found",
            )
        if count > 1 and not item.replace_all:
            lines = [str(text.count("\n", 0, found.start()) + 1) for found in re.finditer(re.escape(old), text)]
            raise ToolError(
                f"{which}: its old_string is there {count} times, in lines {', '.join(lines[:10])}, so nothing was changed. "
                "Give more of the text around it, or set replace_all.",
                kind="invalid_input",
            )
        text = text.replace(old, new)
        made += count
    return text, made


async def _matching(backend: FileBackend, path: str, pattern: str) -> list[str]:
    """Files in a directory that a pattern matches; a path that is a file is itself all there is."""
    where = clean_path(path)
    try:
        found = await backend.walk(where)
    except ToolError as error:
        if not where or error.kind == "not_found":
            raise
        await backend.read(where)  # tells what is wrong if it is no file either
        return [where]
    wanted = _segments(clean_path(pattern))
    return [name for name in found if _fits(name[len(where) :].lstrip("/") if where else name, wanted)]


@lru_cache
def _segments(pattern: str) -> tuple[str, ...]:
    """A pattern, directory by directory; one without a slash is for names in any directory, as in .gitignore."""
    parts = [part.replace("[^", "[!") for part in pattern.split("/")]
    if len(parts) == 1 and pattern != "**":
        parts.insert(0, "**")
    return tuple(parts) if parts[-1] != "**" else (*parts, "*")  # all that is beneath, but not the directory itself


def _fits(path: str, wanted: Sequence[str]) -> bool:
    """Whether a pattern matches a path. Part by part, and without going back: patterns are the model's, and time the worker's."""
    places = _reached([0], wanted)
    for part in path.split("/"):
        after = [
            place if wanted[place] == "**" else place + 1
            for place in places
            if place < len(wanted) and (wanted[place] == "**" or fnmatchcase(part, wanted[place]))
        ]
        places = _reached(after, wanted)
    return len(wanted) in places


def _reached(places: Iterable[int], wanted: Sequence[str]) -> set[int]:
    """Places of a pattern and those that follow because ``**`` may stand for nothing."""
    reached = set(places)
    for place, part in enumerate(wanted):
        if part == "**" and place in reached:
            reached.add(place + 1)
    return reached
