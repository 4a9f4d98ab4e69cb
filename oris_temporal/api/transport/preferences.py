"""The ``Prefer`` header (RFC 7240), as far as this API knows it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Preferences(NamedTuple):
    """How a client would like to be answered.

    Attributes:
        respond_async: At once, with 202, where the work takes longer than it waits.
        wait_seconds: How long it waits, if it says so.
    """

    respond_async: bool = False
    wait_seconds: int | None = None


def read_preferences(headers: Iterable[str]) -> Preferences:
    """Read ``Prefer`` headers; what is not known, or makes no sense, is ignored, and of two the first counts."""
    found: dict[str, str] = {}
    for item in ",".join(headers).split(","):
        preference = item.partition(";")[0]
        name, _, value = preference.partition("=")
        found.setdefault(name.strip().lower(), value.strip().strip('"'))
    wait = found.get("wait", "")
    return Preferences(
        "respond-async" in found, int(wait) if wait.isascii() and wait.isdigit() and len(wait) < 10 else None
    )
