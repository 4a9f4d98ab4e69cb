"""`demo`: from the first node to the last, with a person, without one, and with a crash."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from cli_harness import Start, clean_environment
from cli_terminal import Terminal

TEXT = "# Title\n\nA first section about graphs.\n\n## Second\n\nGraphs run on Temporal. Temporal keeps graphs.\n"


def test_it_answers_by_itself_without_a_terminal(launch: Start, tmp_path: Path) -> None:
    demo = launch("demo", "--input", TEXT, "--dir", str(tmp_path), env=clean_environment())
    answer = demo.ends(120)
    assert answer.code == 0, answer.out + answer.err
    assert "/namespaces/default/workflows/report-" in answer.out
    assert "/docs" in answer.out
    assert "the demo says yes by itself" in answer.out
    assert [line.split()[1] for line in answer.out.splitlines() if line.startswith("  ✓")] in (
        ["gather", "outline", "count", "research", "approve", "publish"],
        ["gather", "count", "outline", "research", "approve", "publish"],
    )
    [report] = tmp_path.glob("*/report.md")
    assert report.read_text().startswith("# Report: Title\n")
    assert "**Second**: Graphs run on Temporal." in report.read_text()
    assert demo.family == []


def test_a_crash_runs_no_finished_node_again(launch: Start, tmp_path: Path) -> None:
    env = clean_environment(CRASH="1")
    demo = launch("demo", "--input", TEXT, "--dir", str(tmp_path), "--json", env=env)
    answer = demo.ends(120)
    assert answer.code == 0, answer.err
    assert "was killed with SIGKILL in the middle of 'research'" in answer.err
    assert answer.json["status"] == "completed"
    assert answer.json["crashed"] == "research"
    attempts = answer.json["attempts"]
    for node in ("gather", "outline", "count", "publish"):
        assert attempts[node] == {"started": 1, "finished": 1}
    assert attempts["research"]["started"] > attempts["research"]["finished"] == 1
    assert demo.family == []


def test_a_person_may_say_no(launch: Start, tmp_path: Path) -> None:
    source = tmp_path / "notes.md"
    source.write_text(TEXT)
    options = ["--input-file", str(source), "--dir", str(tmp_path / "files")]
    with Terminal(launch, "demo", *options, env=clean_environment()) as terminal:
        terminal.until("Publish the report about notes.md? [y/n]")
        terminal.type("perhaps\n")
        terminal.until("perhaps")
        terminal.type("n\n")
        assert terminal.ends(120) == 0
        assert "nothing was published" in terminal.screen
        assert not list(tmp_path.glob("files/*/report.md"))
        assert terminal.program.family == []


def test_ctrl_c_leaves_nothing(launch: Start, tmp_path: Path) -> None:
    with Terminal(launch, "demo", "--input", TEXT, "--dir", str(tmp_path), env=clean_environment()) as terminal:
        terminal.until("[y/n]")
        assert len(terminal.program.family) >= 4
        terminal.program.process.send_signal(
            signal.SIGINT
        )  # all that Ctrl-C reaches: the others have their own sessions
        assert terminal.ends() == 130
        assert terminal.program.family == []
        assert "Traceback" not in terminal.screen


def test_what_the_nodes_do_reads_any_text() -> None:
    from oris_temporal.demo import reading

    assert reading.headings("# A `b`\n```\n# no\n```\n### [C](x) #") == [(1, "A b"), (3, "C")]
    assert reading.sections("before\n# A\n\n# B\ntext") == [("Beginning", "before"), ("B", "text")]
    assert reading.frequent_terms("Graph graph and node, nodes", 2) == [("graph", 2), ("node", 1)]
    assert reading.key_sentence("Nothing. A graph on it! Temporal runs a graph.", {"graph", "temporal"}) == (
        "Temporal runs a graph."
    )
    assert reading.sections("") == []
    assert json.dumps(reading.headings("")) == "[]"
