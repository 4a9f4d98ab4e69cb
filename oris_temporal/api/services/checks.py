"""Checks of request values, each with its documented message; services call them in the API's order."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Literal, NamedTuple, cast, get_args

from oris_temporal.client.options import OnConflict

from ..control_store.attempts import TERMINAL, TerminalStatus
from ..control_store.retries import MAX_DELAY_MS, RetryPolicy
from ..errors import invalid
from ..models.jobs import TimeoutPolicy
from ..models.workers import RetryPolicy as WireRetryPolicy

MAX_TIMEOUT_MS = 10 * 365 * 24 * 3600 * 1000
"""Longest timeout accepted, about ten years: Temporal's own limit for durations is not far above."""

MAX_LEASE_TTL_SECONDS = 24 * 3600
"""Longest lease accepted: what its worker has is lost for as long if the worker is."""

MAX_LEASES = 1_000
"""Highest limit of leases that a worker can ask for, for itself and for each tenant."""

MAX_ID_BYTES = 1_200
"""Longest ids that workers choose: longer ones have no place in an index of PostgreSQL."""

_DEFAULT_LEASES = 8
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


def temporal_priority(priority: int) -> int:
    """Temporal's priority key, 1 (first) to 5 (last), for an Oris priority, 0 (last) to 100 (first)."""
    return 5 - min(priority // 20, 4)


def oris_priority(key: int | None) -> int:
    """The lowest Oris priority that has a Temporal priority key; 0 for a run that has none."""
    return 0 if key is None else (5 - key) * 20


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


def require_id(value: str, name: str) -> str:
    """As `require`, for an id that is kept."""
    require(value, name)
    if len(value.encode()) > MAX_ID_BYTES:
        raise invalid(f"{name} must be {MAX_ID_BYTES} bytes or fewer")
    return value


def lease_limit(given: int | None) -> int:
    """A limit of leases, 8 by default; too low or too high is the lowest or highest there is."""
    return _DEFAULT_LEASES if given is None else min(max(given, 1), MAX_LEASES)


def check_lease_ttl(seconds: int | None, default_ms: int) -> int:
    """How long a lease is to last, in milliseconds; at least a second."""
    if seconds is None:
        return default_ms
    if seconds > MAX_LEASE_TTL_SECONDS:
        raise invalid(f"lease_ttl_seconds must be <= {MAX_LEASE_TTL_SECONDS}")
    return max(seconds, 1) * 1_000


def check_terminal_status(word: str) -> TerminalStatus:
    """How an attempt ended."""
    if word not in TERMINAL:
        raise invalid("terminal_status must be one of: completed|failed|cancelled")
    return cast("TerminalStatus", word)


def check_retry(policy: WireRetryPolicy | None) -> RetryPolicy | None:
    """A policy whose delays are possible."""
    if policy is None:
        return None
    backoff, longest = policy.backoff_ms, policy.max_backoff_ms
    if backoff <= 0:
        raise invalid("retry_policy.backoff_ms must be > 0")
    if backoff > MAX_DELAY_MS:
        raise invalid(f"retry_policy.backoff_ms must be <= {MAX_DELAY_MS}")
    strategy = policy.strategy.strip().lower()
    if strategy not in ("fixed", "exponential"):
        raise invalid("retry_policy.strategy must be one of: fixed|exponential")
    if longest is not None:
        if longest <= 0:
            raise invalid("retry_policy.max_backoff_ms must be > 0")
        if longest < backoff:
            raise invalid("retry_policy.max_backoff_ms must be >= retry_policy.backoff_ms")
        if longest > MAX_DELAY_MS:
            raise invalid(f"retry_policy.max_backoff_ms must be <= {MAX_DELAY_MS}")
    multiplier = 2.0 if policy.multiplier is None else policy.multiplier
    if strategy == "exponential" and not multiplier > 1:
        raise invalid("retry_policy.multiplier must be > 1.0 for exponential backoff")
    kind: Literal["fixed", "exponential"] = "fixed" if strategy == "fixed" else "exponential"
    return RetryPolicy(kind, backoff, longest, multiplier, policy.max_retries)
