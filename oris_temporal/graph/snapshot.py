"""JSON form of an engine's state, for continue-as-new, replay and fork."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .errors import GraphError
from .records import EngineState, GraphCall, Outcome, Task
from .subgraph import Subgraph

if TYPE_CHECKING:
    from .compiled import CompiledGraph


def engine_state_to_wire(graph: CompiledGraph, state: EngineState) -> dict[str, Any]:
    """Write an engine's state; fields at their default are left out, and graphs in it that have not begun: they begin again."""
    wire: dict[str, Any] = {
        "values": graph.schema.encode(state.values),
        "tasks": [_task_to_wire(graph, task) for task in state.tasks],
        "step": state.step,
        "supersteps": state.supersteps,
        "checkpoint_id": state.checkpoint_id,
    }
    if state.joins:
        wire["joins"] = {key: list(seen) for key, seen in state.joins.items()}
    if state.pause:
        wire["pause"] = list(state.pause)
    if state.then is not None:
        wire["then"] = state.then
    if state.halted:
        wire["halted"] = True
    if state.writes:
        wire["writes"] = [list(write) for write in state.writes]
    return wire


def engine_state_from_wire(graph: CompiledGraph, wire: Mapping[str, Any]) -> EngineState:
    """Read an engine's state.

    Raises:
        GraphError: A task's node is gone: the graph has changed since.
        InvalidUpdateError: The values do not fit the graph's present state schema.
    """
    pause = wire.get("pause")
    return EngineState(
        values={**graph.schema.initial(), **graph.schema.decode(wire["values"], f"saved state of {graph.name}")},
        tasks=[_task_from_wire(graph, task) for task in wire["tasks"]],
        step=wire["step"],
        supersteps=wire["supersteps"],
        joins={key: list(seen) for key, seen in wire.get("joins", {}).items()},
        pause=None if pause is None else (pause[0], pause[1]),
        then=wire.get("then"),
        halted=wire.get("halted", False),
        checkpoint_id=wire["checkpoint_id"],
        writes=[(node, update) for node, update in wire.get("writes", ())],
    )


def _task_to_wire(graph: CompiledGraph, task: Task) -> dict[str, Any]:
    wire: dict[str, Any] = {"id": task.id, "node": task.node, "index": task.index}
    if task.sent:
        wire["payload"] = task.payload
    if task.journal:
        wire["journal"] = [[number, entry] for number, entry in task.journal.items()]
    if task.outcome is not None:
        wire["outcome"] = {"updates": task.outcome.updates, "goto": task.outcome.goto}
    node = graph.nodes.get(task.node)
    if task.child is not None and task.child.begun and isinstance(node, Subgraph):
        wire["child"] = engine_state_to_wire(node.graph, task.child)
    if calls := {number: call for number, call in task.calls.items() if call.state.begun}:
        wire["calls"] = [
            [number, call.graph, engine_state_to_wire(graph.graphs[call.graph], call.state)]
            for number, call in calls.items()
        ]
    return wire


def _task_from_wire(graph: CompiledGraph, wire: Mapping[str, Any]) -> Task:
    node = graph.nodes.get(wire["node"])
    if node is None:
        raise GraphError(
            f"The saved run is to continue at node {wire['node']!r}, which graph {graph.name} no longer has. "
            "Deploy the graph version it was saved with, or fork from an earlier checkpoint."
        )
    outcome = wire.get("outcome")
    child = wire.get("child")
    return Task(
        id=wire["id"],
        node=wire["node"],
        index=wire["index"],
        sent="payload" in wire,
        payload=wire.get("payload"),
        journal=dict(wire.get("journal", ())),
        outcome=None if outcome is None else Outcome(list(outcome["updates"]), list(outcome["goto"])),
        child=engine_state_from_wire(node.graph, child) if child is not None and isinstance(node, Subgraph) else None,
        calls={
            number: GraphCall(name, engine_state_from_wire(_called(graph, name), state))
            for number, name, state in wire.get("calls", ())
        },
    )


def _called(graph: CompiledGraph, name: str) -> CompiledGraph:
    if name not in graph.graphs:
        raise GraphError(
            f"The saved run is in graph {name!r}, which graph {graph.name} no longer calls. Deploy the graph version it was saved with, "
            "or fork from an earlier checkpoint."
        )
    return graph.graphs[name]
