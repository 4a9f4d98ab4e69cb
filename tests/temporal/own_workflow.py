"""Workflows and an activity of somebody's own, which know nothing of graphs but a name, or how a parent is told."""

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


@workflow.defn(name="inner")
class SettlesOtherwise:
    """In place of a subgraph's workflow: its question settles by itself just as the answer of the parent's thread comes."""

    def __init__(self) -> None:
        self._answers: list[list[Any]] = []

    @workflow.signal
    def resume(self, value: Any, options: dict[str, Any]) -> None:
        self._answers.append([value, options])

    @workflow.run
    async def run(self, state: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
        parent = workflow.info().parent
        assert parent is not None
        now = workflow.now().isoformat()
        asked = {"id": "int-child-0", "node": "ask", "value": "inner?", "created_at": now, "deadline": now}
        waits = {"settled": True, "pending": [{**asked, "order": [0, 0]}]}
        handle = workflow.get_external_workflow_handle(parent.workflow_id)
        await handle.signal("oris_child_waits", args=[options["child_task"], waits])
        await workflow.wait_condition(lambda: bool(self._answers))
        settled = {**asked, **state["becomes"], "answered_at": now}
        return {
            "values": {"heard": self._answers},
            "writes": [["ask", {"heard": self._answers}]],
            "asked": [settled],
        }
