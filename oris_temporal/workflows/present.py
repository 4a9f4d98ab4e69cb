"""What the present workflow task says of time and of the history so far."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from temporalio import workflow


class Present:
    """Time and history as of the present workflow task.

    They are the same throughout a workflow task, and asked for several times a superstep. So they are read once per task, and
    told from those of another one by the time, which the workflow's event loop knows.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._info = workflow.info()
        self._read()

    @property
    def now(self) -> datetime:
        """The time, aware, in UTC."""
        if self._loop.time() != self._time:
            self._read()
        return self._now

    def look(self) -> int:
        """Bring everything up to date.

        Returns:
            Number of events in the history.
        """
        if self._loop.time() != self._time:
            self._read()
        return self.events

    def _read(self) -> None:
        info = self._info
        self._time = self._loop.time()
        self._now = datetime.fromtimestamp(self._time, UTC)
        self.events = info.get_current_history_length()
        self.bytes = info.get_current_history_size()
        self.is_continue_as_new_suggested = info.is_continue_as_new_suggested()
        self.is_deployment_changed = info.is_target_worker_deployment_version_changed()
