"""From the options of a call to the start of a run."""

from __future__ import annotations

import hashlib
from typing import Any, cast
from uuid import NAMESPACE_OID, uuid4, uuid5

from temporalio.common import Priority, SearchAttributePair, TypedSearchAttributes

from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.errors import InvalidOptionError
from oris_temporal.graph.requests import check_breakpoints, check_update
from oris_temporal.graph.wire import to_wire
from oris_temporal.workflows.details import static_details, static_summary
from oris_temporal.workflows.payloads import payload_limit
from oris_temporal.workflows.protocol import RunOptions
from oris_temporal.workflows.search_attributes import GRAPH, PARENT, STATUS, TENANT

from .launch import Launch
from .options import StartOptions, check_place, read_graph, read_options
from .threads import Threads

_FAIRNESS_KEY_BYTES = 64


class Launcher:
    """Makes launches of runs.

    Args:
        threads: The threads.
        task_queue: Task queue of runs that name none.
    """

    def __init__(self, threads: Threads, task_queue: str) -> None:
        self._threads = threads
        self._task_queue = task_queue

    def of_call(self, graph: str | CompiledGraph, thread_id: str | None, input: Any, options: StartOptions) -> Launch:
        """The launch that a caller asks for. See `OrisClient.run` for the arguments and the errors."""
        name, own = read_graph(graph)
        options = read_options(options)
        if not isinstance(input, str):
            check_update(input, f"input of {name}")
        summary = input if isinstance(input, str) else None
        config, continues = options.get("config"), options.get("from_last_state")
        check_place(config, thread_id=thread_id)
        configurable = (config or {}).get("configurable", {})
        if (checkpoint_id := configurable.get("checkpoint_id")) is not None:
            raise InvalidOptionError(
                f"config names checkpoint {checkpoint_id!r}, but a run starts from its input. To start from a checkpoint, call "
                "replay(thread_id, checkpoint_id) or fork(thread_id, checkpoint_id).",
                option="config",
            )
        named = thread_id if thread_id is not None else configurable.get("thread_id")
        breakpoints = {option: options.get(option) for option in ("interrupt_before", "interrupt_after")}
        if own is not None:
            if not (continues and input is None):
                input = own.input_wire(input)
            own.context_of(config or {})
            for option, nodes in breakpoints.items():
                check_breakpoints(own, cast("list[str] | None", nodes), option)
        key = options.get("idempotency_key")
        launch = self.make(
            name,
            new_thread(name, key) if named is None else named,
            to_wire(input, "input"),
            RunOptions(
                config=cast("dict[str, Any] | None", config),
                history_limit=options.get("continue_as_new_after"),
                **cast("Any", breakpoints),
            ),
            summary=summary,
            tenant=options.get("tenant"),
            priority=options.get("priority"),
            task_queue=options.get("task_queue"),
        )
        launch.graph = own
        launch.on_conflict = options.get("on_conflict", launch.on_conflict)
        launch.on_timeout = options.get("on_timeout", launch.on_timeout)
        launch.idempotency_key = key
        launch.continues = continues if continues is not None or own is None else own.continues
        launch.arguments["execution_timeout"] = options.get("execution_timeout")
        if own is not None:
            launch.arguments["static_details"] = static_details(own)
        return launch

    def make(
        self,
        graph: str,
        thread_id: str,
        input: Any,
        options: RunOptions,
        *,
        summary: str | None = None,
        tenant: str | None = None,
        priority: int | None = None,
        parent: str | None = None,
        task_queue: str | None = None,
    ) -> Launch:
        """A launch with what every run is started with."""
        if self._threads.id_prefix:
            options.thread_id = thread_id
        attributes = {GRAPH: graph, STATUS: "running", TENANT: tenant, PARENT: parent}
        pairs = [SearchAttributePair(key, value) for key, value in attributes.items() if value is not None]
        arguments: dict[str, Any] = {
            "id": self._threads.workflow_id(thread_id),
            "task_queue": task_queue or self._task_queue,
            "search_attributes": TypedSearchAttributes(pairs),
            "static_summary": static_summary(graph, input if summary is None else summary),
        }
        if tenant is not None or priority is not None:
            arguments["priority"] = Priority(priority_key=priority, fairness_key=_fairness_key(tenant))
        limit = payload_limit(self._threads.temporal.data_converter)
        return Launch(graph, thread_id, input, options, arguments, payload_limit=limit)


def new_thread(graph: str, key: str | None) -> str:
    """Id of a thread that the caller did not name; the same for the same key."""
    return uuid4().hex if key is None else uuid5(NAMESPACE_OID, f"{graph}/{key}").hex


def _fairness_key(tenant: str | None) -> str | None:
    """A tenant as a fairness key, which may have 64 bytes at most."""
    if tenant is None or len(tenant.encode()) <= _FAIRNESS_KEY_BYTES:
        return tenant
    return hashlib.sha256(tenant.encode()).hexdigest()
