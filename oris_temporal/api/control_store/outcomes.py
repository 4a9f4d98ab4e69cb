"""How a remote task ended, as Temporal is to be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection, bindparam, update

from .tables import remote_tasks

Outcome: TypeAlias = dict[str, Any]
"""``{"output": update}``, ``{"error": {"type": ..., "message": ...}}`` or ``{"cancelled": reason}``."""

_END = update(remote_tasks).where(remote_tasks.c.attempt_id == bindparam("of_attempt"), remote_tasks.c.state == "open")


def end(connection: Connection, attempt_ids: Sequence[str], outcome: Outcome) -> None:
    """Note what Temporal is to be told of attempts that end; those that are no remote tasks are left aside."""
    for attempt_id in attempt_ids:
        connection.execute(_END, {"of_attempt": attempt_id, "state": "ended", "outcome": outcome})
