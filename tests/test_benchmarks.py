"""The benchmark runs and says what it should; how fast anything is, is not asked here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from oris_temporal.devserver import DevServer

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the benchmarks are no part of the installed package

from benchmarks.ours import Ours  # noqa: E402
from benchmarks.report import AGENT_BYTES, COLUMNS, UPDATE_WITH_START, USAGE, Check, ratio  # noqa: E402
from benchmarks.runner import Measured, quantile, read_history  # noqa: E402
from benchmarks.work import ROWS  # noqa: E402


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What one short run prints, and the JSON it writes."""
    path = tmp_path_factory.mktemp("bench") / "result.json"
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "benchmarks",
                "--rows",
                "approval",
                "--implementations",
                "ours,handwritten",
            ),
            *("--repeat", "2", "--batch", "2", "--json", str(path)),
        ],
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, json.loads(path.read_text())


def test_the_facade_under_load(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.load", "--json", str(tmp_path / "load.json")]
    little = ["--clients", "4", "--requests", "16", "--jobs", "5", "--watchers", "5", "--steady", "50"]
    done = subprocess.run([*command, *little], check=False, cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "load.json").read_text())
    assert {(sample["operation"], sample["clients"]) for sample in found["samples"]} >= {
        *((operation, 4) for operation in ("run", "resume", "inspect a closed job", "list 50 jobs")),
        *((operation, 4) for operation in ("poll + ack", "poll + ack, 2 processes")),
    }
    assert found["watchers"]["watchers"] == 5
    assert len(found["memory"]) == 5
    assert "poll + ack" in done.stdout


def test_the_table_names_what_was_measured(result: tuple[str, dict[str, Any]]) -> None:
    table, _ = result
    for text in ("oris-temporal", "hand-written", "one approval", "transferProcessorMaxPollRPS", "targets met"):
        assert text in table
    for heading, _, _ in COLUMNS.values():
        assert heading in table


def test_the_json_has_every_column_of_every_implementation(result: tuple[str, dict[str, Any]]) -> None:
    _, report = result
    assert report["machine"]["cpus"] >= 1
    row = report["rows"]["approval"]
    assert set(row["implementations"]) == {"ours", "handwritten"}
    for measured in row["implementations"].values():
        assert all(measured[column] > 0 for column in COLUMNS)
        assert len(measured["samples"]["latencies"]) == 2
    assert set(COLUMNS) <= set(row["ratios"]["handwritten"])
    assert {check["row"] for check in report["checks"]} == {"approval"}


def test_histories_are_as_short_as_they_can_be(result: tuple[str, dict[str, Any]]) -> None:
    _, report = result
    figures = report["rows"]["approval"]["implementations"]
    assert figures["handwritten"]["events"] == ROWS["approval"].events[0]
    assert figures["ours"]["events"] <= 15


async def test_an_agent_on_a_long_prompt_stays_under_half_a_megabyte(dev_server: DevServer) -> None:
    client, row, measured = await dev_server.connect(), ROWS["agent50"], Measured(1)
    agent, id = Ours(), uuid4().hex
    async with agent.worker(client, "bench-agent"):
        assert await agent.run(client, "bench-agent", row, id) == row.final
    await read_history(client, id, measured)
    assert measured.bytes[0] < AGENT_BYTES
    assert measured.events[0] <= row.events[0] + UPDATE_WITH_START + USAGE


def test_a_ratio_above_one_is_worse_in_every_column() -> None:
    good = Measured(10, [1.0], [1.0], [5], [2], [100], [1.0], 1.0)
    bad = Measured(10, [2.0], [2.0], [10], [2], [200], [2.0], 2.0)
    assert all(ratio(bad, good, column) == 2 for column in COLUMNS)


def test_a_check_is_passed_at_its_limit() -> None:
    assert Check("linear10", "events", 67, 67).passed
    assert str(Check("linear10", "events", 68, 67)).startswith("FAIL")


def test_quantiles_lie_between_values() -> None:
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2
    assert quantile([1.0, 2.0], 0.95) == pytest.approx(1.95)
