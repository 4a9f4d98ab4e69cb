"""One thread at a time in a workflow, also after a workflow task that was held up."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from temporalio import workflow
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner

_PATIENCE = 1.0
"""Seconds that an eviction waits for the task before it; the SDK tries it again two seconds after it failed."""


class ExclusiveRunner(WorkflowRunner):
    """Runs workflows as another runner does, and never lets a second thread into one.

    A workflow task that takes longer than two seconds, because of its code, the garbage collector or a machine that stood still, is
    failed by the SDK, which then evicts the workflow without waiting for the thread that is still in it. Two threads in one event loop
    leave tasks behind that never end, the eviction never succeeds, and the run waits for it for as long as the worker lives.

    Args:
        runner: Makes the instances.
    """

    def __init__(self, runner: WorkflowRunner) -> None:
        self._runner = runner

    def prepare_workflow(self, defn: Any) -> None:
        """See `WorkflowRunner.prepare_workflow`."""
        self._runner.prepare_workflow(defn)

    def set_worker_level_failure_exception_types(self, types: Sequence[type[BaseException]]) -> None:
        """See `WorkflowRunner.set_worker_level_failure_exception_types`."""
        self._runner.set_worker_level_failure_exception_types(types)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """See `WorkflowRunner.create_instance`."""
        return _ExclusiveInstance(self._runner.create_instance(det))


class _ExclusiveInstance(WorkflowInstance):
    def __init__(self, instance: WorkflowInstance) -> None:
        self._instance = instance
        self._turn = threading.Lock()

    def activate(self, act: Any) -> Any:
        if not self._turn.acquire(timeout=_PATIENCE):
            raise RuntimeError(
                "The workflow task before this one was held up, and its thread is still in the workflow."
            )
        try:
            return self._instance.activate(act)
        finally:
            self._turn.release()

    def get_serialization_context(self, command_info: Any) -> Any:
        return self._instance.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> Any:
        return self._instance.get_external_store_context(command_info)

    def get_info(self) -> workflow.Info:
        return self._instance.get_info()

    def get_thread_id(self) -> int | None:
        return self._instance.get_thread_id()
