"""Checks of request values, each with its documented message; services call them in the API's order."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Literal, NamedTuple, get_args

from oris_temporal.client.options import OnConflict

from ..errors import invalid
from ..models.jobs import TimeoutPolicy

MAX_TIMEOUT_MS = 10 * 365 * 24 * 3600 * 1000
"""Longest timeout accepted, about ten years: Temporal's own limit for durations is not far above."""

_TENANT = re.compile(r"[A-Za-z0-9._:-]*")


class TimeLimit(NamedTuple):
    """How long a run may take, if that is limited, and its status if it takes longer."""

    time: timedelta | None
    then: Literal["failed", "cancelled"]


def require(value: str, name: str) -> str:
    """A value that is neither empty nor only white space; it is used as given."""
    if not value.strip():
        raise invalid(f"{name} must not be empty")
    return value


def check_priority(priority: int | None) -> int:
    """Priority 0 to 100, 0 by default."""
    if not 0 <= (priority or 0) <= 100:
        raise invalid("priority must be between 0 and 100")
    return priority or 0


def check_tenant(tenant_id: str | None) -> str | None:
    """Trimmed tenant; a blank one is none."""
    tenant = (tenant_id or "").strip()
    if len(tenant.encode()) > 128:
        raise invalid("tenant_id must be 128 characters or fewer")
    if not _TENANT.fullmatch(tenant):
        raise invalid("tenant_id contains unsupported characters")
    return tenant or None


def check_conflict(on_conflict: str | None) -> OnConflict:
    """What becomes of a run that the thread is busy with."""
    if on_conflict not in (None, *get_args(OnConflict)):
        raise invalid("on_conflict must be one of: fail|replace")
    return "replace" if on_conflict == "replace" else "fail"


def check_timeout(policy: TimeoutPolicy | None) -> TimeLimit:
    """The time limit of a timeout policy, and the status that it ends a run with."""
    if policy is None:
        return TimeLimit(None, "failed")
    if policy.timeout_ms <= 0:
        raise invalid("timeout_policy.timeout_ms must be > 0")
    if policy.timeout_ms > MAX_TIMEOUT_MS:
        raise invalid(f"timeout_policy.timeout_ms must be <= {MAX_TIMEOUT_MS}")
    status = policy.on_timeout_status.strip().lower()
    if status not in ("failed", "cancelled"):
        raise invalid("timeout_policy.on_timeout_status must be one of: failed|cancelled")
    return TimeLimit(timedelta(milliseconds=policy.timeout_ms), "cancelled" if status == "cancelled" else "failed")
