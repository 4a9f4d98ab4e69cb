"""What holds for a thread as a whole: its latest run, and whether anything may still run on it."""

from __future__ import annotations

from oris_temporal.client import OrisClient
from oris_temporal.client.lookup import Found, find

from ..errors import ApiError, conflict


async def refuse_cancelled(client: OrisClient, thread_id: str) -> Found | None:
    """Refuse to run anything on a thread whose latest run was cancelled.

    The truth is Temporal's; a control store that also remembers threads that never ran belongs here.

    Returns:
        The thread's latest run as the server describes it, without asking a worker; ``None`` if it never ran.

    Raises:
        ApiError: 409.
    """
    found = await find(client.temporal, f"{client.id_prefix}{thread_id}", thread_id)
    if found is not None and found.status == "cancelled":
        raise cancelled_conflict(thread_id)
    return found


def cancelled_conflict(thread_id: str) -> ApiError:
    """409: nothing may run on a cancelled thread any more."""
    return conflict(f"thread '{thread_id}' is cancelled")
