"""``run``, ``resume``, ``reject``, ``cancel``, ``replay``, ``fork``: commands that move runs along."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import partial
from typing import Any

from oris_temporal.client import OrisClient, RunHandle, StartOptions
from oris_temporal.client.launcher import new_thread
from oris_temporal.client.lookup import find
from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.control import MISSING
from oris_temporal.graph.duration import Duration
from oris_temporal.graph.errors import GraphNotFoundError, NodeNotFoundError

from . import render
from .call import Call, online
from .exit_codes import Exit
from .outcomes import finish, shown
from .parser import Commands, add_command, connection, graphs, queue, thread, wait
from .style import fields
from .values import UsageError, duration, json_object, json_or_text, json_value, read_value, thread_id


def add_commands(commands: Commands) -> None:
    """Add the commands of this module."""
    _add_run(commands)
    _add_resume(commands)
    _add_reject(commands)
    _add_cancel(commands)
    _add_replay(commands)
    _add_fork(commands)


# --- run -----------------------------------------------------------------------------------------------------------


def _add_run(commands: Commands) -> None:
    parser = add_command(
        commands,
        "run",
        run,
        "run a graph and wait until it ends or asks a person",
        "A thread that waits for an answer runs anew, and what it asked is dropped. With --graphs the input is checked before "
        "anything is started or dropped.",
        options=[graphs, connection, queue, wait],
    )
    parser.add_argument("graph", metavar="GRAPH", help="name of the graph")
    parser.add_argument("--thread-id", type=thread_id, metavar="ID", help="the thread (default: a new one)")
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--input", metavar="TEXT", help="input of a message graph: one human message")
    given.add_argument(
        "--input-json", type=json_value, metavar="JSON", help="input: the initial state as a JSON object"
    )
    given.add_argument(
        "--input-file",
        metavar="FILE",
        help="input from a file: JSON if it ends in .json, else text; - is standard input",
    )
    parser.add_argument("--config", type=json_object, metavar="JSON", help="run configuration, as a JSON object")
    parser.add_argument("--detach", action="store_true", help="do not wait; print the thread and the run id")
    parser.add_argument("--replace", action="store_true", help="replace the thread's run if it is actively running")
    parser.add_argument(
        "--from-last-state",
        action=argparse.BooleanOptionalAction,
        help="start from the thread's last state, or from a fresh one (default: as the graph says)",
    )
    parser.add_argument("--tenant", metavar="NAME", help="tenant: the fairness key of everything the run schedules")
    parser.add_argument("--priority", type=int, choices=range(1, 6), help="1 (first) to 5 (last)")
    parser.add_argument("--timeout", type=duration, metavar="TIME", help="longest time the run may take, such as 2h")
    parser.add_argument(
        "--idempotency-key", metavar="KEY", help="a second call with the same key joins the first one's run"
    )
    for when in ("before", "after"):
        parser.add_argument(
            f"--interrupt-{when}", action="append", metavar="NODE", help=f"stop {when} this node; may be repeated"
        )


def run(call: Call) -> int:
    """``run``: start a run and wait until it settles."""
    name, known = call.args.graph, call.known_graphs()
    if known and name not in known:
        raise GraphNotFoundError(f"There is no graph '{name}'. These are known here: {', '.join(known)}.", graph=name)
    return online(partial(_run, graph=known.get(name)))(call)


async def _run(call: Call, client: OrisClient, graph: CompiledGraph | None) -> int:
    args = call.args
    thread = args.thread_id or _thread_of(args.config) or new_thread(args.graph, args.idempotency_key)
    options: StartOptions = {
        "config": args.config,
        "from_last_state": args.from_last_state,
        "on_conflict": "replace" if args.replace else "fail",
        "idempotency_key": args.idempotency_key,
        "tenant": args.tenant,
        "priority": args.priority,
        "execution_timeout": args.timeout,
        "interrupt_before": args.interrupt_before,
        "interrupt_after": args.interrupt_after,
    }
    given = _input(args)
    if graph is not None and given is not None:
        graph.input_wire(given)  # refused before anything is said or done
    if args.thread_id is not None or _thread_of(args.config) is not None:
        await _tell_what_is_dropped(call, client, thread)
    if args.detach:
        handle = await client.start(graph or args.graph, thread, given, **options)
        call.out.answer(handle, _started(call, client, handle))
        return Exit.OK
    async with shown(call, client, thread, since="next run"):
        result = await client.run(graph or args.graph, thread, given, wait=args.wait, **options)
    return await finish(call, client, result)


def _thread_of(config: Mapping[str, Any] | None) -> Any:
    """The thread that a configuration names."""
    configurable = (config or {}).get("configurable")
    return configurable.get("thread_id") if isinstance(configurable, Mapping) else None


async def _tell_what_is_dropped(call: Call, client: OrisClient, thread: str) -> None:
    found = await find(client.temporal, f"{client.id_prefix}{thread}", thread)
    if found is not None and found.pending:
        ids = ", ".join(item.id for item in found.pending)
        call.out.note(
            f"Thread {thread} waits for an answer ({ids}). This run takes its place, and nobody can answer any more."
        )


def _input(args: argparse.Namespace) -> Any:
    if args.input is not None:
        return args.input
    if args.input_json is not None:
        return args.input_json
    if args.input_file is not None:
        return read_value(args.input_file)
    if args.from_last_state:
        return None
    raise UsageError(
        "A run needs an input: --input TEXT, --input-json JSON or --input-file FILE (or --from-last-state)."
    )


def _started(call: Call, client: OrisClient, handle: RunHandle) -> str:
    link = call.link(client.temporal, f"{client.id_prefix}{handle.thread_id}", handle.run_id)
    return fields([("thread", handle.thread_id), ("run", handle.run_id), ("web ui", link)])


# --- resume --------------------------------------------------------------------------------------------------------


def _add_resume(commands: Commands) -> None:
    parser = add_command(
        commands,
        "resume",
        online(resume),
        "answer what a thread waits for, and wait until its run settles again",
        'A value is JSON; text that is not JSON is taken as a JSON string, so that --value yes answers "yes".',
        options=[thread, connection, wait],
    )
    given = parser.add_mutually_exclusive_group()
    given.add_argument(
        "--value", type=json_or_text, default=MISSING, metavar="JSON", help="the answer: JSON, or plain text"
    )
    given.add_argument("--value-file", metavar="FILE", help="the answer from a file; - is standard input")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--interrupt", metavar="ID", help="the interrupt that is answered, where several wait")
    which.add_argument(
        "--by-id", action="store_true", help="the value is an object of interrupt id to answer; the others stay pending"
    )
    parser.add_argument("--update", type=json_object, metavar="JSON", help="state update to merge first")
    parser.add_argument("--goto", action="append", metavar="NODE", help="what runs next instead; may be repeated")
    parser.add_argument("--checkpoint", metavar="ID", help="go back to this checkpoint first, and answer there")
    parser.add_argument("--author", metavar="NAME", help="who answers; kept with the run")
    parser.add_argument(
        "--idempotency-key", metavar="KEY", help="a second call with the same key gets the first one's result"
    )


async def resume(call: Call, client: OrisClient) -> int:
    """``resume``: answer, and wait until the run settles again."""
    args = call.args
    value = read_value(args.value_file) if args.value_file is not None else args.value
    if args.by_id and not isinstance(value, dict):
        raise UsageError(
            "With --by-id the value is an object of interrupt id to answer, such as '{\"int-t-0\": true}'."
        )
    if value is MISSING and args.update is None and args.goto is None:
        await _check_needs_no_answer(client, args.thread)
    async with shown(call, client, args.thread, since="now" if args.checkpoint is None else "next run"):
        result = await client.resume(
            args.thread,
            value,
            by_id=args.by_id,
            interrupt_id=args.interrupt,
            update=args.update,
            goto=args.goto,
            checkpoint_id=args.checkpoint,
            author=args.author,
            idempotency_key=args.idempotency_key,
            wait=args.wait,
        )
    return await finish(call, client, result)


async def _check_needs_no_answer(client: OrisClient, thread_id: str) -> None:
    """Refuse to answer a question with nothing; a breakpoint asks none."""
    for item in await client.interrupts(thread_id):
        if item.kind == "interrupt":
            raise UsageError(
                f"'{item.asker}' asks {render.compact(item.value)}. Pass the answer with --value, be it --value null."
            )


# --- reject, cancel ------------------------------------------------------------------------------------------------


def _add_reject(commands: Commands) -> None:
    parser = add_command(
        commands,
        "reject",
        online(reject),
        "refuse to answer what a thread waits for; its run is cancelled",
        "Exits with 0 once the run is cancelled.",
        options=[thread, connection],
    )
    parser.add_argument("--interrupt", metavar="ID", help="the interrupt, where several wait")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; kept with the run")
    parser.add_argument("--author", metavar="NAME", help="who refuses; kept with the run")
    _add_end_wait(parser)


async def reject(call: Call, client: OrisClient) -> int:
    """``reject``: refuse an interrupt, which cancels the run."""
    args = call.args
    result = await client.reject(args.thread, args.interrupt, reason=args.reason, author=args.author, wait=args.wait)
    return await finish(call, client, result, done=["cancelled"])


def _add_cancel(commands: Commands) -> None:
    parser = add_command(
        commands,
        "cancel",
        online(cancel),
        "cancel a thread's run: what runs is cancelled and cleans up",
        "Exits with 0 once the run is cancelled, or if it had ended before.",
        options=[thread, connection],
    )
    parser.add_argument("--reason", metavar="TEXT", help="why; kept in the history")
    _add_end_wait(parser)


async def cancel(call: Call, client: OrisClient) -> int:
    """``cancel``: cancel a run and wait for its end."""
    args = call.args
    result = await client.cancel(args.thread, reason=args.reason, wait=args.wait)
    return await finish(call, client, result, done=["completed", "failed", "cancelled"])


def _add_end_wait(parser: argparse.ArgumentParser) -> None:
    default: Duration = "30s"
    parser.add_argument(
        "--wait", type=duration, default=default, metavar="TIME", help="longest wait for the end (default: 30s)"
    )


# --- replay, fork --------------------------------------------------------------------------------------------------


def _add_replay(commands: Commands) -> None:
    parser = add_command(
        commands,
        "replay",
        online(replay),
        "run a thread again from a checkpoint, as a new run of the same thread",
        "Nothing before the checkpoint runs again; a failed run is retried where it failed. What the thread waits for is dropped.",
        options=[thread, connection, queue, wait],
    )
    parser.add_argument(
        "checkpoint", nargs="?", metavar="CHECKPOINT", help="where to start (default: the latest run's input)"
    )
    parser.add_argument(
        "--from-last-state", action="store_true", help="start at the graph's beginning, with the thread's last state"
    )
    parser.add_argument(
        "--config", type=json_object, metavar="JSON", help="what is to be different in the run's configuration"
    )
    parser.add_argument("--replace", action="store_true", help="replace the thread's run if it is actively running")


async def replay(call: Call, client: OrisClient) -> int:
    """``replay``: a new run of the thread, from a checkpoint."""
    args = call.args
    async with shown(call, client, args.thread, since="next run"):
        result = await client.replay(
            args.thread,
            args.checkpoint,
            from_last_state=args.from_last_state,
            config=args.config,
            on_conflict="replace" if args.replace else "fail",
            wait=args.wait,
        )
    return await finish(call, client, result)


def _add_fork(commands: Commands) -> None:
    parser = add_command(
        commands,
        "fork",
        fork,
        "start a new thread from a checkpoint of this one, which stays as it is",
        "With --graphs, --update and --as-node are checked before anything is started.",
        options=[thread, graphs, connection, queue, wait],
    )
    parser.add_argument("checkpoint", nargs="?", metavar="CHECKPOINT", help="where to start (default: the latest)")
    parser.add_argument("--update", type=json_object, metavar="JSON", help="state update to merge first")
    parser.add_argument(
        "--as-node", metavar="NODE", help="decide what runs next as if this node had written the update"
    )
    parser.add_argument("--new-thread-id", type=thread_id, metavar="ID", help="the new thread (default: THREAD/fork/N)")


def fork(call: Call) -> int:
    """``fork``: a new thread, from a checkpoint of another."""
    return online(partial(_fork, known=call.known_graphs()))(call)


async def _fork(call: Call, client: OrisClient, known: Mapping[str, CompiledGraph]) -> int:
    args = call.args
    if known and (found := await find(client.temporal, f"{client.id_prefix}{args.thread}", args.thread)) is not None:
        _check_edit(known.get(found.graph), args.update, args.as_node)
    new_thread = args.new_thread_id or await _next_fork(client, args.thread)
    async with shown(call, client, new_thread, since="next run"):
        result = await client.fork(
            args.thread,
            args.checkpoint,
            update=args.update,
            as_node=args.as_node,
            new_thread_id=args.new_thread_id,
            wait=args.wait,
        )
    return await finish(call, client, result)


def _check_edit(graph: CompiledGraph | None, update: Any, as_node: str | None) -> None:
    if graph is None:
        return
    if as_node is not None and as_node not in graph.nodes:
        raise NodeNotFoundError(
            f"Graph {graph.name} has no node '{as_node}'; it has {', '.join(graph.nodes)}.", node=as_node
        )
    if update is not None:
        graph.schema.update_wire(update, f"update of {graph.name}")


async def _next_fork(client: OrisClient, thread_id: str) -> str:
    """The thread that a fork is going to have, to show its progress."""
    number = 1
    while await find(client.temporal, f"{client.id_prefix}{thread_id}/fork/{number}", thread_id) is not None:
        number += 1
    return f"{thread_id}/fork/{number}"
