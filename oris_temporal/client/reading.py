"""Reading threads: one method per question."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from temporalio.client import Client

from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.duration import Duration
from oris_temporal.graph.interrupts import Interrupt
from oris_temporal.graph.records import RunStatus
from oris_temporal.graph.requests import checkpoint_place
from oris_temporal.graph.results import StateSnapshot, StreamChunk
from oris_temporal.graph.streaming import read_cursor, read_modes
from oris_temporal.workflows import protocol
from oris_temporal.workflows.search_attributes import GRAPH, STATUS, TENANT

from .lookup import Found, latest_runs, quoted, search
from .options import Order, one_of, optional, read_texts, read_wait, whole_number
from .records import RunInfo, RunResult, RunSummary, TimelineEvent, Watch
from .runs import Runs
from .snapshots import read_snapshot, read_timeline, read_usage
from .tail import Tails
from .threads import Threads, no_checkpoint


class ThreadReader:
    """Reads threads on a Temporal cluster, and changes nothing. An `OrisClient` is one.

    Args:
        temporal: A connected `temporalio` client.
        id_prefix: What comes before thread ids in workflow ids.
    """

    def __init__(self, temporal: Client, *, id_prefix: str = "") -> None:
        self.temporal = temporal
        self.id_prefix = id_prefix
        self._threads = Threads(temporal, id_prefix)
        self._runs = Runs(self._threads)
        self._tails = Tails(self._threads)

    async def inspect(self, thread_id: str, *, run: int | None = None, ask_worker: bool = True) -> RunInfo:
        """A thread's latest run in full, or an earlier one.

        Args:
            thread_id: The thread.
            run: Ordinal of the run within the thread. Default: the latest.
            ask_worker: Whether to have a worker replay also a run that has completed. Without, that is quicker, ``usage`` is empty and
                ``checkpoint_id`` is ``None``.

        Raises:
            ThreadNotFoundError: The thread has no such run.
        """
        found = await self._threads.describe(thread_id, run)
        report = await self._threads.report(thread_id, found, ask_worker=ask_worker)
        if found.is_open and report.status not in ("running", "interrupted"):  # it ended meanwhile
            found = await self._threads.describe_run(thread_id, found.run_id)
        info = found.info
        summary = _summary(self._threads, found)
        if found.is_open:  # the run itself knows best
            summary["status"] = report.status
            summary["interrupts"] = [Interrupt.from_wire(wire) for wire in report.interrupts or ()]
        return RunInfo(
            **summary,
            run=found.ordinal,
            values=report.values,
            next=report.next or [],
            checkpoint_id=report.checkpoint_id,
            error=report.error,
            reason=await self._threads.why_cancelled(found) if found.status == "cancelled" else None,
            task_queue=info.task_queue,
            history_events=info.history_length,
            history_bytes=info.history_size_bytes,
            begun=found.begun,
            paused=found.paused,
            usage=read_usage(report.usage),
        )

    async def list(
        self,
        *,
        status: RunStatus | None = None,
        graph: str | None = None,
        tenant: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> builtins.list[RunSummary]:
        """Threads, each by its latest run, those updated last first.

        Args:
            status: Only this status.
            graph: Only runs of this graph.
            tenant: Only runs of this tenant.
            limit: Most to return.
            offset: How many to skip.

        Raises:
            InvalidOptionError: There is no such status, or a number is negative.
        """
        for name, number in (("limit", limit), ("offset", offset)):
            whole_number(0)(name, number)
        optional(one_of(RunStatus))("status", status)
        asked = {GRAPH: graph, TENANT: tenant}
        clauses = [f"{key.name} = {quoted(value)}" for key, value in asked.items() if value is not None]
        wanted = await latest_runs(self.temporal, [*self._own, *clauses], status, offset + limit)
        return [RunSummary(**_summary(self._threads, found)) for found in wanted[offset : offset + limit]]

    async def interrupts(
        self, thread_id: str | None = None, *, all: bool = False, tenant: str | None = None
    ) -> builtins.list[Interrupt]:
        """What runs wait for, newest first.

        Args:
            thread_id: Only this thread; then large values are complete.
            all: With a thread, also the interrupts of its runs that were answered or rejected. What a run asked and nobody
                answered before it ended counts as rejected; ``answered_at`` is ``None`` then.
            tenant: Without a thread, only those of runs of this tenant.

        Raises:
            ThreadNotFoundError: The thread has no run.
        """
        if thread_id is None:
            clauses = [f"{STATUS.name} = 'interrupted'", "CloseTime IS NULL", *self._own]
            query = " AND ".join([*clauses, *([] if tenant is None else [f"{TENANT.name} = {quoted(tenant)}"])])
            asked = [item async for found in search(self.temporal, query) for item in found.pending]
        elif all:
            asked = await self._threads.asked_ever(thread_id)
        else:
            asked = await self._threads.asked(thread_id, await self._threads.describe(thread_id), all=False)
        return sorted(asked, key=lambda item: item.created_at, reverse=True)

    async def history(
        self,
        thread_id: str,
        *,
        namespace: str = "",
        values: bool = True,
        order: Order = "oldest",
        before: str | None = None,
        limit: int | None = None,
    ) -> builtins.list[StateSnapshot]:
        """Checkpoints of a thread, over all its runs that are still retained.

        Args:
            thread_id: The thread.
            namespace: Namespace of a subgraph; empty at the top.
            values: Whether to fetch the states too.
            order: Which come first.
            before: Only checkpoints before this one.
            limit: At most so many, of those that come first.

        Raises:
            ThreadNotFoundError: The thread has no run.
            InvalidOptionError: `before` is no checkpoint id, or another option is not what it may be.
        """
        one_of(Order)("order", order)
        optional(whole_number(0))("limit", limit)
        end = None if before is None else checkpoint_place(before, "before")
        runs = await self._threads.runs(thread_id)  # newest first
        snapshots: dict[str, StateSnapshot] = {}
        for found in runs if order == "newest" else reversed(runs):
            made = map(read_snapshot, await self._threads.history(thread_id, found, namespace, values))
            wanted = [item for item in made if end is None or checkpoint_place(item.checkpoint_id, "id") < end]
            for item in wanted if order == "oldest" else reversed(wanted):
                known = snapshots.setdefault(item.checkpoint_id, item)
                if (
                    known is not item
                ):  # the run continued as new there: one history has what was written, the next what is asked
                    earlier, later = (known, item) if order == "oldest" else (item, known)
                    snapshots[item.checkpoint_id] = replace(earlier, interrupts=later.interrupts)
            if limit is not None and len(snapshots) > limit:
                break
        return list(snapshots.values())[:limit]

    async def timeline(self, thread_id: str) -> builtins.list[TimelineEvent]:
        """What happened in the thread's latest run, oldest first.

        Raises:
            ThreadNotFoundError: The thread has no run.
        """
        runs = await self._threads.runs(thread_id)
        segments = [item for item in runs if item.ordinal == runs[0].ordinal]  # it may have continued as new
        return [
            event
            for item in reversed(segments)
            for event in read_timeline(await self._threads.timeline(thread_id, item))
        ]

    async def checkpoint(
        self, thread_id: str, checkpoint_id: str | None = None, *, namespace: str = ""
    ) -> StateSnapshot:
        """One checkpoint of a thread, by default the latest.

        Raises:
            ThreadNotFoundError: The thread has no run.
            CheckpointNotFoundError: It has no such checkpoint.
        """
        read_texts(checkpoint_id=checkpoint_id)
        for found in await self._threads.runs(thread_id):
            wire = await self._threads.query(thread_id, found, protocol.QUERY_CHECKPOINT, checkpoint_id, namespace)
            if wire is not None:
                return read_snapshot(wire)
        raise no_checkpoint(thread_id, checkpoint_id, namespace)

    async def result(
        self, thread_id: str, *, wait: Duration | None = None, graph: CompiledGraph | None = None
    ) -> RunResult:
        """Wait until the thread's latest run settles.

        Args:
            thread_id: The thread.
            wait: Longest wait; then the result says ``running``. Default: no limit.
            graph: The graph, to get ``state`` as an instance of its schema.

        Raises:
            ThreadNotFoundError: The thread has no run.
        """
        return await self._runs.settled(thread_id, wait=read_wait(wait), graph=graph)

    async def stream(
        self,
        thread_id: str,
        *,
        mode: str | Sequence[str] = "updates",
        cursor: str | None = None,
        subgraphs: bool = False,
        follow: bool = False,
    ) -> AsyncIterator[StreamChunk]:
        """What happens in a thread's latest run, as it happens.

        Watching costs nothing in history, and any number may watch.

        Args:
            thread_id: The thread.
            mode: ``values``, ``updates``, ``messages``, ``custom``, ``debug``, or several of them.
            cursor: Go on after this chunk. Default: from the start of the run.
            subgraphs: Whether to include what happens inside subgraphs.
            follow: Go on while the run waits for people. By default the stream ends when the run settles.

        Raises:
            ThreadNotFoundError: The thread has no run.
            StreamModeError: A mode does not exist, or the cursor is none.
        """
        watch = await self.watch(thread_id, mode=mode, cursor=cursor, subgraphs=subgraphs, follow=follow)
        async with aclosing(watch.chunks) as chunks:
            async for chunk in chunks:
                yield chunk

    async def watch(
        self,
        thread_id: str,
        *,
        mode: str | Sequence[str] = "updates",
        cursor: str | None = None,
        subgraphs: bool = False,
        follow: bool = False,
    ) -> Watch:
        """Like `stream`, but what is wrong with the request is told before the stream begins, and the run is named."""
        modes, after = read_modes(mode), read_cursor(cursor)
        found = await self._threads.describe(thread_id)
        return Watch(found.ordinal, self._tails.watch(found, modes, after, subgraphs=subgraphs, follow=follow))

    @property
    def _own(self) -> builtins.list[str]:
        """Clauses of a visibility query for this client's threads: other programs may share the namespace."""
        return [f"WorkflowId STARTS_WITH {quoted(self.id_prefix)}"] if self.id_prefix else []


def _summary(threads: Threads, found: Found) -> dict[str, Any]:
    return {
        "thread_id": threads.thread_of(found.workflow_id),
        "run_id": found.run_id,
        "graph": found.graph,
        "status": found.status,
        "created_at": found.created_at,
        "updated_at": found.updated_at,
        "tenant": found.tenant,
        "parent": found.forked_from or (found.parent_workflow and threads.thread_of(found.parent_workflow)),
        "interrupts": found.pending,
        "asked": int(found.memo.get("interrupts", 0)),
    }
