"""Somebody's own workflow and activity, which know nothing of graphs but a name."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio import activity, workflow


@activity.defn
async def prepare(topic: str) -> str:
    return f"prepared {topic}"


@workflow.defn
class Pipeline:
    @workflow.run
    async def run(self, topic: str) -> dict[str, Any]:
        prepared = await workflow.execute_activity(prepare, topic, start_to_close_timeout=timedelta(seconds=10))
        result: dict[str, Any] = await workflow.execute_child_workflow(
            "review", prepared, id=f"{workflow.info().workflow_id}-review"
        )
        return {"lines": len(result["messages"])}
