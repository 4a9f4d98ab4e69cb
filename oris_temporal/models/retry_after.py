"""How long a provider asks to wait."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 3_600.0
"""Seconds; a provider that asks for more gets no more."""


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds to wait before the next attempt, by ``retry-after-ms`` or ``Retry-After`` (RFC 9110, 10.2.3).

    Args:
        headers: The answer's headers; names in lower case, or a mapping that ignores case.
        now: The present time, for a date. Default: the clock's.

    Returns:
        At least 0 and at most `LONGEST_WAIT`; ``None`` if the headers do not say, or not in a form that is known.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = (headers.get(name) or "").strip()
        if text and (seconds := _seconds(text, unit, now)) is not None:
            return min(max(seconds, 0.0), LONGEST_WAIT)
    return None


def _seconds(text: str, unit: float, now: datetime | None) -> float | None:
    try:
        number = float(text)
    except ValueError:
        pass
    else:
        return number * unit if number == number else None  # NaN is no number of seconds
    try:
        date = parsedate_to_datetime(text)
    except (OverflowError, ValueError):
        return None
    return ((date if date.tzinfo else date.replace(tzinfo=UTC)) - (now or datetime.now(UTC))).total_seconds()
