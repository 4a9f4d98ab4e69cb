"""The Temporal host: a `Run` whose nodes are activities and whose timers, signals and child workflows are Temporal's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from temporalio import workflow
from temporalio.exceptions import (
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    WorkflowAlreadyStartedError,
)

from oris_temporal.graph.duration import to_timedelta, to_timedelta_or_none
from oris_temporal.graph.engine import Engine
from oris_temporal.graph.errors import (
    ModelError,
    NodeError,
    NodeTimeoutError,
    SerializationError,
    error_line,
)
from oris_temporal.graph.ids import bounded
from oris_temporal.graph.interrupts import Ask, Interrupt
from oris_temporal.graph.node import Node
from oris_temporal.graph.options import RetryPolicy
from oris_temporal.graph.records import Outcome, Position, RunStatus, Task
from oris_temporal.graph.relay import ChildRelay
from oris_temporal.graph.state import StateValues
from oris_temporal.graph.tasks import being_cancelled
from oris_temporal.models.queues import ModelQueues
from oris_temporal.models.retries import model_retry
from oris_temporal.store.remote import STORE_RETRY

from .activity_calls import node_failure
from .failures import usage_of, usage_wire
from .message_log import MessageLogs
from .node_calls import options_of
from .pacing import PacedRun
from .payloads import ordered
from .protocol import (
    CHILD_WAITS,
    LLM,
    PAYLOAD_LIMIT,
    RESUME,
    STORE,
    ChildWaits,
    ModelInput,
    NodeInput,
    NodeOutput,
    RemoteNode,
    ResumeOptions,
    RunOptions,
    StoreInput,
    ToolInput,
)
from .references import StateReferences

if TYPE_CHECKING:
    from oris_temporal.graph.compiled import CompiledGraph
    from oris_temporal.graph.subgraph import Subgraph
    from oris_temporal.models import ModelRequest
    from oris_temporal.tools import Tool

CALL_HEARTBEAT = timedelta(seconds=30)
"""A worker silent for this long has lost its calls, and others make them; model calls and tools may say otherwise."""

STORE_TIME = timedelta(minutes=1)
"""Longest time for one attempt at an operation on a store."""


class TemporalRun(PacedRun):
    """A run inside a workflow.

    Args:
        graph: The graph.
        options: The workflow's options.
        payload_limit: Bytes of JSON accepted for one payload; ``None`` is no limit, for clusters with external storage.
        model_queues: Task queues of model calls.
    """

    def __init__(
        self,
        graph: CompiledGraph,
        options: RunOptions,
        *,
        payload_limit: int | None = PAYLOAD_LIMIT,
        model_queues: ModelQueues | None = None,
    ) -> None:
        super().__init__(graph, options, payload_limit=payload_limit)
        self.parent_checkpoint = options.parent
        self.keeps_writes = self.asked_by_parent = options.child_task is not None
        self.logs = MessageLogs()
        self._options = options
        self._plain_config = not options.config and self.thread_id == workflow.info().workflow_id
        self._references = StateReferences()
        self._model_queues = model_queues or ModelQueues()
        self._tried: dict[str, dict[str, Any]] = {}

    @property
    def given_options(self) -> RunOptions:
        """What its caller said about the run, without the thread: a run that starts from one of its checkpoints is given the same."""
        config = {**cast("dict[str, Any]", self.config), "configurable": _without_thread(self.config)}
        return RunOptions(
            config=None if config == {"configurable": {}} else config,
            interrupt_before=self._options.interrupt_before,
            interrupt_after=self._options.interrupt_after,
            history_limit=self._options.history_limit,
        )

    # --- activities ----------------------------------------------------------------------------------------------

    async def call(self, engine: Engine, task: Task, node: Node) -> Outcome:
        """See `Run.call`."""
        while True:
            ask = self.carried_ask(task, len(task.journal))
            if ask is None:
                output = NodeOutput.from_wire(await self._run_activity(engine, task, [node], node.full_name))
                self._record_custom(engine, task, output)
                if output.ask is None:
                    return _outcome(output)
                ask = Ask.from_wire(output.ask)
            await self._ask_for(engine, task, ask)

    async def call_chain(self, engine: Engine, task: Task, chain: Sequence[Node]) -> list[Outcome]:
        """See `Run.call_chain`."""
        name = "+".join([chain[0].full_name, *(node.name for node in chain[1:])])
        output = NodeOutput.from_wire(await self._run_activity(engine, task, chain, name))
        self._record_custom(engine, task, output)
        if output.ask is not None:
            await self._ask_for(engine, task, Ask.from_wire(output.ask))
            return [await self.call(engine, task, chain[0])]
        outcomes = [_outcome(output), *(_outcome(NodeOutput.from_wire(wire)) for wire in output.later or ())]
        if output.failed is not None:  # its task will be the only one of its superstep
            head = task.id.removesuffix(f"{engine.state.step}/{task.node}/{task.index}")
            number, follower = engine.state.step + len(outcomes), chain[len(outcomes)]
            self._tried[f"{head}{number}/{follower.name}/0"] = output.failed
        return outcomes

    async def _ask_for(self, engine: Engine, task: Task, ask: Ask) -> None:
        """Ask what an activity-side node asks, and note the answer for its next attempt."""
        number = len(task.journal)
        task.journal[number] = await self.ask(engine, task, number, ask)

    async def _run_activity(self, engine: Engine, task: Task, chain: Sequence[Node], name: str) -> dict[str, Any]:
        node = chain[0]
        retry = self._retry_of(node, task)
        attempts = f"#{len(task.journal)}" if task.journal else ""
        result: dict[str, Any] = await self._calls.execute(
            name,
            [self._input(engine, task, chain)],
            what="input",
            owner=node.full_name,
            failing=node.full_name,
            activity_id=bounded(f"{task.id}{attempts}"),
            summary=node.options.summary or _summary(engine, task),
            **options_of(chain, retry),
        )
        return result

    def _retry_of(self, node: Node, task: Task) -> RetryPolicy:
        """Its retry policy, less the attempt that it had at the end of a fused chain.

        Raises:
            GraphError: That was its last one.
        """
        policy = node.options.retry
        failed = self._tried.pop(task.id, None)
        if failed is None:
            return policy
        if failed["final"] or policy.maximum_attempts == 1:
            cause = ApplicationError(failed["message"], *failed["details"], type=failed["type"])
            raise node_failure(node.full_name, cause, "")
        return replace(policy, maximum_attempts=max(0, policy.maximum_attempts - 1))

    def _input(self, engine: Engine, task: Task, chain: Sequence[Node]) -> dict[str, Any]:
        given = NodeInput(config=None if self._plain_config else cast("dict[str, Any]", self.config))
        if task.sent:
            given.payload = [task.payload]
        else:
            given.state, given.refs = self._references.split(engine.values, _reads(chain), engine.namespace)
        if chain[0].side == "remote":
            given.remote = RemoteNode.of(engine.graph.name, chain[0]).to_wire()
        elif any(node.wants_store for node in chain):
            given.store = self._other_store(engine)
        if task.journal:
            given.answers = [task.journal[number] for number in sorted(task.journal)]
        return given.to_wire()

    async def call_function(
        self,
        task: Task,
        number: Position,
        name: str,
        fn: Callable[..., Any] | None,
        args: Sequence[Any],
        options: Mapping[str, Any],
    ) -> Any:
        """See `Run.call_function`."""
        heartbeat = options.get("heartbeat", None if fn is None else "30s")
        return await self._calls.execute(
            name,
            list(args),
            what=f"arguments of {name}",
            owner=f"{self.graph.name}.{task.node}",
            retry=options.get("retry") or RetryPolicy(),
            task_queue=options.get("task_queue"),
            heartbeat=to_timedelta_or_none(heartbeat),
            activity_id=bounded(f"{task.id}@{number}"),
            start_to_close_timeout=to_timedelta(options.get("timeout") or "10m"),
            summary=options.get("summary") or task.node,
        )

    async def call_model(
        self, engine: Engine, task: Task, number: Position, request: ModelRequest, task_queue: str | None, summary: str
    ) -> dict[str, Any]:
        """See `Run.call_model`."""
        options = request.model.options
        with self.logs.reference(request.messages) as messages:
            given = ModelInput(
                model=request.model.to_wire(),
                messages=messages,
                form=self.logs.form(request.form) if request.form else None,
                held=request.held,
            )
            try:
                message: dict[str, Any] = await self._calls.execute(
                    LLM,
                    [given.to_wire()],
                    what="model call",
                    owner=f"{self.graph.name}.{task.node}",
                    failing=request.model.name,
                    retry=model_retry(options.max_retries),
                    task_queue=task_queue or self._model_queues.of(request.model.provider),
                    heartbeat=to_timedelta(options.heartbeat or CALL_HEARTBEAT),
                    activity_id=bounded(f"{task.id}@{number}"),
                    start_to_close_timeout=to_timedelta(options.timeout or "10m"),
                    summary=summary,
                )
            except NodeTimeoutError as error:
                text = error.message.removeprefix("Node ")
                raise ModelError(text, kind="timeout", provider=request.model.provider) from error
        return self.answered(engine, task, request, message)

    async def call_tool(
        self,
        engine: Engine,
        task: Task,
        number: Position,
        tool: Tool,
        args: dict[str, Any],
        call_id: str,
        answers: Sequence[Any],
        summary: str,
    ) -> dict[str, Any]:
        """See `Run.call_tool`."""
        given = ToolInput(args=args, call_id=call_id, answers=list(answers) or None, graph=engine.graph.name)
        if tool.wants_run:
            given.config = None if self._plain_config else cast("dict[str, Any]", self.config)
            fields = list(engine.graph.schema.fields if tool.reads is None else tool.reads)
            given.state, given.refs = self._references.split(engine.values, fields, engine.namespace)
            given.store = self._other_store(engine)
        attempts = f"#{len(answers)}" if answers else ""
        result: dict[str, Any] = await self._calls.execute(
            tool.activity_type,
            [given.to_wire()],
            what="tool call",
            owner=f"{self.graph.name}.{task.node}",
            local=tool.run_as == "local",
            retry=tool.retry,
            task_queue=tool.task_queue,
            heartbeat=to_timedelta(tool.heartbeat),
            activity_id=bounded(f"{task.id}@{number}{attempts}"),
            start_to_close_timeout=to_timedelta(tool.timeout),
            summary=summary or None,
        )
        for piece in result.get("custom", ()):
            self.record("custom", engine, task=task, data=piece)
        return result

    def has_store(self, engine: Engine) -> bool:
        """See `Run.has_store`."""
        return self._store_name(engine) is not None

    async def call_store(self, engine: Engine, task: Task, place: str, request: dict[str, Any], summary: str) -> Any:
        """See `Run.call_store`."""
        given = StoreInput(graph=cast("str", self._store_name(engine)), request=request)
        return await self._calls.execute(
            STORE,
            [given.to_wire()],
            what="store operation",
            owner=f"{engine.graph.name}.{task.node}",
            retry=STORE_RETRY,
            heartbeat=CALL_HEARTBEAT,
            activity_id=bounded(f"{task.id}@{place}"),
            start_to_close_timeout=STORE_TIME,
            summary=summary,
        )

    def _store_name(self, engine: Engine) -> str | None:
        """Name of the graph whose store a (sub)graph uses."""
        graph = self.store_graph(engine)
        return self._options.store if graph is None else graph.name

    def _other_store(self, engine: Engine) -> str | None:
        """The same, unless it is the (sub)graph itself."""
        name = self._store_name(engine)
        return None if name == engine.graph.name else name

    async def ask(self, engine: Engine, task: Task, number: Position, ask: Ask) -> Any:
        """See `Run.ask`."""
        full_name = f"{engine.graph.name}.{task.node}"
        self._calls.check_size("question", full_name, ask.value)
        return await super().ask(engine, task, number, ask)

    def finish(self, status: RunStatus) -> None:
        """See `Run.finish`. The final state becomes the workflow's result."""
        if status == "completed":
            self._measure(self.graph.name)
            self._calls.check_size("result", self.graph.name, self.result())
        super().finish(status)

    def result(self) -> dict[str, Any]:
        """The workflow's result: the final state, and for the parent of a subgraph how it came about and what it used."""
        values = self.root.values.wire()
        if not self.keeps_writes:
            return values
        asked = {"asked": settled} if (settled := self.desk.carry_settled()) else {}
        return {
            "values": values,
            "writes": [list(write) for write in self.root.state.writes],
            **usage_wire(self.usage),
            **asked,
        }

    def _record_custom(self, engine: Engine, task: Task, output: NodeOutput) -> None:
        for piece in output.custom or ():
            self.record("custom", engine, task=task, data=piece)
        for later in output.later or ():
            for piece in later.get("custom") or ():
                self.record("custom", engine, task=task, data=piece)

    # --- child workflows -----------------------------------------------------------------------------------------

    async def call_child(self, engine: Engine, task: Task, node: Subgraph) -> Outcome:
        """See `Run.call_child`."""
        given = node.input_from_payload(task.payload) if task.sent else node.input_wire(engine.values)
        self._calls.check_size("input", node.full_name, given)
        options = RunOptions(
            config={**cast("dict[str, Any]", self.config), "configurable": _without_thread(self.config)},
            child_task=task.id,
            store=None if node.graph.store is not None else self._store_name(engine),
        )
        # A thread's earlier run may have a child of the same task that still winds up.
        place = task.id if self.ordinal == 1 else f"run{self.ordinal}/{task.id}"
        child_id = bounded(f"{workflow.info().workflow_id}/{place}")
        prefix = workflow.info().workflow_id.removesuffix(self.thread_id)
        options.thread_id = child_id.removeprefix(prefix) if prefix else None
        handle = workflow.get_external_workflow_handle(child_id)

        async def answer(item: Interrupt, value: Any, author: str | None) -> None:
            with suppress(ApplicationError):  # the child has ended, and its task tells the rest
                given = ResumeOptions(interrupt_id=item.id, author=author)
                await handle.signal(RESUME, args=[ordered(value), ordered(given.to_wire())])

        async def signal(name: str, value: Any) -> None:
            with suppress(ApplicationError):
                await handle.signal(name, ordered(value))

        relay = self._children[task.id] = ChildRelay(self, engine, task, answer, signal)
        asked: list[Interrupt] = []
        try:
            result = await workflow.execute_child_workflow(
                node.graph.name,
                args=[ordered(given), ordered(options.to_wire())],
                id=child_id,
                task_queue=node.options.task_queue,
                parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
                cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
                static_summary=f"{node.graph.name}, for {self.graph.name}.{task.node} of {self.thread_id}",
            )
            asked = [Interrupt.from_wire(wire) for wire in result.get("asked", ())]
        except ChildWorkflowError as error:
            self.add_usage(usage_of(error.cause))
            if isinstance(error.cause, CancelledError) and (self.cancelling or being_cancelled()):
                raise asyncio.CancelledError from error
            raise node_failure(node.full_name, error.cause, "it did not end in time") from error
        except WorkflowAlreadyStartedError as error:
            raise NodeError(
                f"Node {node.full_name} failed: its thread {child_id!r} is running already, started by somebody else.",
                node=node.full_name,
                cause_type=type(error).__name__,
            ) from None
        finally:
            relay.close(asked)
            del self._children[task.id]
        self.add_usage(usage_of(result))
        schema = node.graph.schema
        values = StateValues(schema, schema.decode(result["values"], node.full_name))
        return node.outcome(values, [(name, update) for name, update in result["writes"]])

    def child_waits(self, task_id: str, waits: ChildWaits) -> None:
        """Take over what a child workflow waits for.

        Raises:
            SerializationError: It names no interrupts.
        """
        relay = self._children.get(task_id)
        if relay is None:
            return
        try:
            pending = [(Interrupt.from_wire(wire), tuple(map(int, wire["order"]))) for wire in waits.pending or ()]
            asked = [Interrupt.from_wire(wire) for wire in waits.asked or ()]
        except (ValueError, LookupError, TypeError) as error:
            raise SerializationError(f"What a child waits for cannot be read: {error_line(error)}") from error
        relay.update(settled=waits.settled, pending=pending, signal_waits=dict(waits.signals or ()), asked=asked)

    def waits(self, told: Sequence[str] = ()) -> ChildWaits:
        """What this run waits for, for its parent, and what became of what it was told of."""
        pending = [{**item.to_wire(), "order": list(order)} for item, order in self.desk.waiting]
        asked = [self.desk.asked[id].to_wire() for id in told if self.desk.asked[id].status != "pending"]
        return ChildWaits(
            settled=self.settled,
            pending=pending or None,
            signals=list(self.signal_waits.items()) or None,
            asked=asked or None,
        )


async def tell_parent(task_id: str, waits: ChildWaits) -> None:
    """Signal the parent workflow what this child waits for."""
    parent = workflow.info().parent
    if parent is not None:
        handle = workflow.get_external_workflow_handle(parent.workflow_id, run_id=parent.run_id)
        with suppress(ApplicationError):  # a parent that is gone has nobody to ask
            await handle.signal(CHILD_WAITS, args=[task_id, ordered(waits.to_wire())])


def _outcome(output: NodeOutput) -> Outcome:
    updates = [output.update] if output.update is not None else (output.updates or [])
    return Outcome(list(updates), list(output.goto or []))


def _reads(chain: Sequence[Node]) -> list[str]:
    """State fields a chain needs; a chain merges its own updates, so those of all its nodes."""
    fields = chain[0].schema.fields
    if any(node.reads is None for node in chain):
        return list(fields)
    return [name for name in fields if any(name in (node.reads or ()) for node in chain)]


def _summary(engine: Engine, task: Task) -> str:
    where = f"step {engine.state.step}"
    if task.sent:
        where += f" · {task.index}: {task.payload!s:.40}"
    return where


def _without_thread(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config["configurable"].items() if key != "thread_id"}
