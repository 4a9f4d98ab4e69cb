"""Messages as the command line says them: printable, of bearable length, and with options in place of Python's arguments."""

from __future__ import annotations

import re

_OPTIONS = {
    "Answer by id: resume(thread_id, {interrupt_id: value}, by_id=True).": (
        "Answer one with --interrupt ID, or several with --by-id --value '{\"ID\": ...}'."
    ),
    "Say which is rejected: reject(thread_id, interrupt_id).": "Say which is rejected with --interrupt ID.",
    "pass on_conflict='replace'": "pass --replace",
    "(units d, h, m, s, ms, largest first), a timedelta, or a number of seconds": "(units d, h, m, s, ms, largest first)",
}
"""What messages of the Python API tell to do, and what that is here."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_COLOUR = re.compile(r"(\x1b\[(?:0|1|2|3[1-6])m)")
_LONG_WORD = re.compile(r"\S{201,}")


def with_options(message: str) -> str:
    """A message that names this command line's options."""
    for python, option in _OPTIONS.items():
        message = message.replace(python, option)
    return message


def shortened(message: str) -> str:
    """A message whose longest words, such as an id of ten thousand characters, are cut."""
    return _LONG_WORD.sub(lambda word: f"{word[0][:100]}… ({len(word[0]):,} characters)", message)


def printable(text: str) -> str:
    """Text without anything that would steer a terminal, but for line breaks, tabs and our own colours.

    Ids, questions, states and error messages are whatever somebody put there.
    """
    pieces = _COLOUR.split(text)
    return "".join(piece if place % 2 else _CONTROL.sub(_escaped, piece) for place, piece in enumerate(pieces))


def printable_json(text: str) -> str:
    """JSON text without the control characters that JSON itself allows; it stays the same JSON."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
