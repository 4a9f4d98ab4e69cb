"""Tools as Temporal activities: ``tool.<name>``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor
from typing import Any

from temporalio import activity

from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.options import NO_RETRY
from oris_temporal.graph.tool_calls import attempt_tool
from oris_temporal.graph.wire import to_wire
from oris_temporal.store.base import Store
from oris_temporal.tools import Runtime, Tool
from oris_temporal.workflows.protocol import PAYLOAD_LIMIT, ToolInput

from .fields import FieldCache
from .heartbeat import Pulse
from .nodes import ActivityCallable, check_result, config_of, failing_as, thread_safe
from .served import ServedGraphs


class ToolActivities:
    """Makes the activities of tools for one worker.

    Args:
        fields: The worker's copies of large state fields.
        graphs: The worker's graphs.
        executor: Threads for plain (not async) tools.
        payload_limit: Bytes of JSON a tool may return; ``None`` is no limit, for clusters with external payload storage.
    """

    def __init__(
        self,
        fields: FieldCache,
        graphs: ServedGraphs,
        executor: Callable[[], Executor],
        *,
        payload_limit: int | None = PAYLOAD_LIMIT,
    ) -> None:
        self._fields = fields
        self._graphs = graphs
        self._executor = executor
        self._limit = payload_limit

    def of(self, graphs: Sequence[CompiledGraph], *, but: Collection[str] = ()) -> list[ActivityCallable]:
        """Activities of the tools of graphs, one for each name; a call says whose tool it is.

        Args:
            graphs: The graphs.
            but: Names of tools whose activities are registered already.
        """
        names = (tool.name for graph in graphs for tool in graph.tools.values() if tool.run_as != "workflow")
        return [self._activity(name) for name in dict.fromkeys(names) if name not in but]

    def _activity(self, name: str) -> ActivityCallable:
        @activity.defn(name=f"tool.{name}")
        async def run_tool(wire: dict[str, Any]) -> Any:
            with Pulse() as pulse:
                given = ToolInput.from_wire(wire)
                with failing_as(f"tool.{name}", NO_RETRY):
                    tool = self._graphs.tool(name, given.graph)
                custom: list[Any] = []
                send = thread_safe(pulse.write)

                def write(data: Any) -> None:
                    custom.append(to_wire(data, f"custom stream data of tool {tool.name}"))
                    send(custom[-1])

                with failing_as(tool.activity_type, tool.retry):
                    runtime = await self._runtime(tool, given, write)
                    result = await attempt_tool(tool, given.args, runtime, given.answers or (), self._executor())
                if custom:
                    result["custom"] = custom
                return check_result(tool.activity_type, result, self._limit)

        return run_tool

    async def _runtime(self, tool: Tool, given: ToolInput, write: Callable[[Any], None]) -> Runtime:
        config = config_of(given.config)
        state: Any = None
        store: Store | None = None
        context: Any = None
        if tool.wants_run and given.graph is not None:
            store = self._graphs.store(given.store or given.graph)
            graph = self._graphs[given.graph]
            context = graph.context_of(config)
            wires = {**(given.state or {}), **(await self._fields.resolve(given.refs or {}))}
            state = graph.schema.decode(wires, tool.activity_type)
            if tool.reads is None:
                state = graph.schema.view(state)
        thread_id = config["configurable"].get("thread_id") or activity.info().workflow_id or ""
        return Runtime(state, config, given.call_id, thread_id, write, store, context)
