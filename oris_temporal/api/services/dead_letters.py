"""Attempts that failed for good."""

from __future__ import annotations

from ..control_store.dead_letters import DeadLetter, DeadLetters
from ..control_store.times import now_millis
from ..error_mapping import failing
from ..errors import not_found
from ..models.dead_letters import DeadLetterItem, DeadLetterPage, DeadLetterReplay
from .checks import require
from .remote_nodes import RemoteNodes

_MOST = 500


class DeadLetterService:
    """Shows dead letters, and puts them back into the queue.

    Args:
        dead_letters: Where they are kept.
        remote_nodes: What nodes of graphs wait for.
    """

    def __init__(self, dead_letters: DeadLetters, remote_nodes: RemoteNodes) -> None:
        self._dead_letters = dead_letters
        self._remote_nodes = remote_nodes

    async def page(self, status: str | None, limit: int, tenant: str | None) -> DeadLetterPage:
        """Dead letters, newest first; those of its own tenant for a caller that has one."""
        replay_status = (status or "").strip() or None
        found = await self._dead_letters.page(
            replay_status=replay_status, tenant=tenant, limit=min(max(limit, 1), _MOST)
        )
        return DeadLetterPage(entries=[_item(letter) for letter in found])

    async def get(self, attempt_id: str, tenant: str | None) -> DeadLetterItem:
        """The dead letter of an attempt."""
        letter = await self._dead_letters.find(require(attempt_id, "attempt_id"))
        if letter is None or tenant not in (None, letter.tenant_id):
            raise not_found("dead letter not found")
        return _item(letter)

    async def replay(self, attempt_id: str, tenant: str | None) -> DeadLetterReplay:
        """Put an attempt back into the queue; a job that failed with it runs again from there."""
        require(attempt_id, "attempt_id")
        count = await self._dead_letters.replay(attempt_id, now_millis(), tenant=tenant)
        with failing("dead letter replay failed"):
            await self._remote_nodes.revive(attempt_id)
        return DeadLetterReplay(attempt_id=attempt_id, replay_count=count)


def _item(letter: DeadLetter) -> DeadLetterItem:
    return DeadLetterItem(
        attempt_id=letter.attempt_id,
        run_id=letter.run_id,
        attempt_no=letter.attempt_no,
        reason=letter.reason,
        dead_at=letter.dead_at,
        replay_status=letter.replay_status,
        replay_count=letter.replay_count,
        last_replayed_at=letter.last_replayed_at,
    )
