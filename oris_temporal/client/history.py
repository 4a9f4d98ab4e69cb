"""Following a run's history as it grows: the one way to wait for a run that adds nothing to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest
from temporalio.client import Client
from temporalio.service import RPCError

from .failures import typed_errors
from .lookup import Found

_CHANGED = "Current and request branch tokens"
"""How the server begins to say that a page token is of a branch that the history no longer has."""

_POLL_SECONDS = timedelta(seconds=70)
"""Longer than the server holds a long poll."""


async def follow_history(temporal: Client, found: Found) -> AsyncIterator[Sequence[HistoryEvent]]:
    """Events of a run, those that are there and those to come, as the server gives them, until the workflow is closed.

    All of them come again where the server says that the history has another branch by now.

    Args:
        temporal: Temporal client.
        found: The run.

    Raises:
        ThreadNotFoundError: Its retention period is over.
        ServerUnreachableError: The server does not answer.
    """
    token = b""
    while True:
        request = GetWorkflowExecutionHistoryRequest(
            namespace=temporal.namespace,
            execution=WorkflowExecution(workflow_id=found.workflow_id, run_id=found.run_id),
            wait_new_event=True,
            next_page_token=token,
        )
        async with typed_errors("follow a run", found.workflow_id):
            try:
                answer = await temporal.workflow_service.get_workflow_execution_history(
                    request, retry=True, timeout=_POLL_SECONDS
                )
            except RPCError as error:
                if not token or _CHANGED not in error.message:
                    raise
                token = b""
                continue
        if answer.history.events:
            yield answer.history.events
        token = answer.next_page_token
        if not token:
            return
