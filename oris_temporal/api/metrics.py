"""Counters of this process, written as Prometheus' text format 0.0.4 has it, byte for byte as Oris does."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from typing import Any

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_BUCKETS_MS = (1, 5, 10, 25, 50, 100, 250, 500, 1000)
_REASONS = ("worker_limit", "tenant_limit")
_STATUSES = ("completed", "failed", "cancelled")


class Histogram:
    """How often something took how many milliseconds."""

    def __init__(self) -> None:
        self._counts = [0] * (len(_BUCKETS_MS) + 1)
        self._sum = 0.0

    def observe(self, milliseconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(_BUCKETS_MS, milliseconds)] += 1
        self._sum += milliseconds

    def samples(self, name: str) -> Iterable[str]:
        """The lines of a histogram of this name."""
        count = 0
        for bound, counted in zip((*_BUCKETS_MS, "+Inf"), self._counts, strict=True):
            count += counted
            yield f'{name}_bucket{{le="{bound}"}} {count}'
        yield f"{name}_sum {self._sum:.6f}"
        yield f"{name}_count {count}"


class Metrics:
    """What happened to leases and attempts since this process started.

    Attributes:
        lease_operations: Leases that were tried to get, keep or extend.
        lease_conflicts: Those that somebody else had, or changed.
        backpressure: Polls that a limit held back, by reason.
        terminal_acks: Acknowledgements that ended an attempt, by status.
        dispatch_latency: Milliseconds from a poll to its lease.
        recovery_latency: Milliseconds from the end of a lease that was lost to the next one of its attempt.
    """

    def __init__(self) -> None:
        self.lease_operations = 0
        self.lease_conflicts = 0
        self.backpressure: Counter[str] = Counter()
        self.terminal_acks: Counter[str] = Counter()
        self.dispatch_latency = Histogram()
        self.recovery_latency = Histogram()

    def render(self, queue_depth: int) -> str:
        """The text of a scrape.

        Args:
            queue_depth: Attempts that wait for a worker now.
        """
        acks, errors = self.terminal_acks.total(), self.terminal_acks["failed"] + self.terminal_acks["cancelled"]
        return "\n".join(
            [
                *_family("queue_depth", "gauge", "Attempts that could be dispatched now.", _plain(queue_depth)),
                *_family(
                    *("lease_operations_total", "counter", "Leases tried to get, keep or extend."),
                    _plain(self.lease_operations),
                ),
                *_family(
                    *("lease_conflicts_total", "counter", "Lease operations refused because of somebody else."),
                    _plain(self.lease_conflicts),
                ),
                *_family(
                    *("lease_conflict_rate", "gauge", "Lease conflicts per lease operation."),
                    _plain(_rate(self.lease_conflicts, self.lease_operations)),
                ),
                *_family(
                    *("backpressure_total", "counter", "Polls that a limit held back."),
                    _labelled("reason", _REASONS, self.backpressure),
                ),
                *_family(
                    *("terminal_acks_total", "counter", "Attempts that workers ended."),
                    _labelled("status", _STATUSES, self.terminal_acks),
                ),
                *_family(
                    *("terminal_error_rate", "gauge", "Failed and cancelled attempts per ended attempt."),
                    _plain(_rate(errors, acks)),
                ),
                *_family(
                    *("dispatch_latency_ms", "histogram", "Milliseconds from a poll to its lease."),
                    self.dispatch_latency,
                ),
                *_family(
                    *("recovery_latency_ms", "histogram", "Milliseconds from the end of a lost lease to the next one."),
                    self.recovery_latency,
                ),
                "",
            ]
        )


def _family(name: str, kind: str, about: str, samples: Any) -> Iterable[str]:
    full = f"oris_runtime_{name}"
    yield f"# HELP {full} {about}"
    yield f"# TYPE {full} {kind}"
    if isinstance(samples, Histogram):
        yield from samples.samples(full)
    else:
        yield from (full + sample for sample in samples)


def _plain(value: int | str) -> list[str]:
    return [f" {value}"]


def _labelled(label: str, values: Iterable[str], counter: Counter[str]) -> list[str]:
    return [f'{{{label}="{value}"}} {counter[value]}' for value in values]


def _rate(part: int, whole: int) -> str:
    return f"{part / whole if whole else 0:.6f}"
