"""The activity ``store``: what workflow-side nodes ask of their store."""

from __future__ import annotations

from typing import Any

from temporalio import activity

from oris_temporal.graph.errors import GraphError
from oris_temporal.store.remote import STORE_RETRY, serve
from oris_temporal.workflows.protocol import PAYLOAD_LIMIT, STORE, StoreInput

from .heartbeat import Pulse
from .nodes import check_result, failing_as
from .served import ServedGraphs


class StoreActivities:
    """Makes the store operations of workflow-side nodes for one worker.

    Args:
        graphs: The worker's graphs.
        payload_limit: Bytes of JSON an answer may have; ``None`` is no limit, for clusters with external payload storage.
    """

    def __init__(self, graphs: ServedGraphs, *, payload_limit: int | None = PAYLOAD_LIMIT) -> None:
        self.graphs = graphs
        self._limit = payload_limit

    @activity.defn(name=STORE)
    async def store(self, wire: dict[str, Any]) -> Any:
        """Carry out one operation."""
        with Pulse(), failing_as(STORE, STORE_RETRY):
            given = StoreInput.from_wire(wire)
            store = self.graphs.store(given.graph)
            if store is None:
                raise GraphError(f"Graph {given.graph} was compiled without a store on this worker.")
            return check_result(STORE, await serve(store, given.request), self._limit)
