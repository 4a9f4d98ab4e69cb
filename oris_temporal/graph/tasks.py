"""Asyncio tasks."""

from __future__ import annotations

import asyncio


def being_cancelled() -> bool:
    """Whether the present asyncio task is being cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def go_on_unless_cancelled() -> None:
    """Keep code that is being cancelled from waiting for somebody, which might never end. It may clean up."""
    if being_cancelled():
        raise asyncio.CancelledError


def must_pass(error: BaseException) -> bool:
    """Whether an error that user code raised is asyncio's: the present task is being cancelled, or its coroutine closed.

    Anything else that is no `Exception`, such as `SystemExit`, ends a run and not the process that it runs in.
    """
    return isinstance(error, GeneratorExit) or (not isinstance(error, Exception) and being_cancelled())
