"""What holds for a thread as a whole: its latest run, and whether anything may still run on it."""

from __future__ import annotations

from oris_temporal.client import OrisClient
from oris_temporal.client.lookup import Found, find
from oris_temporal.graph.requests import check_thread_id

from ..control_store import CancelledThreads
from ..errors import ApiError, conflict, not_found


class ThreadGuard:
    """Keeps cancelled threads from running.

    Args:
        client: The client.
        cancelled: Threads that were cancelled over this API.
    """

    def __init__(self, client: OrisClient, cancelled: CancelledThreads) -> None:
        self._client = client
        self._cancelled = cancelled

    async def find(self, thread_id: str) -> Found | None:
        """The thread's latest run as the server describes it, without asking a worker; ``None`` if it never ran.

        Raises:
            InvalidThreadIdError: It is an id that no thread can have.
        """
        workflow_id = f"{self._client.id_prefix}{check_thread_id(thread_id, self._client.id_prefix)}"
        return await find(self._client.temporal, workflow_id, thread_id)

    async def refuse_cancelled(self, thread_id: str, tenant: str | None = None) -> Found | None:
        """Refuse to run anything on a cancelled thread, and on one of another tenant for a caller that has one.

        Returns:
            Its latest run.

        Raises:
            ApiError: 409, it was cancelled over this API, or its latest run was cancelled in another way, or is not the tenant's.
        """
        found = await self.find(thread_id)
        if tenant is not None and found is not None and found.tenant != tenant:
            raise conflict(f"thread '{thread_id}' is not free: choose another thread_id")
        if (found is not None and found.status == "cancelled") or await self.is_cancelled(thread_id):
            raise cancelled_conflict(thread_id)
        return found

    async def require_own(self, thread_id: str, tenant: str | None) -> None:
        """Keep a caller that has a tenant from threads of others; they are to it as if they were not there.

        Raises:
            ApiError: 404.
        """
        if not await self.is_own(thread_id, tenant):
            raise not_found(f"thread not found: {thread_id}")

    async def is_own(self, thread_id: str, tenant: str | None) -> bool:
        """Whether a caller may see a thread: it has no tenant, or the thread's latest run is of that."""
        if tenant is None:
            return True
        found = await self.find(thread_id)
        return found is not None and found.tenant == tenant

    async def is_cancelled(self, thread_id: str) -> bool:
        """Whether the thread was cancelled over this API."""
        return await self._cancelled.has(thread_id)

    async def cancel(self, thread_id: str) -> None:
        """Let nothing run on the thread any more, whether it ever ran or not."""
        await self._cancelled.add(thread_id)


def no_state(thread_id: str) -> ApiError:
    """404: the thread never ran, or has no such checkpoint."""
    return not_found(f"Execution error: No state found for thread: {thread_id}")


def cancelled_conflict(thread_id: str) -> ApiError:
    """409: nothing may run on a cancelled thread any more."""
    return conflict(f"thread '{thread_id}' is cancelled")
