"""The replay guard: a target is replayed once, and then answered what the first request was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

from ..control_store import ReplayEffects
from ..errors import ApiError, conflict
from ..models.jobs import RunJob


class ReplayGuard:
    """Carries out each replay once.

    Args:
        effects: Where the replays are kept.
    """

    def __init__(self, effects: ReplayEffects) -> None:
        self._effects = effects

    async def once(self, thread_id: str, target: str, work: Callable[[str], Awaitable[RunJob]]) -> RunJob:
        """Replay a target, unless that was done.

        Args:
            thread_id: The thread.
            target: What is replayed.
            work: Does it, under a key for Temporal: a request that takes over from a server that died joins its run.

        Raises:
            ApiError: 409, it is being replayed just now; or what the work raises, and then a later request may replay it, or joins
                what goes on all the same.
        """
        fingerprint = fingerprint_of(thread_id, target)
        claim = await self._effects.claim(fingerprint, thread_id, target)
        if claim.outcome == "busy":
            raise conflict("replay already in progress for this target")
        if claim.outcome == "completed" and claim.response is not None:
            return RunJob.model_validate({**claim.response, "idempotent_replay": True})
        try:
            answer = await work(f"replay:{fingerprint}:{claim.claimed_at}")
        except ApiError as error:
            await (self._effects.leave(fingerprint) if error.leaves_open else self._effects.release(fingerprint))
            raise
        if answer.status == "running":  # its answer is still to come
            await self._effects.leave(fingerprint)
        else:
            await self._effects.complete(fingerprint, answer.model_dump(mode="json"))
        return answer


def latest_state(values: dict[str, Any]) -> str:
    """The target of a replay that starts with the latest state: that state, whichever checkpoint has it."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return f"latest_state:{hashlib.sha256(text.encode()).hexdigest()}"


def fingerprint_of(thread_id: str, target: str) -> str:
    """SHA-256 of what makes two replays the same."""
    return hashlib.sha256(f"{thread_id}|{target}|job_replay_effect".encode()).hexdigest()
