"""What holds for a thread as a whole: its latest run, and whether anything may still run on it."""

from __future__ import annotations

from oris_temporal.client import OrisClient
from oris_temporal.client.lookup import Found, find, runs_of

from ..errors import ApiError, conflict


async def latest_run(client: OrisClient, thread_id: str) -> Found | None:
    """The thread's latest run as the server describes it, without asking a worker; ``None`` if it never ran."""
    return await find(client.temporal, f"{client.id_prefix}{thread_id}", thread_id)


async def refuse_cancelled(client: OrisClient, thread_id: str) -> Found | None:
    """Refuse to run anything on a thread whose latest run was cancelled.

    The truth is Temporal's; a control store that also remembers threads that never ran belongs here.

    Returns:
        The thread's latest run.

    Raises:
        ApiError: 409.
    """
    found = await latest_run(client, thread_id)
    if found is not None and found.status == "cancelled":
        raise cancelled_conflict(thread_id)
    return found


async def first_open_number(client: OrisClient, thread_id: str) -> int:
    """Number of the first interrupt that the thread's latest run can have asked.

    Interrupts below it belong to runs that were replaced. A cancelled thread keeps all of them, as nothing replaced
    its last run.
    """
    latest, *earlier = await runs_of(client.temporal, f"{client.id_prefix}{thread_id}", thread_id)
    before = next((run for run in earlier if run.ordinal < latest.ordinal), None)
    return 0 if before is None or latest.status == "cancelled" else int(before.memo.get("interrupts", 0))


def cancelled_conflict(thread_id: str) -> ApiError:
    """409: nothing may run on a cancelled thread any more."""
    return conflict(f"thread '{thread_id}' is cancelled")
