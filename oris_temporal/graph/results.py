"""What callers get back: results, snapshots and stream chunks."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from oris_temporal.models.usage import Usage

from .interrupts import Interrupt
from .records import RunStatus


@dataclass(slots=True)
class InvokeResult:
    """Result of a run in this process, as far as it got.

    Attributes:
        status: ``completed`` or ``interrupted``.
        state: The state, as the graph's schema: a dict, dataclass or model instance.
        values: The state as JSON data.
        interrupts: What the run waits for, in order.
        next: Nodes that run next.
        trace: What happened in this call: ``{"StepCompleted": {"node": ...}}``, ``InterruptReached``, ``ResumeReceived``.
        thread_id: The thread.
        checkpoint_id: Latest checkpoint.
        usage: What the run's model calls used so far, by model.
    """

    status: RunStatus
    state: Any
    values: dict[str, Any]
    interrupts: list[Interrupt]
    next: list[str]
    trace: list[dict[str, Any]]
    thread_id: str
    checkpoint_id: str
    usage: dict[str, Usage] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The state as JSON data; on a pause with ``__interrupt__``, a list of ``{"value": ...}``."""
        if not self.interrupts:
            return dict(self.values)
        return {**self.values, "__interrupt__": [{"value": interrupt.value} for interrupt in self.interrupts]}


@dataclass(slots=True)
class StateSnapshot:
    """A checkpoint.

    Attributes:
        values: State as JSON data.
        next: Nodes that run next.
        config: ``thread_id``, ``checkpoint_id``, ``checkpoint_ns``.
        metadata: ``step``, ``source`` and ``writes``.
        created_at: When it was made (UTC).
        parent_config: Configuration of the checkpoint before it, or the one it was forked from.
        interrupts: What the thread waits for, if this is its latest checkpoint.
    """

    values: dict[str, Any]
    next: list[str]
    config: dict[str, Any]
    metadata: dict[str, Any]
    created_at: datetime
    parent_config: dict[str, Any] | None = None
    interrupts: list[Interrupt] = field(default_factory=list)

    @property
    def checkpoint_id(self) -> str:
        """Id of the checkpoint."""
        return str(self.config["checkpoint_id"])

    @property
    def state_hash(self) -> str:
        """SHA-256 (hex) of `values` as JSON with sorted keys: the same for the same state, however it came about."""
        canonical = json.dumps(self.values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(slots=True)
class StreamChunk:
    """One item of a stream.

    Attributes:
        mode: The stream mode it belongs to.
        data: Its data, by mode: the state (``values``), ``{node: update}`` (``updates``), ``[message, metadata]``
            (``messages``), what was written (``custom``), or an event (``debug``).
        cursor: Position in the run; a stream of the same modes goes on after it.
        namespace: Subgraph it comes from; empty at the top.
    """

    mode: str
    data: Any
    cursor: str
    namespace: str = ""
