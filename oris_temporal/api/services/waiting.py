"""How long an answer waits for a run to settle."""

from __future__ import annotations

from datetime import timedelta

from ..errors import invalid
from ..transport.preferences import Preferences

WAIT_BUDGET = timedelta(seconds=50)
"""Longest wait: less than the minute after which common proxies give up."""

NO_WAIT = timedelta(milliseconds=1)
"""The shortest wait there is: how far a run is now."""


def check_wait(wait_ms: int | None, preferences: Preferences) -> timedelta:
    """The wait that a request asks for: by its ``wait_ms``, else by its ``Prefer``, else as long as possible.

    Raises:
        ApiError: 400, it is negative.
    """
    if wait_ms is not None and wait_ms < 0:
        raise invalid("wait_ms must be >= 0")
    if wait_ms is None and preferences.wait_seconds is not None:
        wait_ms = preferences.wait_seconds * 1000
    if wait_ms is None:
        return NO_WAIT if preferences.respond_async else WAIT_BUDGET
    return max(NO_WAIT, timedelta(milliseconds=min(wait_ms, WAIT_BUDGET // NO_WAIT)))
