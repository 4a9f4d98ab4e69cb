"""``verify``: replaying histories of the cluster against the code about to be deployed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter
from temporalio.worker import Replayer

from oris_temporal.client import OrisClient
from oris_temporal.client.failures import typed_errors
from oris_temporal.client.lookup import quoted, search
from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.errors import GraphNotFoundError
from oris_temporal.plugin import OrisPlugin

from . import parser as options
from .call import Call, set_runtime
from .divergence import locate
from .exit_codes import Exit
from .parser import Commands, add_command
from .style import paint, table
from .values import UsageError, count, read_text


def add_commands(commands: Commands) -> None:
    """Add the command of this module."""
    parser = add_command(
        commands,
        "verify",
        verify,
        "replay histories against the local code, and name the node that diverged",
        "Runs that wait or still run are replayed as far as they got.",
        options=[options.graphs, options.connection],
    )
    parser.add_argument(
        "--last",
        type=count,
        default=10,
        metavar="N",
        help="histories per graph: of open runs, then of those that ended last (default: 10)",
    )
    parser.add_argument(
        "--file", action="append", metavar="FILE", help="history as JSON, in place of the cluster's; may be repeated"
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the replay of one history showed.

    Attributes:
        graph: Name of the graph.
        thread_id: The thread.
        run_id: Temporal's run id.
        events: Events in the history.
        result: ``clean`` or ``diverged``.
        node: Node that diverged; ``None`` if none did, or it cannot be told.
        task_id: Its task, ``<step>/<node>/<index>``.
        event_id: Event of the history at which it diverged.
        event_type: What that event is.
        message: What happened; empty if nothing did.
    """

    graph: str
    thread_id: str
    run_id: str
    events: int
    result: Literal["clean", "diverged"]
    node: str | None = None
    task_id: str | None = None
    event_id: int | None = None
    event_type: str | None = None
    message: str = ""


def verify(call: Call) -> int:
    """``verify``."""
    graphs = call.load_graphs()
    set_runtime()
    _silence_replays()
    return asyncio.run(_verify(call, graphs))


async def _verify(call: Call, graphs: list[CompiledGraph]) -> int:
    plugin = OrisPlugin(graphs, id_prefix=call.settings.id_prefix)
    verdicts = await (_replay_files(call, plugin) if call.args.file else _replay_newest(call, plugin))
    call.out.answer(verdicts, _text(verdicts))
    if not call.args.file:
        for name in sorted({graph.name for graph in graphs} - {verdict.graph for verdict in verdicts}):
            call.out.note(f"Graph '{name}' has no runs on this cluster, so nothing of it was verified.")
    return Exit.FAILED if any(verdict.result == "diverged" for verdict in verdicts) else Exit.OK


async def _replay_files(call: Call, plugin: OrisPlugin) -> list[Verdict]:
    converter = DataConverter.default
    replayer = Replayer(workflows=[], plugins=[plugin])
    histories = [(Path(path).stem, _from_file(path, plugin.graphs)) for path in call.args.file]
    return [await _replay(replayer, history, thread_id, converter) for thread_id, history in histories]


async def _replay_newest(call: Call, plugin: OrisPlugin) -> list[Verdict]:
    client = await call.connect()
    converter = client.temporal.data_converter
    replayer = Replayer(workflows=[], plugins=[plugin], namespace=client.temporal.namespace, data_converter=converter)
    return [
        await _replay(replayer, history, history.workflow_id.removeprefix(client.id_prefix), converter)
        for graph in plugin.graphs
        async for history in _newest(client, graph.name, call.args.last)
    ]


async def _newest(client: OrisClient, graph: str, limit: int) -> AsyncIterator[WorkflowHistory]:
    """The newest histories of a graph, in the server's order: open runs, which must go on, come first."""
    number = 0
    async for found in search(client.temporal, f"WorkflowType = {quoted(graph)}"):
        if number == limit:
            return
        number += 1
        handle = client.temporal.get_workflow_handle(found.workflow_id, run_id=found.run_id)
        async with typed_errors(f"fetch the history of '{found.workflow_id}'"):
            history = await handle.fetch_history()
        yield history


def _from_file(path: str, graphs: Sequence[CompiledGraph]) -> WorkflowHistory:
    """A history as the Web UI and ``temporal workflow show --output json`` write it.

    Raises:
        UsageError: It is no history.
        GraphNotFoundError: It is the history of another graph.
    """
    try:
        history = WorkflowHistory.from_json(Path(path).stem, read_text(path))
        graph = _graph_of(history)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise UsageError(f"The file '{path}' is not a workflow history in JSON: {error}.") from None
    if graph not in {known.name for known in graphs}:
        raise GraphNotFoundError(
            f"The file '{path}' is a history of '{graph}', which is none of the graphs named by --graphs.", graph=graph
        )
    return history


def _graph_of(history: WorkflowHistory) -> str:
    return history.events[0].workflow_execution_started_event_attributes.workflow_type.name


async def _replay(replayer: Replayer, history: WorkflowHistory, thread_id: str, converter: DataConverter) -> Verdict:
    result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    graph, events = _graph_of(history), len(history.events)
    if result.replay_failure is None:
        return Verdict(graph, thread_id, history.run_id, events, "clean")
    found = await locate(history, result.replay_failure, converter)
    return Verdict(
        graph=graph,
        thread_id=thread_id,
        run_id=history.run_id,
        events=events,
        result="diverged",
        node=found.node,
        task_id=found.task_id,
        event_id=found.event_id,
        event_type=found.event_type,
        message=found.message,
    )


def _text(verdicts: Sequence[Verdict]) -> str:
    rows = [[item.graph, item.thread_id, str(item.events), item.result, item.node or ""] for item in verdicts]
    if not rows:
        return "No histories."
    diverged = [item for item in verdicts if item.result == "diverged"]
    lines = [table(["GRAPH", "THREAD", "EVENTS", "RESULT", "NODE"], rows), ""]
    lines += [f"{item.graph} {item.thread_id}: {item.message}" for item in diverged]
    if diverged:
        lines.append(
            "\nA worker with this code cannot go on with such runs. Let them end on workers with the old code, or keep the old "
            "node beside the new one."
        )
    lines.append(
        paint(f"{len(diverged)} of {len(rows)} diverged.", "red")
        if diverged
        else paint(f"{len(rows)} of {len(rows)} replay clean.", "green")
    )
    return "\n".join(lines)


def _silence_replays() -> None:
    """Keep the SDK from logging every divergence; they are the answer, not an accident."""
    for name in ("temporalio.core", "temporalio.worker", "temporalio.workflow"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
