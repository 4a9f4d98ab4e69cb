"""What became of attempts."""

from __future__ import annotations

from ..control_store import ControlStore
from ..control_store.times import now_millis
from ..errors import not_found
from ..models.attempts import RetryHistory, RetryItem
from .checks import require


class AttemptService:
    """Shows attempts.

    Args:
        control: Where they are kept.
    """

    def __init__(self, control: ControlStore) -> None:
        self._control = control

    async def retries(self, attempt_id: str, tenant: str | None) -> RetryHistory:
        """How often an attempt was tried again."""
        attempt = await self._control.attempts.find(require(attempt_id, "attempt_id"))
        if attempt is None or tenant not in (None, attempt.tenant_id):
            raise not_found("attempt not found")
        return RetryHistory(
            attempt_id=attempt_id,
            current_attempt_no=attempt.attempt_no,
            current_status=attempt.status,
            history=[
                RetryItem(
                    retry_no=number,
                    attempt_no=retry.attempt_no,
                    strategy=retry.strategy,
                    backoff_ms=retry.backoff_ms,
                    max_retries=retry.max_retries,
                    scheduled_at=retry.scheduled_at,
                )
                for number, retry in enumerate(await self._control.retries.of(attempt_id), start=1)
            ],
        )

    async def waiting(self) -> int:
        """How many attempts wait for a worker."""
        return await self._control.attempts.waiting(now_millis())
