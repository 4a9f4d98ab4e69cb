"""What a run needs for itself: to end as cancelled, to breathe, to know whether it can be listed."""

from __future__ import annotations

from temporalio import activity
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.service import RPCError

from oris_temporal.workflows.protocol import BREATHE, CANCEL_RUN, IS_SET_UP
from oris_temporal.workflows.search_attributes import SEARCH_ATTRIBUTES


@activity.defn(name=CANCEL_RUN)
async def cancel_run(reason: str) -> None:
    """Cancel the run that calls this: a workflow cannot end as cancelled by itself."""
    info = activity.info()
    handle = activity.client().get_workflow_handle(info.workflow_id or "", run_id=info.workflow_run_id)
    await handle.cancel(reason=reason)


@activity.defn(name=BREATHE)
async def breathe() -> None:
    """Do nothing: the worker turns to other things, and the run goes on in an activation of its own."""


@activity.defn(name=IS_SET_UP)
async def is_set_up() -> bool:
    """Whether the namespace has the search attributes: a workflow that sets one which it has not would be stuck."""
    client = activity.client()
    try:
        answer = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace)
        )
    except RPCError:  # not every server tells
        return False
    return SEARCH_ATTRIBUTES.keys() <= answer.custom_attributes.keys()


CONTROL_ACTIVITIES = (cancel_run, breathe, is_set_up)
"""All of these; every worker that serves graphs has them."""
