"""`Worker`: a Temporal worker for graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import temporalio.client
import temporalio.worker

from oris_temporal.client import OrisClient
from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.plugin import OrisPlugin


class Worker(temporalio.worker.Worker):
    """A Temporal worker with an `OrisPlugin`: a convenience where a process serves nothing but graphs.

    Use it in ``async with``, or call ``run()``.

    Args:
        client: An `OrisClient` or a `temporalio` client.
        graphs: Compiled graphs to serve.
        task_queue: Task queue to poll. Default: the `OrisClient`'s, else ``oris``.
        plugins: Plugins of your own.
        options: Any option of `temporalio.worker.Worker`.

    Raises:
        ConfigurationError: Two different graphs have the same name.
    """

    def __init__(
        self,
        client: OrisClient | temporalio.client.Client,
        graphs: Sequence[CompiledGraph],
        *,
        task_queue: str | None = None,
        plugins: Sequence[temporalio.worker.Plugin] = (),
        **options: Any,
    ) -> None:
        if isinstance(client, OrisClient):
            task_queue = task_queue or client.task_queue
            client = client.temporal
        super().__init__(client, task_queue=task_queue or "oris", plugins=[OrisPlugin(graphs), *plugins], **options)
