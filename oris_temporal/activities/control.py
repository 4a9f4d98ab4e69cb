"""What a run needs for itself: to end as cancelled, to breathe."""

from __future__ import annotations

from temporalio import activity

from oris_temporal.workflows.protocol import BREATHE, CANCEL_RUN


@activity.defn(name=CANCEL_RUN)
async def cancel_run(reason: str) -> None:
    """Cancel the run that calls this: a workflow cannot end as cancelled by itself."""
    info = activity.info()
    handle = activity.client().get_workflow_handle(info.workflow_id or "", run_id=info.workflow_run_id)
    await handle.cancel(reason=reason)


@activity.defn(name=BREATHE)
async def breathe() -> None:
    """Do nothing: the worker turns to other things, and the run goes on in an activation of its own."""
