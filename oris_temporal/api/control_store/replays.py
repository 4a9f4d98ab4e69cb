"""Replays that were carried out: each target once, however often it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import Connection, delete, select, update

from .database import Database
from .inserts import insert_if_new
from .tables import replay_effects
from .times import now_millis

_EFFECT = "job_replay"


@dataclass(frozen=True, slots=True)
class ReplayClaim:
    """What became of a claim.

    Attributes:
        outcome: ``acquired``, the caller carries it out; ``completed``, it was; ``busy``, somebody does so just now.
        claimed_at: When it was claimed first (Unix milliseconds); the same for whoever takes over from a server that died.
        response: What the caller that carried it out was answered.
    """

    outcome: Literal["acquired", "completed", "busy"]
    claimed_at: int
    response: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ReplayEffect:
    """A replay that was claimed.

    Attributes:
        target: What was replayed.
        status: ``in_progress`` or ``completed``.
        execution_count: How often it was carried out.
    """

    target: str
    status: str
    execution_count: int


class ReplayEffects:
    """The replays of one control store.

    Every method raises `StoreUnavailableError` when the database cannot be reached.

    Args:
        database: Where they are kept.
        patience: How long a claim holds: longer than a replay is waited for. Then another caller takes over.
    """

    def __init__(self, database: Database, patience: timedelta = timedelta(seconds=90)) -> None:
        self._database = database
        self._patience = int(patience.total_seconds() * 1000)

    async def claim(self, fingerprint: str, thread_id: str, target: str) -> ReplayClaim:
        """Claim a replay. Of several that try at once, one acquires it."""
        now = now_millis()
        until = now + self._patience
        row = {
            "fingerprint": fingerprint,
            "thread_id": thread_id,
            "target": target,
            "effect_type": _EFFECT,
            "status": "in_progress",
            "execution_count": 1,
            "claimed_at": now,
            "claimed_until": until,
        }
        effects = replay_effects.c
        take_over = (
            update(replay_effects)
            .where(effects.fingerprint == fingerprint, effects.status == "in_progress", effects.claimed_until < now)
            .values(claimed_until=until)
        )

        def work(connection: Connection) -> ReplayClaim:
            if insert_if_new(connection, replay_effects, row):
                return ReplayClaim("acquired", now)
            known = connection.execute(select(replay_effects).where(effects.fingerprint == fingerprint)).one()
            if known.status == "completed":
                return ReplayClaim("completed", known.claimed_at, known.response)
            taken = connection.execute(take_over).rowcount
            return ReplayClaim("acquired" if taken else "busy", known.claimed_at)

        return await self._database.write(work)

    async def complete(self, fingerprint: str, response: dict[str, Any]) -> None:
        """Keep the answer of a replay that was carried out."""
        await self._change(fingerprint, status="completed", response=response, completed_at=now_millis())

    async def leave(self, fingerprint: str) -> None:
        """Let the next caller take over a replay that goes on, as one takes over from a server that died."""
        await self._change(fingerprint, claimed_until=0)

    async def release(self, fingerprint: str) -> None:
        """Forget a replay that failed."""
        effects = replay_effects.c
        removal = delete(replay_effects).where(effects.fingerprint == fingerprint, effects.status == "in_progress")
        await self._database.write(lambda connection: connection.execute(removal))

    async def of_thread(self, thread_id: str) -> Sequence[ReplayEffect]:
        """The replays of a thread, those that were claimed first before others."""
        effects = replay_effects.c
        query = (
            select(effects.target, effects.status, effects.execution_count)
            .where(effects.thread_id == thread_id)
            .order_by(effects.claimed_at)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [ReplayEffect(*row) for row in rows]

    async def _change(self, fingerprint: str, **values: Any) -> None:
        change = update(replay_effects).where(replay_effects.c.fingerprint == fingerprint).values(**values)
        await self._database.write(lambda connection: connection.execute(change))
