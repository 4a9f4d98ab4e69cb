"""Trying again: what a worker asks for when an attempt has failed, and the history of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, Row, insert, select

from .database import Database
from .tables import retries
from .times import from_millis

Strategy: TypeAlias = Literal["fixed", "exponential"]

MAX_DELAY_MS = 10 * 365 * 24 * 3600 * 1000
"""Longest delay, about ten years."""

_ADD = insert(retries)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Whether and when a failed attempt is tried again.

    Attributes:
        strategy: ``fixed``, or ``exponential``: each delay is `multiplier` times the one before.
        backoff_ms: The first delay.
        max_backoff_ms: The longest delay.
        multiplier: Only for ``exponential``.
        max_retries: How often it is tried again; the executions are one more.
    """

    strategy: Strategy
    backoff_ms: int
    max_backoff_ms: int | None
    multiplier: float
    max_retries: int

    def delay_ms(self, failures: int) -> int:
        """How long to wait after so many failures, in milliseconds."""
        longest = MAX_DELAY_MS if self.max_backoff_ms is None else self.max_backoff_ms
        if self.strategy == "fixed":
            return min(self.backoff_ms, longest)
        try:
            delay = self.backoff_ms * self.multiplier ** (failures - 1)
        except OverflowError:
            return longest
        return longest if delay >= longest else max(math.floor(delay + 0.5), 1)


@dataclass(frozen=True, slots=True)
class Retry:
    """A retry that was scheduled.

    Attributes:
        attempt_no: Which execution of the attempt it is.
        strategy: Of the policy.
        backoff_ms: The delay before it.
        max_retries: Of the policy.
        scheduled_at: When it is due (UTC).
    """

    attempt_no: int
    strategy: Strategy
    backoff_ms: int
    max_retries: int
    scheduled_at: datetime


class Retries:
    """The retry history of one control store.

    Every method raises `StoreUnavailableError` when the database cannot be reached.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, attempt_id: str) -> Sequence[Retry]:
        """The retries of an attempt, oldest first."""
        query = select(retries).where(retries.c.attempt_id == attempt_id).order_by(retries.c.attempt_no)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [_retry(row) for row in rows]


def _retry(row: Row[Any]) -> Retry:
    due = from_millis(row.scheduled_at)
    return Retry(row.attempt_no, row.strategy, row.backoff_ms, row.max_retries, due)


def policy_in(row: Row[Any]) -> RetryPolicy | None:
    """The policy that an attempt has."""
    if row.retry_strategy is None:
        return None
    return RetryPolicy(**{name: getattr(row, f"retry_{name}") for name in RetryPolicy.__slots__})


def policy_columns(policy: RetryPolicy) -> dict[str, Any]:
    """A policy as an attempt has it."""
    return {f"retry_{name}": getattr(policy, name) for name in RetryPolicy.__slots__}


def add_retry(
    connection: Connection, attempt_id: str, attempt_no: int, policy: RetryPolicy, delay_ms: int, due: int
) -> None:
    """Note a retry."""
    values = {"attempt_id": attempt_id, "attempt_no": attempt_no, "backoff_ms": delay_ms, "scheduled_at": due}
    connection.execute(_ADD, {**values, "strategy": policy.strategy, "max_retries": policy.max_retries})
