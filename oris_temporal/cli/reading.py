"""``list``, ``inspect``, ``interrupts``, ``history``, ``timeline``, ``checkpoint``: commands that only look."""

from __future__ import annotations

import argparse
from typing import get_args

from oris_temporal.client import OrisClient
from oris_temporal.graph.records import RunStatus

from . import render
from .call import Call, online
from .exit_codes import Exit, exit_of_status
from .parser import Commands, add_command, connection, thread
from .values import count, duration, thread_id


def add_commands(commands: Commands) -> None:
    """Add the commands of this module."""
    parser = add_command(
        commands, "list", online(list_runs), "list threads, those updated last first", options=[connection]
    )
    statuses = get_args(RunStatus)
    parser.add_argument("--status", choices=statuses, metavar="STATUS", help=f"only this one: {', '.join(statuses)}")
    parser.add_argument("--graph", metavar="GRAPH", help="only runs of this graph")
    parser.add_argument("--tenant", metavar="NAME", help="only runs of this tenant")
    parser.add_argument("--limit", type=count, default=50, metavar="N", help="most to list (default: 50)")
    parser.add_argument("--offset", type=int, default=0, metavar="N", help="how many to skip")

    parser = add_command(
        commands,
        "inspect",
        online(inspect),
        "show a thread's latest run in full",
        "With --wait it first waits until the run settles, and the exit code tells how.",
        options=[thread, connection],
    )
    parser.add_argument(
        "--wait",
        type=duration,
        metavar="TIME",
        help="wait until the run settles, at most so long (default: do not wait)",
    )

    parser = add_command(
        commands, "interrupts", online(interrupts), "list what runs wait for, newest first", options=[connection]
    )
    parser.add_argument("thread", nargs="?", type=thread_id, metavar="THREAD", help="only this thread")
    parser.add_argument(
        "--all",
        action="store_true",
        help="with a thread: also what was answered, rejected, or dropped because its run ended",
    )

    parser = add_command(
        commands, "history", online(history), "list a thread's checkpoints, oldest first", options=[thread, connection]
    )
    _add_subgraph(parser)
    parser.add_argument("--newest-first", action="store_true", help="list them the other way round")

    add_command(
        commands,
        "timeline",
        online(timeline),
        "list what happened in a thread's latest run",
        options=[thread, connection],
    )

    parser = add_command(
        commands, "checkpoint", online(checkpoint), "show a checkpoint in full", options=[thread, connection]
    )
    parser.add_argument("checkpoint", nargs="?", metavar="CHECKPOINT", help="its id (default: the latest)")
    _add_subgraph(parser)


def _add_subgraph(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--subgraph",
        default="",
        metavar="NAMESPACE",
        help="checkpoint namespace of a subgraph (default: the graph itself)",
    )


async def list_runs(call: Call, client: OrisClient) -> int:
    """``list``."""
    args = call.args
    found = await client.list(
        status=args.status, graph=args.graph, tenant=args.tenant, limit=args.limit, offset=args.offset
    )
    call.out.answer(found, render.runs(found))
    return Exit.OK


async def inspect(call: Call, client: OrisClient) -> int:
    """``inspect``."""
    args = call.args
    if args.wait is not None:
        await client.result(args.thread, wait=args.wait)
    info = await client.inspect(args.thread)
    link = call.link(client.temporal, f"{client.id_prefix}{info.thread_id}", info.run_id)
    call.out.answer(info, render.info(info, link, hint=not call.out.quiet))
    return Exit.OK if args.wait is None else exit_of_status(info.status)


async def interrupts(call: Call, client: OrisClient) -> int:
    """``interrupts``."""
    asked = await client.interrupts(call.args.thread, all=call.args.all)
    call.out.answer(asked, render.interrupts(asked))
    return Exit.OK


async def history(call: Call, client: OrisClient) -> int:
    """``history``."""
    args = call.args
    snapshots = await client.history(
        args.thread, namespace=args.subgraph, order="newest" if args.newest_first else "oldest"
    )
    call.out.answer(snapshots, render.history(snapshots))
    return Exit.OK


async def timeline(call: Call, client: OrisClient) -> int:
    """``timeline``."""
    events = await client.timeline(call.args.thread)
    call.out.answer(events, render.timeline(events))
    return Exit.OK


async def checkpoint(call: Call, client: OrisClient) -> int:
    """``checkpoint``."""
    args = call.args
    snapshot = await client.checkpoint(args.thread, args.checkpoint, namespace=args.subgraph)
    call.out.answer(snapshot, render.checkpoint(snapshot))
    return Exit.OK
