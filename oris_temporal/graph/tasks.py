"""Asyncio tasks."""

from __future__ import annotations

import asyncio


def being_cancelled() -> bool:
    """Whether the present asyncio task is being cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
