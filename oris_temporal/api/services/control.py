"""Steering threads: resume, replay, fork, edit, cancel."""

from __future__ import annotations

import asyncio
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
from ..models.jobs import (
    CancelJobRequest,
    Cancelled,
    EditedState,
    EditStateRequest,
    ForkJobRequest,
    ReplayJobRequest,
    ResumeJobRequest,
    RunJob,
)
from ..transport.preferences import Preferences
from .checks import check_conflict, require
from .outcomes import run_job
from .remote_nodes import RemoteNodes
from .replays import ReplayGuard, latest_state
from .run_attempts import RunAttempts
from .threads import ThreadGuard, no_state
from .waiting import check_wait

EDIT_SECONDS = 10.0
"""How long an answer waits for a change of state to be made."""

_CANCEL_LATER = (NoWorkerError, RunStuckError, GraphNotFoundError)
"""Temporal has taken the request, and a worker will act on it as soon as one can."""


class ControlService:
    """Steers threads.

    Args:
        client: The client.
        guard: Keeps cancelled threads from running.
        replays: Replays that were carried out.
        attempts: The attempts of runs.
        remote_nodes: What nodes of runs wait for.
    """

    def __init__(
        self,
        client: OrisClient,
        guard: ThreadGuard,
        replays: ReplayGuard,
        attempts: RunAttempts,
        remote_nodes: RemoteNodes,
    ) -> None:
        self._client = client
        self._guard = guard
        self._replays = replays
        self._attempts = attempts
        self._remote_nodes = remote_nodes

    async def resume(
        self, thread_id: str, request: ResumeJobRequest, preferences: Preferences, author: str | None
    ) -> RunJob:
        """Answer the thread's pending interrupt and wait until the run settles again."""
        require(thread_id, "thread_id")
        wait = check_wait(request.wait_ms, preferences)
        if await self._guard.refuse_cancelled(thread_id) is None:
            raise _no_checkpoint("resume failed", "thread", thread_id)
        with failing("resume failed"):
            try:
                back_to = await self._earlier_checkpoint(thread_id, request.checkpoint_id)
                result = await self._client.resume(
                    thread_id, request.value, checkpoint_id=back_to, author=author, wait=wait
                )
            except CheckpointNotFoundError:
                raise _no_checkpoint("resume failed", "thread", thread_id, request.checkpoint_id) from None
            await self._attempts.follow(result)
        return run_job(result, failing="resume failed")

    async def replay(self, thread_id: str, request: ReplayJobRequest, preferences: Preferences) -> RunJob:
        """Run the thread again, from a checkpoint or from its start with its latest state, and wait until that settles.

        The same target is replayed once; then it is answered what the first request was.
        """
        require(thread_id, "thread_id")
        on_conflict = check_conflict(request.on_conflict)
        wait = check_wait(request.wait_ms, preferences)
        if await self._guard.refuse_cancelled(thread_id) is None:
            raise _no_checkpoint("replay failed", "thread_id", thread_id)
        checkpoint_id = request.checkpoint_id or None
        try:
            with failing("replay effect guard failed"):
                last = await self._client.checkpoint(thread_id, checkpoint_id)  # there must be a state to start with
            target = latest_state(last.values) if checkpoint_id is None else f"checkpoint:{checkpoint_id}"

            async def replay(key: str) -> RunJob:
                with failing("replay failed"):
                    result = await self._client.replay(
                        thread_id,
                        checkpoint_id,
                        from_last_state=checkpoint_id is None,
                        idempotency_key=key,
                        on_conflict=on_conflict,
                        wait=wait,
                    )
                    await self._attempts.follow(result)
                return run_job(result, failing="replay failed")

            return await self._replays.once(thread_id, target, replay)
        except (PersistenceError, ApiError) as error:
            if isinstance(error, ApiError) and error.status != 404:
                raise
            raise _no_checkpoint("replay failed", "thread_id", thread_id, checkpoint_id) from None

    async def fork(
        self, thread_id: str, request: ForkJobRequest, preferences: Preferences, tenant: str | None
    ) -> RunJob:
        """Start a new thread from a checkpoint of this one, and wait until that settles."""
        require(thread_id, "thread_id")
        wait = check_wait(request.wait_ms, preferences)
        if request.new_thread_id is not None:
            await self._guard.refuse_cancelled(require(request.new_thread_id, "new_thread_id"), tenant)
        with failing("fork failed"):
            try:
                result = await self._client.fork(
                    thread_id,
                    request.checkpoint_id or None,
                    update=request.update,
                    as_node=request.as_node,
                    new_thread_id=request.new_thread_id,
                    wait=wait,
                )
            except (ThreadNotFoundError, CheckpointNotFoundError):
                raise _no_checkpoint("fork failed", "thread", thread_id, request.checkpoint_id) from None
        return run_job(result, failing="fork failed")

    async def edit(self, thread_id: str, request: EditStateRequest) -> EditedState:
        """Merge values into the thread's state: now if it waits, else when the nodes that run are through."""
        require(thread_id, "thread_id")
        if await self._guard.refuse_cancelled(thread_id) is None:
            raise no_state(thread_id)
        made: str | None = None
        with failing("edit failed"), suppress(TimeoutError):
            async with asyncio.timeout(EDIT_SECONDS):
                made = await self._client.update_state(thread_id, request.values, as_node=request.as_node)
        return EditedState(thread_id=thread_id, checkpoint_id=made)

    async def cancel(self, thread_id: str, request: CancelJobRequest, author: str | None) -> Cancelled:
        """Cancel the thread and its run; a thread that is unknown or not running is answered the same."""
        require(thread_id, "thread_id")
        await self._guard.find(thread_id)  # refuses an id that no thread could have
        await self._guard.cancel(thread_id)
        why = [part for part in (request.reason, author and f"by {author}") if part]
        with suppress(ThreadNotFoundError, *_CANCEL_LATER):
            async with self._remote_nodes.attentive(thread_id):
                ended = await self._client.cancel(thread_id, reason=", ".join(why) or None)
            await self._attempts.follow(ended)
        await self._attempts.ended(thread_id, "cancelled")  # what is open still
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
