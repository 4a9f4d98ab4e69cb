"""Reading values from the command line: JSON, text, durations, files."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from oris_temporal.graph.duration import to_timedelta
from oris_temporal.graph.errors import ConfigurationError

from .words import with_options


class UsageError(ConfigurationError):
    """The command line is wrong; the message says what to write instead."""


def json_value(text: str) -> Any:
    """Read JSON, for an option's ``type``."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not JSON: {error}") from None


def json_object(text: str) -> dict[str, Any]:
    """Read a JSON object, for an option's ``type``."""
    value = json_value(text)
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not a JSON object, such as '{{\"key\": 1}}'")
    return value


def json_or_text(text: str) -> Any:
    """Read JSON, or plain text as a JSON string, for an option's ``type``.

    ``yes`` is the string, ``true`` the boolean, ``"true"`` in its JSON quotes the string again. Text that starts like a
    JSON object, list or string and is none is taken for a mistake.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if text.lstrip()[:1] in ("{", "[", '"'):
            raise argparse.ArgumentTypeError(f"{_shown(text)} starts like JSON but is not: {error}") from None
        return text


def duration(text: str) -> timedelta:
    """Read a duration, for an option's ``type``."""
    try:
        return to_timedelta(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(with_options(str(error))) from None


def thread_id(text: str) -> str:
    """Read a thread id, for an option's ``type``."""
    if text.strip():
        return text
    raise argparse.ArgumentTypeError("a thread id must not be empty")


def count(text: str) -> int:
    """Read a number from 1, for an option's ``type``."""
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{_shown(text)} is not a number from 1")


def port(text: str) -> int:
    """Read a port, for an option's ``type``."""
    if text.isascii() and text.isdigit() and 0 < int(text) <= 65_535:
        return int(text)
    raise argparse.ArgumentTypeError(f"{_shown(text)} is not a port, a number from 1 to 65535")


def existing_directory(text: str) -> str:
    """Read the name of a directory that is there, for an option's ``type``."""
    if Path(text).is_dir():
        return text
    raise argparse.ArgumentTypeError(f"there is no directory {_shown(text)}")


def file_to_make(text: str) -> str:
    """Read the name of a file that may be made: its directory is there. For an option's ``type``."""
    existing_directory(str(Path(text).parent))
    return text


def existing_file(text: str) -> str:
    """Read the name of a file that is there, for an option's ``type``."""
    if Path(text).is_file():
        return text
    raise argparse.ArgumentTypeError(f"there is no file {_shown(text)}")


def read_text(path: str) -> str:
    """The text of a file; ``-`` is standard input.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"The file '{path}' cannot be read: {why}.") from None


def read_value(path: str) -> Any:
    """The value in a file: JSON if its name ends in ``.json``, JSON or text on standard input (``-``), else text.

    Raises:
        UsageError: It cannot be read, or is not JSON.
    """
    text = read_text(path)
    try:
        if path == "-":
            return json_or_text(text)
        return json_value(text) if path.endswith(".json") else text
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"The file '{path}': {error}.") from None


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:59] + "…")
