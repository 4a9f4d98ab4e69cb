"""What commands that move runs along show: a run's progress while it lasts, and its result."""

from __future__ import annotations

import shlex
import sys
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from oris_temporal.client import OrisClient, RunResult
from oris_temporal.client.waiting import why_stuck
from oris_temporal.graph.records import RunStatus

from . import render
from .call import Call
from .exit_codes import Exit, exit_of_status
from .progress import Follower, Progress, Since
from .style import is_terminal, paint


@asynccontextmanager
async def shown(call: Call, client: OrisClient, thread_id: str, since: Since) -> AsyncIterator[None]:
    """Show the thread's progress on a terminal while the block runs."""
    quoted = shlex.quote(thread_id)
    call.goes_on = f"Thread {thread_id} goes on by itself. See: oris-temporal inspect {quoted}"
    if call.out.json or call.out.quiet or not is_terminal(sys.stderr):
        yield
    else:
        call.out.note(paint(f"thread {thread_id}", "dim", sys.stderr))
        progress = Progress(sys.stderr, live=True)
        async with Follower(client, thread_id, progress).following(since):
            yield
        call.out.note("")
    call.goes_on = ""


async def finish(call: Call, client: OrisClient, result: RunResult, *, done: Collection[RunStatus] = ()) -> int:
    """Print a result; its exit code.

    Args:
        call: The call.
        client: The client.
        result: The result.
        done: Statuses with which the command has done what it was asked for.

    Raises:
        UnavailableError: The run does not settle because no worker serves it, or its code fails.
        GraphNotFoundError: The workers do not have its graph.
    """
    workflow_id = f"{client.id_prefix}{result.thread_id}"
    if result.status == "running" and (trouble := await why_stuck(client.temporal, workflow_id, result.thread_id)):
        raise trouble
    link = call.link(client.temporal, workflow_id, result.run_id)
    call.out.answer(result, render.result(result, link, hint=not call.out.quiet))
    return Exit.OK if result.status in done else exit_of_status(result.status)
