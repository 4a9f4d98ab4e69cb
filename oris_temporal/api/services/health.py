"""Whether a run that is started now would make progress."""

from __future__ import annotations

import asyncio

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.service import RPCError

from oris_temporal.client import OrisClient
from oris_temporal.client.waiting import has_pollers
from oris_temporal.graph.errors import OrisError

from ..models.health import Readiness

_TIMEOUT_SECONDS = 3.0


class HealthService:
    """Asks Temporal how it is.

    Args:
        client: The client.
    """

    def __init__(self, client: OrisClient) -> None:
        self._client = client

    async def readiness(self) -> Readiness:
        """Whether Temporal answers and a worker polls the client's task queue."""
        queue = self._client.task_queue
        workflows = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                polled = await has_pollers(self._client.temporal, queue, workflows)
        except (OrisError, RPCError, TimeoutError) as error:
            reason = str(error) or f"nothing in {_TIMEOUT_SECONDS:g} seconds"
            return _unavailable(queue, f"Temporal does not answer: {reason}", temporal=False)
        if not polled:
            return _unavailable(queue, f"no worker polls task queue '{queue}'", temporal=True)
        return Readiness(status="ready", temporal=True, worker=True, task_queue=queue)


def _unavailable(queue: str, reason: str, *, temporal: bool) -> Readiness:
    return Readiness(status="unavailable", temporal=temporal, worker=False, task_queue=queue, reason=reason)
