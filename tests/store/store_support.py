"""What tests of stores have in common."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from oris_temporal.store import Store

Open = Callable[[], Store]


class HandClock:
    """A time that only a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **duration: float) -> None:
        self.now += timedelta(**duration)
