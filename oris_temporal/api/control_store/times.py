"""Times as the tables have them: Unix milliseconds."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now_millis() -> int:
    """The present."""
    return time.time_ns() // 1_000_000


def from_millis(millis: int) -> datetime:
    """A time (UTC) by its milliseconds."""
    return datetime.fromtimestamp(millis // 1_000, UTC).replace(microsecond=millis % 1_000 * 1_000)
