"""What a run's workflow shows: search attributes and memo for lists, details for the Web UI, and what its parent is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from temporalio import workflow

from oris_temporal.graph.wire import wire_size

from . import protocol
from .details import current_details
from .protocol import RunOptions
from .queries import SHOWN_VALUE_BYTES, QueriedWorkflow
from .search_attributes import GRAPH, INTERRUPTS, STATUS, UPDATED_AT
from .temporal_run import TemporalRun, tell_parent

_SEARCH_ATTRIBUTE_BYTES = 1_800  # the server ends a run that upserts more than 2 kB in one attribute


class ShownWorkflow(QueriedWorkflow):
    """A workflow that runs `graph` and shows how far it is."""

    def __init__(self) -> None:
        super().__init__()
        self._options = RunOptions()
        self._keys: list[str] = []
        self._shown: Any = None
        self._told: Any = None

    def _view(self, run: TemporalRun) -> Any:
        """What is shown outside; when it changes, `_publish` shows it again."""
        waits = tuple((item.id, item.escalated) for item in run.desk.pending) if run.settled else ()
        return run.log.sequence, "interrupted" if waits else "running", waits, tuple(run.signal_waits)

    async def _publish(self, run: TemporalRun) -> None:
        before, self._shown = self._shown, self._view(run)
        _, status, waits, _ = self._shown
        run.status = "interrupted" if waits else "running"
        self._show_details()
        info = workflow.info()
        await self._tell_parent(run)
        shown = before[1:3] if before else (info.typed_search_attributes.get(STATUS, "running"), ())
        changed = shown != (status, waits)
        if changed and info.typed_search_attributes.get(GRAPH) is not None:  # else they may not be registered here
            workflow.upsert_search_attributes(
                [
                    STATUS.value_set(status),
                    INTERRUPTS.value_set(_listed([id for id, _ in waits])),
                    UPDATED_AT.value_set(run.now()),
                ]
            )
        if (changed and waits) or self._must_tell_that_it_continues or self._must_tell_next_run(run):
            workflow.upsert_memo({protocol.MEMO: self._memo(run)})

    async def _tell_parent(self, run: TemporalRun) -> None:
        """Tell the parent of a subgraph what it waits for, when that changed."""
        if (task := self._options.child_task) is None:
            return
        before, self._told = self._told, (run.settled, [item.id for item in run.desk.pending], dict(run.signal_waits))
        before = before or (False, [], {})
        if self._told != before:
            await tell_parent(task, run.waits(told=before[1]))

    def _show_end(self) -> None:
        """Show how the run ended."""
        self._show_details()
        if self._run is not None and self._must_tell_next_run(self._run):
            workflow.upsert_memo({protocol.MEMO: self._memo(self._run)})

    def _must_tell_next_run(self, run: TemporalRun) -> bool:
        """Whether the memo lacks questions or keys that the thread's next run goes on from; this one may be ended at any time."""
        told = workflow.memo_value(protocol.MEMO, {})
        asked: int = told.get("interrupts", 0)
        return run.desk.count > max(asked, self._options.interrupts) or any(
            protocol.taken_by(told, key) is None for key in self._keys
        )

    @property
    def _must_tell_that_it_continues(self) -> bool:
        """Whether the memo does not say yet that the thread's next run is to go on from this one's state."""
        told = workflow.memo_value(protocol.MEMO, {}).get("continues", False)
        return self.graph.continues and not told and self._options.child_task is None

    def _memo(self, run: TemporalRun) -> dict[str, Any]:
        pending = self._pending(run, SHOWN_VALUE_BYTES) if run.settled else []  # nobody lists those of a run that works
        for wire in pending:
            wire.pop("answer_schema", None)
        known: dict[str, Any] = workflow.memo_value(protocol.MEMO, {})
        memo: dict[str, Any] = {"run": run.ordinal, "interrupts": run.desk.count, "pending": pending}
        if self.graph.continues:
            memo["continues"] = True
        answered = [*known.get("answered", ()), *([protocol.key_digest(key), run.ordinal] for key in self._keys)]
        if answered:
            memo["answered"] = answered[-protocol.KEPT_KEYS :]
        self._keys = []
        return {**memo, **{name: known[name] for name in ("previous", "key", "keys", "on_timeout") if name in known}}

    def _show_details(self) -> None:
        if self._run is not None:
            workflow.set_current_details(current_details(self._run))


def _listed(ids: Sequence[str]) -> list[str]:
    """As many ids as a search attribute takes; the memo has all that is asked."""
    kept: list[str] = []
    left = _SEARCH_ATTRIBUTE_BYTES
    for id in ids:
        left -= wire_size(id) + 1
        if left < 0:
            break
        kept.append(id)
    return kept
