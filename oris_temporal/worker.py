"""`Worker`: a Temporal worker for graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import temporalio.client
import temporalio.worker
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import WorkerDeploymentConfig

from oris_temporal.client import OrisClient
from oris_temporal.graph.build import build_id
from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.errors import ConfigurationError
from oris_temporal.plugin import OrisPlugin
from oris_temporal.workflows.protocol import LLM, STORE


class Worker(temporalio.worker.Worker):
    """A Temporal worker with an `OrisPlugin`: a convenience where a process serves nothing but graphs.

    Use it in ``async with``, or call ``run()``.

    Args:
        client: An `OrisClient` or a `temporalio` client.
        graphs: Compiled graphs to serve.
        task_queue: Task queue to poll. Default: the `OrisClient`'s, else ``oris``.
        deployment: Name of a worker deployment (Temporal's Worker Versioning). Its build id is `build_id` of the graphs; runs stay
            on the build they began on, and move to the current one where they continue as new.
        model_task_queue: See `OrisPlugin`.
        plugins: Plugins of your own.
        options: Any option of `temporalio.worker.Worker`, such as ``max_concurrent_activities``.

    Raises:
        ConfigurationError: Two different graphs have the same name, a workflow or activity of yours has the name of one of ours, or a
            provider is not known.
    """

    def __init__(
        self,
        client: OrisClient | temporalio.client.Client,
        graphs: Sequence[CompiledGraph],
        *,
        task_queue: str | None = None,
        deployment: str | None = None,
        model_task_queue: str | Mapping[str, str] | None = None,
        plugins: Sequence[temporalio.worker.Plugin] = (),
        **options: Any,
    ) -> None:
        id_prefix = ""
        if isinstance(client, OrisClient):
            task_queue, id_prefix = task_queue or client.task_queue, client.id_prefix
            client = client.temporal
        if deployment is not None:
            options["deployment_config"] = WorkerDeploymentConfig(
                version=WorkerDeploymentVersion(deployment, build_id(graphs)),
                use_worker_versioning=True,
                default_versioning_behavior=VersioningBehavior.PINNED,
            )
        plugin = OrisPlugin(graphs, model_task_queue=model_task_queue, id_prefix=id_prefix)
        try:
            super().__init__(client, task_queue=task_queue or "oris", plugins=[plugin, *plugins], **options)
        except ValueError as error:
            if "More than one" not in str(error):
                raise
            raise ConfigurationError(
                f"{error}: graphs have workflows of their names, and activities '<graph>.<node>', '{LLM}', '{STORE}', 'tool.<name>' "
                "and 'oris.*'. Give your own another name."
            ) from error
