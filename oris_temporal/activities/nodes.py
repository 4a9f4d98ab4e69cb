"""Node bodies as Temporal activities: ``<graph>.<node>``, fused chains ``<graph>.<a>+<b>``, and functions for ``ctx.activity``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

from temporalio import activity
from temporalio.exceptions import ApplicationError

from oris_temporal.graph.compiled import ActivityFunction, CompiledGraph
from oris_temporal.graph.config import RunnableConfig, read_config
from oris_temporal.graph.errors import OrisError, PayloadTooLargeError, bounded_text, error_text
from oris_temporal.graph.execution import NodeCall, NodeResult, execute_node
from oris_temporal.graph.node import Node, is_async_callable
from oris_temporal.graph.options import RetryPolicy
from oris_temporal.graph.records import Outcome
from oris_temporal.graph.state import Write
from oris_temporal.graph.tasks import must_pass
from oris_temporal.graph.wire import to_wire
from oris_temporal.workflows.failures import tellable
from oris_temporal.workflows.payloads import ordered, payload_size
from oris_temporal.workflows.protocol import PAYLOAD_LIMIT, NodeInput, NodeOutput

from .fields import FieldCache
from .heartbeat import Pulse
from .served import ServedGraphs

ActivityCallable = Callable[..., Awaitable[Any]]


class NodeActivities:
    """Makes the activities of graphs for one worker.

    Args:
        fields: The worker's copies of large state fields.
        graphs: The worker's graphs.
        threads: Most plain (not async) node functions that run at the same time.
        payload_limit: Bytes of JSON a node may return; ``None`` is no limit, for clusters with external payload storage.
    """

    def __init__(
        self, fields: FieldCache, graphs: ServedGraphs, *, threads: int = 100, payload_limit: int | None = PAYLOAD_LIMIT
    ) -> None:
        self._fields = fields
        self._graphs = graphs
        self._limit = payload_limit
        self._threads = threads
        self._executor: Executor | None = None

    def of(self, graph: CompiledGraph) -> list[ActivityCallable]:
        """Activities of a graph, without those of its subgraphs."""
        own = [node for node in graph.nodes.values() if isinstance(node, Node) and node.side in ("activity", "local")]
        chains = [[cast("Node", graph.nodes[name]) for name in (head, *rest)] for head, rest in graph.chains.items()]
        return [
            *(self._node_activity(graph.name, node) for node in own),
            *(self._chain_activity(graph.name, chain) for chain in chains),
            *(self._function_activity(graph.name, function) for function in graph.functions.values()),
        ]

    # --- making --------------------------------------------------------------------------------------------------

    def _node_activity(self, graph: str, node: Node) -> ActivityCallable:
        @activity.defn(name=node.full_name)
        async def run_node(wire: dict[str, Any]) -> Any:
            with Pulse() as pulse:
                given = NodeInput.from_wire(wire)
                call = await read_call(self._fields, given)
                output = _output(await self._execute(node, call, pulse, given.store or graph))
                return self._checked(node.full_name, output)

        return run_node

    def _chain_activity(self, graph: str, chain: list[Node]) -> ActivityCallable:
        name = chain_name(chain)

        @activity.defn(name=name)
        async def run_chain(wire: dict[str, Any]) -> Any:
            with Pulse() as pulse:
                given = NodeInput.from_wire(wire)
                call = await read_call(self._fields, given)
                outputs, failed = await self._run_chain(chain, call, pulse, given.store or graph)
                first = NodeOutput.from_wire(outputs[0])
                first.later = outputs[1:] or None
                first.failed = failed
                return self._checked(name, first)

        return run_chain

    def _function_activity(self, graph: str, function: ActivityFunction) -> ActivityCallable:
        name = f"{graph}.{function.name}"
        retry = function.options.get("retry") or RetryPolicy()

        @activity.defn(name=name)
        async def run_function(*args: Any) -> Any:
            with Pulse(), failing_as(name, retry):
                if is_async_callable(function.fn):
                    result = await function.fn(*args)
                else:
                    result = await asyncio.get_running_loop().run_in_executor(self.pool(), partial(function.fn, *args))
                wire = to_wire(result, f"result of {name}")
                return check_result(name, wire, self._limit)

        return run_function

    # --- running -------------------------------------------------------------------------------------------------

    async def _execute(self, node: Node, call: NodeCall, pulse: Pulse, store_of: str) -> NodeResult:
        with failing_as(node.full_name, node.options.retry):
            store = self._graphs.store(store_of) if node.wants_store else None
            return await execute_node(node, call, writer=thread_safe(pulse.write), store=store, executor=self.pool())

    async def _run_chain(
        self, chain: Sequence[Node], call: NodeCall, pulse: Pulse, store_of: str
    ) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        """Outputs of the nodes that ran, at least one, and how the next one failed, if it did.

        Finished nodes are in the heartbeats, so another attempt goes on after them. A node that asks a person, or fails after
        others finished, ends the chain: the workflow runs it on its own.
        """
        schema = chain[0].schema
        done: list[dict[str, Any]] = list(pulse.progress or [])
        values = {**schema.initial(), **schema.decode(call.state, chain[0].full_name)}
        for node, wire in zip(chain, done, strict=False):
            values = schema.apply(
                values, [Write(node.full_name, update) for update in outcome_of(NodeOutput.from_wire(wire)).updates]
            )
        for node in chain[len(done) :]:
            call = NodeCall(
                state=schema.encode(values, node.reads), config=call.config, answers=[] if done else call.answers
            )
            try:
                result = await self._execute(node, call, pulse, store_of)
            except ApplicationError as error:
                if done:
                    return done, _failure_wire(error)
                raise
            if result.ask is not None and done:
                return done, None
            output = _output(result)
            done.append(output.to_wire())
            pulse.progress = done
            pulse.beat()
            if result.outcome is None or result.outcome.goto:
                return done, None
            values = schema.apply(values, [Write(node.full_name, update) for update in result.outcome.updates])
        return done, None

    def pool(self) -> Executor:
        """Threads for plain functions."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix="oris-node")
        return self._executor

    def _checked(self, name: str, output: NodeOutput) -> Any:
        return check_result(name, output.to_wire(), self._limit)


