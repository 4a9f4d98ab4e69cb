"""Idempotency keys of runs, as far as Temporal itself can tell: a run keeps its request's key and payload in its memo.

This covers repeated requests for a thread's latest run. Keys are meant to be global, and answers to be stored as they
were first given; both need the control store, which is to be asked first where `recorded_run` is called.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from oris_temporal.client.lookup import Found

from ..errors import conflict
from ..models.jobs import TimeoutPolicy


def payload_hash(
    thread_id: str,
    given: str | dict[str, Any],
    timeout: TimeoutPolicy | None,
    priority: int,
    tenant: str | None,
    graph: str | None = None,
) -> str:
    """SHA-256 of what makes two run requests the same; defaults are filled in, the key and the trace are not part."""
    text = given if isinstance(given, str) else _compact(given, sort_keys=True)
    limit = "" if timeout is None else _compact(timeout.model_dump())
    parts = [thread_id, text, limit, str(priority), tenant or ""]
    if graph is not None:  # not known to Oris, so left out where it is not given
        parts.append(graph)
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


def run_key(key: str, payload: str, latest: Found | None) -> str:
    """The key under which the client starts the run; a failed run gives its key free again."""
    attempt = latest.ordinal + 1 if latest is not None and latest.status == "failed" else 1
    return f"{_key_part(key)}:{payload}:{attempt}"


def recorded_run(latest: Found | None, key: str, payload: str) -> bool:
    """Whether the thread's latest run is the one that an earlier request with this key started.

    Raises:
        ApiError: 409, it was another request with the same key.
    """
    recorded = str(latest.memo.get("key", "")) if latest is not None and latest.status != "failed" else ""
    key_part, _, rest = recorded.partition(":")
    if key_part != _key_part(key):
        return False
    if rest.partition(":")[0] != payload:
        raise conflict(
            "idempotency_key already exists with different request payload",
            {"idempotency_key": key, "operation": "run"},
        )
    return True


def _key_part(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _compact(value: Any, *, sort_keys: bool = False) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys)
