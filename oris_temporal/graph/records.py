"""What a run is made of at any moment: tasks, their outcomes, checkpoints and events. Plain data, no behaviour of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from .state import StateSchema, Values

CheckpointSource = Literal["input", "loop", "update", "fork"]
BreakpointKind = Literal["before", "after"]
Position = int | str
"""Which of a task's operations: a number, for those of a `Context.branch` with its name before it, and for questions of a tool with
``?`` and their number behind it."""


def order_of(position: Position) -> tuple[int, ...]:
    """Sort key of a position; branches with names that are no numbers are alike."""
    return tuple(int(part) if part.isdigit() else 0 for part in str(position).replace("?", ".").split("."))


RunStatus = Literal["running", "interrupted", "completed", "failed", "cancelled"]


@dataclass(slots=True)
class Outcome:
    """What a finished task left.

    Attributes:
        updates: Its partial updates, in JSON form.
        goto: Destinations of its `Command`: node names, or ``{"node", "payload"}`` for a `Send`.
    """

    updates: list[dict[str, Any]] = field(default_factory=list)
    goto: list[str | dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class GraphCall:
    """A graph that a node runs with ``ctx.call_graph``.

    Attributes:
        graph: Its name.
        state: How far it has got.
    """

    graph: str
    state: EngineState


@dataclass(slots=True)
class Task:
    """One node to run in a superstep.

    Attributes:
        id: ``<namespace>/<step>/<node>/<index>``, a long namespace cut; unique in the run and the same on every replay.
        node: Node name.
        index: Position in the step's ordered task list.
        sent: Whether a `Send` made it, so that it sees `payload` in place of the state.
        payload: JSON payload of the `Send`.
        journal: Results of what the node did so far, by position: answers it got, activities it called. A task that has to
            start again (continue-as-new, fork) is given them instead of doing the work twice.
        outcome: Set once the task is done.
        child: State of the subgraph the task runs, once it has started.
        calls: Graphs the node is running with ``ctx.call_graph``, by position.
    """

    id: str
    node: str
    index: int
    sent: bool = False
    payload: Any = None
    journal: dict[Position, Any] = field(default_factory=dict)
    outcome: Outcome | None = None
    child: EngineState | None = None
    calls: dict[Position, GraphCall] = field(default_factory=dict)


@dataclass(slots=True)
class EngineState:
    """Everything one engine (a graph, or a subgraph in its namespace) needs to go on.

    Attributes:
        values: State field values.
        tasks: Tasks of the superstep to run next, or of the one that is running.
        step: Number of the latest checkpoint; task ids are built from it.
        supersteps: Supersteps finished, for the recursion limit.
        joins: For each waiting join, the sources that have finished.
        pause: Static breakpoint the run stopped at: its kind and node.
        then: Destinations that take the place of the present superstep's edges, or ``None``.
        halted: Whether the breakpoint before the present superstep was passed, so that it does not stop again.
        checkpoint_id: Id of the latest checkpoint; ``None`` until the engine has begun.
        writes: In a subgraph, ``[node, update]`` of everything merged so far.
    """

    values: Values
    tasks: list[Task] = field(default_factory=list)
    step: int = 0
    supersteps: int = 0
    joins: dict[str, list[str]] = field(default_factory=dict)
    pause: tuple[BreakpointKind, str] | None = None
    then: list[str | dict[str, Any]] | None = None
    halted: bool = False
    checkpoint_id: str | None = None
    writes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def begun(self) -> bool:
        """Whether the input was merged and the first tasks are known."""
        return self.checkpoint_id is not None


@dataclass(slots=True)
class Checkpoint:
    """The state at a superstep boundary.

    Attributes:
        id: ``<run ordinal>-<step>``, zero padded: deterministic and sortable within its namespace.
        namespace: Namespace of the subgraph, empty at the top.
        parent_id: Checkpoint before it, or the one it was forked from.
        source: What made it: the input, a superstep, an edit or a fork.
        step: Its number within the run and namespace.
        schema: Schema of the values.
        values: State field values.
        next: Nodes that run next.
        writes: What was merged to get here, ``[[node, update], ...]``.
        created_at: When.
        root: State of the whole run at this moment, from which a new run can start.
    """

    id: str
    namespace: str
    parent_id: str | None
    source: CheckpointSource
    step: int
    schema: StateSchema
    values: Values
    next: list[str]
    writes: list[tuple[str, dict[str, Any]]]
    created_at: datetime
    root: EngineState

    def encoded(self) -> dict[str, Any]:
        """The values as JSON data."""
        return self.schema.encode(self.values)


EventKind = Literal[
    "run_started",
    "task_started",
    "task_completed",
    "task_failed",
    "updates",
    "checkpoint",
    "interrupt",
    "escalated",
    "resumed",
    "rejected",
    "ignored",
    "signal",
    "custom",
    "token",
    "message",
    "state_edited",
    "continued",
    "run_completed",
    "run_failed",
    "run_cancelled",
]


@dataclass(slots=True)
class Event:
    """One thing that happened in a run.

    Attributes:
        seq: Number within the thread's run, from 1; the cursor of streams.
        at: When.
        kind: What happened.
        namespace: Where; empty at the top.
        node: Node concerned, or ``None``.
        task_id: Task concerned, or ``None``.
        step: Checkpoint number the task started from, or the one just made.
        data: JSON details, by kind.
    """

    seq: int
    at: datetime
    kind: EventKind
    namespace: str = ""
    node: str | None = None
    task_id: str | None = None
    step: int | None = None
    data: Any = None
