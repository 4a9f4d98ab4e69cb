"""Durations as people write them: ``"2m"``, ``"1h30m"``, a `timedelta`, or a number of seconds."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TypeAlias

Duration: TypeAlias = timedelta | str | float | int
"""A length of time: a `timedelta`, a number of seconds, or text such as ``"1h30m"``; see `to_timedelta`."""

_ZERO = timedelta(0)
_UNITS = {"days": "d", "hours": "h", "minutes": "m", "seconds": "s", "milliseconds": "ms"}
_PARTS = (rf"(?:(?P<{name}>\d+(?:\.\d+)?){unit})?" for name, unit in _UNITS.items())
_TEXT = re.compile("".join(_PARTS), re.ASCII)


def to_timedelta(value: Duration) -> timedelta:
    """Read a duration.

    Args:
        value: A `timedelta`, a number of seconds, or text with the units d, h, m, s and ms, largest first:
            ``"24h"``, ``"1h30m"``, ``"1.5s"``. A number in text needs a unit.

    Returns:
        The same length of time, always longer than zero.

    Raises:
        ValueError: The value is not a duration, is too large, or is zero or negative.
    """
    if type(value) is timedelta and value > _ZERO:
        return value
    try:
        duration = _read(value)
    except (OverflowError, ValueError):  # beyond what a timedelta holds, or not a number
        duration = None
    if duration is None:
        raise ValueError(
            f'{value!r} is not a duration. Write text such as "1h30m", "90s" or "250ms" '
            "(units d, h, m, s, ms, largest first), a timedelta, or a number of seconds."
        )
    if duration <= _ZERO:
        raise ValueError(f"The duration {value!r} is not longer than zero. Give a positive length of time.")
    return duration


def to_timedelta_or_none(value: Duration | None) -> timedelta | None:
    """Read an optional duration: `to_timedelta`, with ``None`` meaning "not limited" passed through.

    Raises:
        ValueError: As `to_timedelta`.
    """
    return None if value is None else to_timedelta(value)


def _read(value: object) -> timedelta | None:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return timedelta(seconds=value)
    if isinstance(value, str) and value and (match := _TEXT.fullmatch(value)):
        return timedelta(**{name: float(number) for name, number in match.groupdict().items() if number})
    return None