async def read_call(fields: FieldCache, given: NodeInput) -> NodeCall:
    """What the running activity is to call its node with."""
    config = config_of(given.config)
    if given.payload is not None:
        return NodeCall(config=config, sent=True, payload=given.payload[0], answers=given.answers or [])
    state = dict(given.state or {})
    if given.refs:
        state.update(await fields.resolve(given.refs))
    return NodeCall(state=state, config=config, answers=given.answers or [])


def check_result(name: str, wire: Any, limit: int | None) -> Any:
    """A result as an activity returns it.

    Raises:
        ApplicationError: It has more bytes than the limit (a `PayloadTooLargeError`).
    """
    result = ordered(wire)
    if limit is None or (size := payload_size(result)) <= limit:
        return result
    error = PayloadTooLargeError(
        f"{name} returned {size:,} bytes of JSON; Temporal takes at most {limit:,} in one payload. Return a reference to "
        "the data, or configure external storage on the client's data converter.",
        node=name,
        size=size,
    )
    raise failure_of(error, name, RetryPolicy())


def _failure_wire(error: ApplicationError) -> dict[str, Any]:
    """A failed attempt as the workflow gets it that goes on after it."""
    return {
        "type": error.type,
        "message": error.message,
        "details": list(error.details),
        "final": error.non_retryable,
    }


def config_of(wire: dict[str, Any] | None) -> RunnableConfig:
    """The run's configuration, for an activity that was given only what is out of the ordinary."""
    return read_config(wire) if wire else RunnableConfig(configurable={"thread_id": activity.info().workflow_id})


def chain_name(chain: Sequence[Node]) -> str:
    """Activity type of a fused chain."""
    return "+".join([chain[0].full_name, *(node.name for node in chain[1:])])


def outcome_of(output: NodeOutput) -> Outcome:
    """The outcome an activity's output stands for."""
    updates = [output.update] if output.update is not None else (output.updates or [])
    return Outcome(list(updates), list(output.goto or []))


@contextmanager
def failing_as(name: str, retry: RetryPolicy) -> Iterator[None]:
    """Turn what user code raises into a Temporal failure, see `failure_of`."""
    try:
        yield
    except BaseException as error:
        completes_later = type(error).__module__ == activity.__name__  # raise_complete_async
        if must_pass(error) or completes_later:
            raise
        raise failure_of(error, name, retry) from tellable(error)


def failure_of(error: BaseException, name: str, retry: RetryPolicy) -> ApplicationError:
    """The Temporal failure of an error a node raised: typed, and retried only if that may help."""
    if isinstance(error, ApplicationError):
        return error if bounded_text(error.message) == error.message else _retold(error)
    if isinstance(error, OrisError):
        return ApplicationError(
            error.message, error.details, type=type(error).__name__, non_retryable=not retry.retries(error)
        )
    return ApplicationError(
        error_text(error), {"node": name}, type=type(error).__name__, non_retryable=not retry.retries(error)
    )


def _retold(error: ApplicationError) -> ApplicationError:
    """The same failure with a message that can be sent."""
    return ApplicationError(
        bounded_text(error.message),
        *error.details,
        type=error.type,
        non_retryable=error.non_retryable,
        next_retry_delay=error.next_retry_delay,
        category=error.category,
    )


def _output(result: NodeResult) -> NodeOutput:
    output = NodeOutput(custom=result.custom or None)
    if result.ask is not None:
        output.ask = result.ask.to_wire()
    if result.outcome is not None:
        updates = result.outcome.updates
        output.update = updates[0] if len(updates) == 1 else None
        output.updates = updates if len(updates) > 1 else None
        output.goto = result.outcome.goto or None
    return output


def thread_safe(write: Callable[[Any], None]) -> Callable[[Any], None]:
    """Let plain node functions, which run in threads, write to the stream."""
    loop = asyncio.get_running_loop()
    return lambda piece: cast("None", loop.call_soon_threadsafe(write, piece))
