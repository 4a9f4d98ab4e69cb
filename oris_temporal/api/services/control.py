"""Steering threads: resume, replay, cancel."""

from __future__ import annotations

from contextlib import suppress

from oris_temporal.client import OrisClient
from oris_temporal.graph.errors import (
    CheckpointNotFoundError,
    GraphNotFoundError,
    NoWorkerError,
    PersistenceError,
    RunStuckError,
    ThreadNotFoundError,
)

from ..error_mapping import failing
from ..errors import ApiError, not_found
from ..models.jobs import CancelJobRequest, Cancelled, ReplayJobRequest, ResumeJobRequest, RunJob
from .checks import require
from .outcomes import WAIT_BUDGET, run_job
from .threads import refuse_cancelled

_CANCEL_LATER = (NoWorkerError, RunStuckError, GraphNotFoundError)
"""Temporal has taken the request, and a worker will act on it as soon as one can."""


class ControlService:
    """Steers threads.

    Args:
        client: The client.
    """

    def __init__(self, client: OrisClient) -> None:
        self._client = client

    async def resume(self, thread_id: str, request: ResumeJobRequest) -> RunJob:
        """Answer the thread's pending interrupt and wait until the run settles again."""
        require(thread_id, "thread_id")
        if await refuse_cancelled(self._client, thread_id) is None:
            raise _no_checkpoint("resume failed", "thread", thread_id)
        with failing("resume failed"):
            try:
                back_to = await self._earlier_checkpoint(thread_id, request.checkpoint_id)
                result = await self._client.resume(thread_id, request.value, checkpoint_id=back_to, wait=WAIT_BUDGET)
            except CheckpointNotFoundError:
                raise _no_checkpoint("resume failed", "thread", thread_id, request.checkpoint_id) from None
        return run_job(result, failing="resume failed")

    async def replay(self, thread_id: str, request: ReplayJobRequest) -> RunJob:
        """Run the thread again, from a checkpoint or from its start with its latest state, and wait until that settles."""
        require(thread_id, "thread_id")
        if await refuse_cancelled(self._client, thread_id) is None:
            raise _no_checkpoint("replay failed", "thread_id", thread_id)
        # The replay guard, one effect per target, is to be asked here.
        with failing("replay failed"):
            try:
                from_last_state = not request.checkpoint_id
                if from_last_state:
                    await self._client.checkpoint(thread_id)  # there must be a state to start with
                result = await self._client.replay(
                    thread_id, request.checkpoint_id or None, from_last_state=from_last_state, wait=WAIT_BUDGET
                )
            except PersistenceError:
                raise _no_checkpoint("replay failed", "thread_id", thread_id, request.checkpoint_id) from None
        return run_job(result, failing="replay failed")

    async def cancel(self, thread_id: str, request: CancelJobRequest) -> Cancelled:
        """Cancel the thread's run; a thread that is unknown or not running is answered the same."""
        require(thread_id, "thread_id")
        with suppress(ThreadNotFoundError, *_CANCEL_LATER):  # the control store is to remember the id
            await self._client.cancel(thread_id, reason=request.reason)
        return Cancelled(thread_id=thread_id, reason=request.reason)

    async def _earlier_checkpoint(self, thread_id: str, checkpoint_id: str | None) -> str | None:
        """A checkpoint to go back to; ``None`` where that is the one the thread waits at."""
        if not checkpoint_id:
            return None
        run = await self._client.inspect(thread_id)
        return None if run.status == "interrupted" and run.checkpoint_id == checkpoint_id else checkpoint_id


def _no_checkpoint(failed: str, name: str, thread_id: str, checkpoint_id: str | None = None) -> ApiError:
    which = f" (checkpoint_id: {checkpoint_id})" if checkpoint_id else ""
    return not_found(f"{failed}: Execution error: No checkpoint found for {name}: {thread_id}{which}")
