"""What a run writes down: events and checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from .config import RunnableConfig
from .editing import EditableEngine
from .engine import Engine
from .host import Host
from .interrupts import Interrupt, InterruptDesk
from .records import Checkpoint, CheckpointSource, EngineState, Event, EventKind, GraphCall, Task
from .results import StateSnapshot
from .run_log import RunLog
from .snapshot import engine_state_to_wire
from .subgraph import Subgraph
from .wire import wire_size

if TYPE_CHECKING:
    from oris_temporal.tools import Tool

    from .compiled import CompiledGraph


CARRIED_WRITES = 100_000
"""Bytes of the latest supersteps' writes that a run keeps when it continues as new; the history it leaves has them all."""


class RecordingRun(Host):
    """A run that keeps events and checkpoints.

    Args:
        graph: The graph.
        thread_id: The thread.
        ordinal: Number of this run within the thread, from 1.
        config: The run's configuration.
        interrupts_before: Interrupts the thread asked in earlier runs.
        keep: Checkpoints and events kept for queries; older ones are dropped.

    Attributes:
        continued: Whether the run went on elsewhere: it continued as new.
        asked_by_parent: Whether the run of a parent asks its questions: what that has taken as an answer, this one takes.
    """

    def __init__(
        self,
        graph: CompiledGraph,
        *,
        thread_id: str,
        ordinal: int,
        config: RunnableConfig | None,
        interrupts_before: int,
        keep: int,
    ) -> None:
        self.graph = graph
        self.thread_id = thread_id
        self.ordinal = ordinal
        self.config: RunnableConfig = config or {"configurable": {}}
        self.config["configurable"]["thread_id"] = thread_id
        self.engines: dict[str, Engine] = {}
        self.desk = InterruptDesk(thread_id, interrupts_before, self.tools_of)
        self.log = RunLog(thread_id, keep)
        self.progressed = False
        self.continued = False
        self.asked_by_parent = False
        self.parent_checkpoint: str | None = None
        self.began: datetime | None = None
        self._carried_checkpoints: dict[str, Mapping[str, Any]] = {}

    def tools_of(self, item: Interrupt) -> Mapping[str, Tool]:
        """Tools of the graph that asks something, by name; none if it cannot be told from here which graph that is."""
        if self.asked_by_parent:
            return {}
        place = item.namespace.split("|") if item.namespace else []
        below: list[str] = []
        while "|".join(place) not in self.engines:
            if not place:
                return {}
            below.insert(0, place.pop())
        graph = self.engines["|".join(place)].graph
        for name in below:  # in runs of their own
            node = graph.nodes.get(name.partition(":")[0])
            if not isinstance(node, Subgraph) or "@" in name:
                return {}
            graph = node.graph
        return graph.tools

    def record(
        self,
        kind: EventKind,
        engine: EditableEngine | None,
        *,
        task: Task | None = None,
        node: str | None = None,
        data: Any = None,
    ) -> None:
        """Append an event."""
        event = Event(
            seq=self.log.sequence + 1,
            at=self.now(),
            kind=kind,
            namespace=engine.namespace if engine else "",
            node=task.node if task else node,
            task_id=task.id if task else None,
            step=engine.state.step if engine else None,
            data=data,
        )
        self.log.append(event)
        self.changed()

    def checkpoint(
        self, engine: EditableEngine, source: CheckpointSource, writes: list[tuple[str, dict[str, Any]]]
    ) -> None:
        """Record the state of an engine as a checkpoint."""
        self.progressed = True
        parent = engine.state.checkpoint_id or self.parent_checkpoint
        engine.state.checkpoint_id = f"{self.ordinal:04d}-{engine.state.step:06d}"
        next_nodes = [task.node for task in engine.state.tasks]
        made = Checkpoint(
            id=engine.state.checkpoint_id,
            namespace=engine.namespace,
            parent_id=parent,
            source=source,
            step=engine.state.step,
            schema=engine.graph.schema,
            values=engine.values.data,
            next=next_nodes,
            writes=writes,
            created_at=self.now(),
            root=freeze(self.engines[""].state if self.engines else engine.state),
        )
        self.log.add(made)
        self.record("checkpoint", engine, data={"id": engine.state.checkpoint_id, "source": source, "next": next_nodes})

    def snapshot(self, checkpoint: Checkpoint, *, pending: bool) -> StateSnapshot:
        """A checkpoint as callers see it.

        Args:
            checkpoint: The checkpoint.
            pending: Whether the run still waits there, so that what is pending in its namespace belongs to it.
        """
        place = {"thread_id": self.thread_id, "checkpoint_ns": checkpoint.namespace}
        return StateSnapshot(
            values=checkpoint.encoded(),
            next=list(checkpoint.next),
            config={**place, "checkpoint_id": checkpoint.id},
            metadata={
                "step": checkpoint.step,
                "source": checkpoint.source,
                "run": self.ordinal,
                "writes": [list(write) for write in checkpoint.writes],
            },
            created_at=checkpoint.created_at,
            parent_config=None if checkpoint.parent_id is None else {**place, "checkpoint_id": checkpoint.parent_id},
            interrupts=[item for item in self.desk.pending if is_within(item.namespace, checkpoint.namespace)]
            if pending
            else [],
        )

    def is_at(self, checkpoint: Checkpoint) -> bool:
        """Whether a checkpoint is where the run is now, or ended. One that continued as new is nowhere any more."""
        return not self.continued and checkpoint is self.log.latest(checkpoint.namespace)

    def start_at(self, checkpoint: Checkpoint) -> EngineState | None:
        """The state from which a run starts at a checkpoint; ``None`` if only the history that this run continued from knows it.

        Where the run is now that is the present state, so finished tasks of an unfinished superstep keep their writes.
        """
        live = self.engines.get("")
        if live is not None and checkpoint.root.step == live.state.step and self.is_at(checkpoint):
            return live.state
        return None if checkpoint is self.log.carried.get(checkpoint.namespace) else checkpoint.root

    def seed_of(self, checkpoint: Checkpoint) -> dict[str, Any] | None:
        """`start_at` as JSON data."""
        state = self.start_at(checkpoint)
        return None if state is None else engine_state_to_wire(self.graph, state)

    def carry_checkpoints(self) -> dict[str, dict[str, Any]]:
        """What is to be known, beside the state, of the checkpoints at which the run continues as new, by namespace. JSON data."""
        carried: dict[str, dict[str, Any]] = {}
        left = CARRIED_WRITES
        for namespace in self.engines:
            if (latest := self.log.latest(namespace)) is None:
                continue
            writes = [list(write) for write in latest.writes]
            size = wire_size(writes)
            if size > left:
                writes, size = [], 0
            left -= size
            carried[namespace] = {
                "source": latest.source,
                "parent_id": latest.parent_id,
                "created_at": latest.created_at.isoformat(),
                "writes": writes,
            }
        return carried

    def restore_checkpoints(self, carried: Mapping[str, Mapping[str, Any]]) -> None:
        """Take over what `carry_checkpoints` wrote. Each is there once its engine goes on: see `goes_on`."""
        self._carried_checkpoints = dict(carried)

    def goes_on(self, engine: Engine) -> bool:
        """Show the checkpoint at which an engine goes on from an earlier history of this run, until it makes another one.

        Returns:
            Whether it does: one that has begun before goes on else from another run's checkpoint.
        """
        carried = self._carried_checkpoints.pop(engine.namespace, None)
        if carried is None:
            return False
        state = engine.state
        self.log.carried[engine.namespace] = Checkpoint(
            id=cast("str", state.checkpoint_id),
            namespace=engine.namespace,
            parent_id=carried["parent_id"],
            source=carried["source"],
            step=state.step,
            schema=engine.graph.schema,
            values=state.values,
            next=[task.node for task in state.tasks],
            writes=[(node, update) for node, update in carried["writes"]],
            created_at=datetime.fromisoformat(carried["created_at"]),
            root=freeze(self.engines[""].state),
        )
        return True


def is_within(namespace: str, outer: str) -> bool:
    """Whether a namespace is that of a (sub)graph, or of a subgraph of it."""
    return not outer or namespace == outer or namespace.startswith(f"{outer}|")


def freeze(state: EngineState) -> EngineState:
    """A copy of an engine's state that later steps do not change. Values and updates are shared: nobody changes them."""
    return EngineState(
        values=state.values,
        tasks=[_freeze_task(task) for task in state.tasks],
        step=state.step,
        supersteps=state.supersteps,
        joins={key: list(seen) for key, seen in state.joins.items()},
        pause=state.pause,
        then=state.then,
        halted=state.halted,
        checkpoint_id=state.checkpoint_id,
        writes=list(state.writes),
    )


def _freeze_task(task: Task) -> Task:
    return Task(
        id=task.id,
        node=task.node,
        index=task.index,
        sent=task.sent,
        payload=task.payload,
        journal=dict(task.journal),
        outcome=task.outcome,
        child=None if task.child is None else freeze(task.child),
        calls={number: GraphCall(call.graph, freeze(call.state)) for number, call in task.calls.items()},
    )
