"""Metrics beside Oris's own: of this process, and of its Temporal client."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, GCCollector, Metric, ProcessCollector, generate_latest
from prometheus_client.registry import Collector
from temporalio.runtime import (
    BUFFERED_METRIC_KIND_COUNTER,
    BUFFERED_METRIC_KIND_GAUGE,
    BufferedMetric,
    BufferedMetricUpdate,
    MetricBuffer,
    MetricBufferDurationFormat,
    Runtime,
    TelemetryConfig,
)

_UPDATES = 100_000
"""Updates that wait to be counted; Temporal's core drops what comes when there are so many."""

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the buckets of durations, in seconds."""


class ProcessMetrics:
    """Counts what this process and its Temporal client do, from when it is made."""

    def __init__(self) -> None:
        self._buffer: MetricBuffer | None = None
        self._temporal = _TemporalMetrics()
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._registry.register(self._temporal)

    def runtime(self) -> Runtime:
        """Makes what the Temporal client is to connect with, so that it is counted."""
        self._buffer = MetricBuffer(_UPDATES, MetricBufferDurationFormat.SECONDS)
        return Runtime(telemetry=TelemetryConfig(metrics=self._buffer))

    async def count(self) -> None:
        """Count what the client did since the last time; to be done again and again."""
        if self._buffer is not None:
            self._temporal.add(self._buffer.retrieve_updates())

    async def render(self) -> str:
        """All of it in Prometheus' text format."""
        await self.count()
        return generate_latest(self._registry).decode()


@dataclass(slots=True)
class _Histogram:
    buckets: list[int] = field(default_factory=lambda: [0] * (len(_BUCKETS) + 1))
    sum: float = 0.0

    def observe(self, value: float) -> None:
        self.buckets[bisect_left(_BUCKETS, value)] += 1
        self.sum += value


_Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Family:
    metric: BufferedMetric
    numbers: dict[_Labels, float] = field(default_factory=dict)
    histograms: dict[_Labels, _Histogram] = field(default_factory=dict)

    def add(self, update: BufferedMetricUpdate) -> None:
        labels = tuple(sorted((name, str(value)) for name, value in update.attributes.items()))
        if self.metric.kind == BUFFERED_METRIC_KIND_COUNTER:
            self.numbers[labels] = self.numbers.get(labels, 0) + update.value
        elif self.metric.kind == BUFFERED_METRIC_KIND_GAUGE:
            self.numbers[labels] = update.value
        else:
            self.histograms.setdefault(labels, _Histogram()).observe(update.value)

    def collect(self) -> Metric:
        metric, counts = self.metric, self.metric.kind == BUFFERED_METRIC_KIND_COUNTER
        name = f"{metric.name}_seconds" if metric.unit == "s" else metric.name
        kind = "histogram" if self.histograms else "counter" if counts else "gauge"
        family = Metric(name, metric.description or "", kind)
        for labels, number in self.numbers.items():
            family.add_sample(f"{name}_total" if counts else name, dict(labels), number)
        for labels, histogram in self.histograms.items():
            count = 0
            for bound, number in zip((*map(str, _BUCKETS), "+Inf"), histogram.buckets, strict=True):
                count += number
                family.add_sample(f"{name}_bucket", {**dict(labels), "le": bound}, count)
            family.add_sample(f"{name}_count", dict(labels), count)
            family.add_sample(f"{name}_sum", dict(labels), histogram.sum)
        return family


class _TemporalMetrics(Collector):
    """What Temporal's core counts. Not every label is on every series of a metric, so these are kept by hand."""

    def __init__(self) -> None:
        self._families: dict[str, _Family] = {}

    def add(self, updates: Iterable[BufferedMetricUpdate]) -> None:
        for update in updates:
            self._families.setdefault(update.metric.name, _Family(update.metric)).add(update)

    def collect(self) -> Iterable[Metric]:
        return [family.collect() for family in self._families.values()]
