"""What can be asked of a run's workflow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar, cast

from temporalio import workflow

from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.editing import check_edit
from oris_temporal.graph.errors import GraphError, OrisError
from oris_temporal.graph.records import Checkpoint
from oris_temporal.graph.streaming import debug_info
from oris_temporal.graph.wire import to_wire, wire_size

from . import protocol
from .message_log import FORMS, LOGS
from .payloads import ordered
from .protocol import INLINE_FINAL_LIMIT, INLINE_RESULT_LIMIT, PAYLOAD_LIMIT, ResumeOptions, RunReport
from .temporal_run import TemporalRun

SHOWN_VALUE_BYTES = 2_000
"""Bytes of a question's value that the memo has, and a checkpoint too large for one answer."""

_PAGE_BYTES = 1_000_000


class QueriedWorkflow:
    """A workflow that runs `graph` and answers queries about it.

    Attributes:
        graph: The graph.
    """

    graph: ClassVar[CompiledGraph]

    def __init__(self) -> None:
        self._run: TemporalRun | None = None
        self._broken: GraphError | None = None

    def _report(self, *, whole: bool = False) -> dict[str, Any]:
        run = self._run
        if run is None:
            return RunReport("failed" if self._broken else "running", error=_error_wire(self._broken)).to_wire()
        if run.continuing:
            return RunReport("running", continued=True).to_wire()
        error = _error_wire(run.error)
        if "" not in run.engines:
            return RunReport(run.status, error=error).to_wire()
        waiting = run.settled and run.status in ("running", "interrupted")
        values = run.root.values
        size = sum(values.encoded(name).size for name in values.data)
        # A final state is the workflow's result as well: say it twice only where that is cheaper than asking for it.
        inline = size <= (INLINE_FINAL_LIMIT if run.status == "completed" else INLINE_RESULT_LIMIT)
        apart = whole and size > _PAGE_BYTES
        interrupts = self._pending(run, _PAGE_BYTES // max(1, len(run.desk.pending)))
        return RunReport(
            status="interrupted" if waiting else ("running" if run.status == "interrupted" else run.status),
            checkpoint_id=run.root.state.checkpoint_id,
            values=values.wire() if (whole and not apart) or inline else None,
            fields=list(values.data) if apart else None,
            next=run.next_nodes() if whole else run.next_nodes() or None,
            interrupts=interrupts if whole else interrupts or None,
            error=error,
            usage={model: used.to_wire() for model, used in run.usage.items()} or None,
        ).to_wire()

    @staticmethod
    def _pending(run: TemporalRun, limit: int) -> list[dict[str, Any]]:
        """What the run waits for; values of more bytes than the limit are cut."""
        return [_cut(item.to_wire(), limit) for item in run.desk.pending]

    @workflow.query(name=protocol.QUERY_STATE, description="Status, state, next nodes and pending interrupts.")
    def _query_state(self) -> Any:
        return ordered(self._report(whole=True))

    @workflow.query(
        name=protocol.QUERY_HISTORY,
        description="Checkpoints of a namespace, oldest first, with values or without; a page of at most 1 MB from a start.",
    )
    def _query_history(self, namespace: str = "", values: bool = False, start: int = 0) -> Any:
        run = self._run
        found = run.log.of(namespace) if run else []
        page = (self._snapshot(cast("TemporalRun", run), item, values=values) for item in found[start:])
        return ordered(_page(page, len(found) - start))

    @workflow.query(
        name=protocol.QUERY_CHECKPOINT, description="One checkpoint, by id and namespace; null if there is none."
    )
    def _query_checkpoint(self, checkpoint_id: str | None = None, namespace: str = "") -> Any:
        run = self._run
        found = None if run is None else run.log.find(checkpoint_id, namespace)
        return None if run is None or found is None else ordered(self._snapshot(run, found, values=True))

    @workflow.query(
        name=protocol.QUERY_SEED,
        description="Options of a run that starts from a checkpoint; null if there is none, a refusal if an edit or answer does not fit.",
    )
    def _query_seed(
        self, checkpoint_id: str | None = None, edit: dict[str, Any] | None = None, answer: list[Any] | None = None
    ) -> Any:
        run = self._run
        if run is None:
            return None
        first = checkpoint_id == protocol.FIRST_CHECKPOINT
        found = run.log.first() if first else run.log.find(checkpoint_id)
        if found is None or (seed := run.seed_of(found)) is None:
            return None
        try:
            if edit is not None:
                check_edit(self.graph, found.values, edit["update"], as_node=edit["as_node"], goto=())
            if answer is not None:
                self._check_answer_at(run, found, *answer)
        except OrisError as error:
            return _refusal(error)
        return ordered(replace(run.given_options, seed=seed, parent=found.id).to_wire())

    def _check_answer_at(self, run: TemporalRun, checkpoint: Checkpoint, value: Any, wire: dict[str, Any]) -> None:
        """Raise what ``resume`` with these options would raise in a run that starts at a checkpoint, as far as can be told."""
        options = ResumeOptions.read(wire)
        goto = options.command(value).destinations
        check_edit(self.graph, checkpoint.values, options.update or {}, as_node=None, goto=goto)
        if not options.no_value:
            run.check_answer_at(checkpoint, value, by_id=options.names_question)

    @workflow.query(name=protocol.QUERY_INPUT, description="Whether an input fits the graph: null, or a refusal.")
    def _query_input(self, input: Any = None) -> dict[str, Any] | None:
        try:
            self.graph.input_wire(input)
        except OrisError as error:
            return _refusal(error)
        return None

    @workflow.query(
        name=protocol.QUERY_INTERRUPTS,
        description="Pending interrupts, in order, or all the run has asked; a page of at most 1 MB from a start.",
    )
    def _query_interrupts(self, all: bool = False, start: int = 0) -> Any:
        desk = self._run.desk if self._run else None
        items = [] if desk is None else list(desk.asked.values()) if all else desk.pending
        return ordered(_page((item.to_wire() for item in items[start:]), len(items) - start))

    @workflow.query(name=protocol.QUERY_TIMELINE, description="What happened, oldest first; a page of at most 1 MB.")
    def _query_timeline(self, after: int = 0) -> Any:
        hidden = ("custom", "message", "updates")
        seen = [event for event in (self._run.log.events if self._run else ()) if event.seq > after]
        events = [event for event in seen if event.kind not in hidden]
        return ordered(_page(({"seq": event.seq, **debug_info(event)} for event in events), len(events)))

    @workflow.query(name=protocol.QUERY_GRAPH, description="The graph: Mermaid, state schema and digest.")
    def _query_graph(self) -> dict[str, Any]:
        graph = self.graph
        return {
            "name": graph.name,
            "digest": graph.digest,
            "mermaid": graph.to_mermaid(),
            "schema": graph.schema.json_schema(),
        }

    @workflow.query(
        name=protocol.QUERY_EVENTS, description="Events after a number, for streams; a page of at most 1 MB."
    )
    def _query_events(self, after: int = 0) -> Any:
        run = self._run
        if run is None:
            return {"run": 0, "settled": False, "items": [], "more": False}
        fresh = [event for event in run.log.events if event.seq > after]
        wires = ({**to_wire(event, "event"), "values": run.log.values_at(event)} for event in fresh)
        return ordered({"run": run.ordinal, "settled": run.settled, **_page(wires, len(fresh))})

    @workflow.query(
        name=protocol.QUERY_FIELD, description="What an activity got by reference: a state field, a conversation."
    )
    def _query_field(self, namespace: str, name: str, start: int = 0) -> Any:
        run = cast("TemporalRun", self._run)
        if namespace in (LOGS, FORMS):
            wire: Any = run.logs.items(namespace, name)
        else:
            wire = run.engines[namespace].values.encoded(name).wire
        if not isinstance(wire, list):
            return ordered({"value": wire})
        end, size = start, 0
        while end < len(wire) and (end == start or size < _PAGE_BYTES):
            size += wire_size(wire[end])
            end += 1
        return ordered({"items": wire[start:end]})

    @staticmethod
    def _snapshot(run: TemporalRun, checkpoint: Checkpoint, *, values: bool) -> dict[str, Any]:
        snapshot = run.snapshot(checkpoint, pending=run.is_at(checkpoint))
        wire: dict[str, Any] = to_wire(snapshot, "checkpoint")
        if not values:
            del wire["values"], wire["metadata"]["writes"]
        elif (
            wire_size(wire) > PAYLOAD_LIMIT
        ):  # too large for one answer: the writes are in the stream, the questions have a query
            wire["metadata"]["writes"] = []
            wire["interrupts"] = [_cut(item, SHOWN_VALUE_BYTES) for item in wire["interrupts"]]
        return wire


def _cut(wire: dict[str, Any], limit: int) -> dict[str, Any]:
    """An interrupt whose value has at most so many bytes."""
    if wire_size(wire["value"]) > limit:
        wire["value"] = {"truncated": str(wire["value"])[: limit // 4]}
    return wire


def _page(wires: Iterator[dict[str, Any]], total: int) -> dict[str, Any]:
    """As many of the items as fit into a query's answer, at least one, and whether there are more."""
    page: list[dict[str, Any]] = []
    size = 0
    for wire in wires:
        page.append(wire)
        size += wire_size(wire)
        if size > _PAGE_BYTES:
            break
    return {"items": page, "more": len(page) < total}


def _refusal(error: OrisError) -> dict[str, Any]:
    """An error as the answer of a query."""
    return {"refusal": {"type": type(error).__name__, "message": error.message, "details": error.details}}


def _error_wire(error: GraphError | None) -> dict[str, Any] | None:
    return None if error is None else {"code": error.code, "message": error.message, "details": error.details}
