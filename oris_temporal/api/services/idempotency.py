"""Idempotency keys of runs: reserved before anything starts, and answered as the first request was.

A key is reserved in the control store, and the run is started in Temporal under a key made of that reservation. So of
requests that come at once one run starts, and a request that is repeated after a server died between the two finishes the
work, once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

from ..control_store import IdempotencyKeys, KeyUse
from ..errors import ApiError, conflict
from ..models.jobs import RunJob, TimeoutPolicy


class RunKeys:
    """Carries out each request that has an idempotency key once.

    Args:
        keys: Where the keys are kept.
    """

    def __init__(self, keys: IdempotencyKeys) -> None:
        self._keys = keys

    async def earlier(self, key: str, thread_id: str, payload: str) -> RunJob | None:
        """What an equal request with this key was answered before; ``None`` if there was none, or it is not answered yet.

        Raises:
            ApiError: 409, it was another request.
        """
        use = await self._keys.find(key)
        return None if use is None else _answer_of(_checked(use, key, thread_id, payload))

    async def once(self, key: str, thread_id: str, payload: str, work: Callable[[str], Awaitable[RunJob]]) -> RunJob:
        """Do the work of a request, unless an equal one with this key did or is doing it: then its answer is that one's.

        Args:
            key: The key.
            thread_id: The request's thread.
            payload: Hash of what it asks for.
            work: Does it, under a key for Temporal.

        Raises:
            ApiError: 409, the key was given with another request; or what the work raises. Then the key is free again, unless the
                work may go on all the same: whoever repeats the request joins it.
        """
        use = _checked(await self._keys.reserve(key, thread_id, payload), key, thread_id, payload)
        if (answer := _answer_of(use)) is not None:
            return answer
        try:
            answer = await work(_temporal_key(key, use))
        except ApiError as error:
            if not error.leaves_open:
                await self._keys.release(key, use)
            raise
        if answer.status == "running":  # its answer is still to come
            return answer if use.is_new else _replayed(answer)
        wire = answer.model_dump(mode="json")
        kept = await self._keys.complete(key, use, wire)
        return answer if kept is wire else _replayed(RunJob.model_validate(kept))


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


def _checked(use: KeyUse, key: str, thread_id: str, payload: str) -> KeyUse:
    if (use.thread_id, use.payload_hash) != (thread_id, payload):
        raise conflict(
            "idempotency_key already exists with different request payload",
            {"idempotency_key": key, "operation": "run"},
        )
    return use


def _answer_of(use: KeyUse) -> RunJob | None:
    return None if use.response is None else _replayed(RunJob.model_validate(use.response))


def _replayed(answer: RunJob) -> RunJob:
    return answer.model_copy(update={"idempotent_replay": True})


def _temporal_key(key: str, use: KeyUse) -> str:
    return f"{hashlib.sha256(key.encode()).hexdigest()[:32]}:{use.reserved_at}"


def _compact(value: Any, *, sort_keys: bool = False) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys)
