"""One start of a run: what is sent, and under which conditions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from temporalio.client import WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.errors import PayloadTooLargeError, RunConflictError
from oris_temporal.graph.wire import wire_size
from oris_temporal.workflows.payloads import ordered
from oris_temporal.workflows.protocol import KEPT_KEYS, MEMO, PAYLOAD_LIMIT, RunOptions, key_digest

from .lookup import Found
from .options import OnConflict, OnTimeout


@dataclass(slots=True)
class Launch:
    """A run about to be started.

    A thread's first run is started in one round trip, on condition that the thread is new. Where it is not, `after` makes this
    the thread's next run.

    Attributes:
        name: Name of the graph.
        thread_id: The thread.
        input: JSON input.
        options: The workflow's options.
        arguments: Arguments of Temporal's start call.
        graph: The graph, where the caller gave it.
        on_conflict: What to do if the thread is actively running.
        idempotency_key: Key under which the caller may repeat the call.
        replaces: Run that this one ends and takes the place of, if that is still open.
        follows: Whether it is the next run of a thread that ran before.
        must_be_new: Whether a thread that ran before is refused.
        continues: Whether it goes on from the thread's last state; ``None`` is as the last run says.
        memo: What the run keeps for listing.
        on_timeout: Status that its execution timeout ends it with.
        payload_limit: Bytes of JSON accepted for the input; ``None`` is no limit.
    """

    name: str
    thread_id: str
    input: Any
    options: RunOptions
    arguments: dict[str, Any]
    graph: CompiledGraph | None = None
    on_conflict: OnConflict = "fail"
    idempotency_key: str | None = None
    replaces: str | None = None
    follows: bool = False
    must_be_new: bool = False
    continues: bool | None = False
    payload_limit: int | None = PAYLOAD_LIMIT
    memo: dict[str, Any] = field(default_factory=dict)
    on_timeout: OnTimeout = "failed"

    def after(self, latest: Found) -> None:
        """Make this the run after the thread's latest one. A repeated call has no run of its own: see `repeats`.

        Raises:
            RunConflictError: That one is actively running and `on_conflict` is ``fail``.
        """
        if latest.status == "running" and latest.is_open and self.on_conflict == "fail":
            raise RunConflictError(
                f"Thread {self.thread_id!r} is running. Wait for it, use another thread, or pass on_conflict='replace'.",
                thread_id=self.thread_id,
            )
        self.follows = True
        self.replaces = latest.run_id if latest.is_open else None
        self.options.run = latest.ordinal + 1
        self.memo = {"run": self.options.run, "previous": latest.run_id}
        self.go_on_from(latest)
        if keys := _keys_of(latest)[-KEPT_KEYS:]:
            self.memo["keys"] = keys

    def go_on_from(self, latest: Found) -> None:
        """Number the questions on from those that the thread's latest run has asked, and know the keys of the answers that it took."""
        self.options.interrupts = self.memo["interrupts"] = int(latest.memo.get("interrupts", 0))
        if answered := latest.memo.get("answered"):
            self.memo["answered"] = answered

    def repeats(self, latest: Found) -> bool:
        """Whether an earlier run of the thread was started with this launch's key."""
        return self.idempotency_key is not None and key_digest(self.idempotency_key) in _keys_of(latest)

    def start_arguments(self) -> dict[str, Any]:
        """Keyword arguments of Temporal's start call.

        Raises:
            PayloadTooLargeError: The input is larger than Temporal takes.
        """
        options = self.options.to_wire()
        check_size(self.input, f"input of thread {self.thread_id!r}", self.payload_limit)
        check_size(options, f"saved state of thread {self.thread_id!r}", self.payload_limit)
        memo = dict(self.memo)
        if self.idempotency_key is not None:
            memo["key"] = self.idempotency_key
        if self.on_timeout != "failed":
            memo["on_timeout"] = self.on_timeout
        return {
            **self.arguments,
            "args": [ordered(self.input), ordered(options)] if options else [ordered(self.input)],
            "memo": {MEMO: memo} if memo else None,
            "id_conflict_policy": WorkflowIDConflictPolicy.FAIL,
            "id_reuse_policy": WorkflowIDReusePolicy.ALLOW_DUPLICATE
            if self.follows
            else WorkflowIDReusePolicy.REJECT_DUPLICATE,
        }

    def operation(self) -> WithStartWorkflowOperation[Any, Any]:
        """The start half of an update-with-start."""
        return WithStartWorkflowOperation(self.name, **self.start_arguments())


def _keys_of(latest: Found) -> list[str]:
    """Digests of the keys that a thread's runs were started with, oldest first."""
    key = latest.memo.get("key")
    return [*latest.memo.get("keys", ()), *([] if key is None else [key_digest(key)])]


def check_size(wire: Any, what: str, limit: int | None) -> None:
    """Refuse a payload that Temporal would refuse, before anything is sent.

    Raises:
        PayloadTooLargeError: It is larger than the limit.
    """
    if limit is not None and (size := wire_size(wire)) > limit:
        raise PayloadTooLargeError(
            f"The {what} has {size:,} bytes of JSON; Temporal takes at most {limit:,} in one payload. Pass a reference to "
            "the data, or configure external storage on the client's data converter.",
            size=size,
        )
