"""Progress at a terminal, and none elsewhere."""

from __future__ import annotations

import io
from collections.abc import Callable

from cli_harness import Answer, Start
from cli_harness import Program as Running
from cli_terminal import Terminal

from oris_temporal.cli.progress import Progress

Cli = Callable[..., Answer]


def test_nodes_are_shown_as_they_run(launch: Start, worker: Running, thread: str) -> None:
    with Terminal(launch, "run", "review", "--input", "x", "--thread-id", thread) as terminal:
        assert terminal.ends() == 3
        assert "✓ research" in terminal.screen
        assert '? approve          asks {"question": "Publish?"}' in terminal.screen
    with Terminal(launch, "resume", thread, "--value", '{"ok": true}') as terminal:
        assert terminal.ends() == 0
        assert "✓ approve" in terminal.screen
        assert "✓ research" not in terminal.screen  # that was before


def test_a_worker_that_was_killed_is_missed_before_temporal_knows_that_it_is_gone(launch: Start, thread: str) -> None:
    worker = launch("worker", "--graphs", "cli_graphs:make_review", "--task-queue", thread)
    run = ["run", "review", "--input", "x", "--task-queue", thread]
    assert launch(*run).ends().code == 3
    worker.process.kill()
    worker.process.wait()
    with Terminal(launch, *run) as terminal:
        terminal.until(f"waiting for a worker on task queue {thread}")
        again = launch("worker", "--graphs", "cli_graphs:make_review", "--task-queue", thread)
        assert terminal.ends() == 3
        assert "✓ research" in terminal.screen
    again.stop()


def test_quiet_json_and_pipes_have_none(cli: Cli, launch: Start, thread: str) -> None:
    with Terminal(launch, "run", "review", "--input", "x", "--thread-id", thread, "--quiet") as terminal:
        assert terminal.ends() == 3
        assert "✓" not in terminal.screen
    assert cli("run", "review", "--input", "x").err == ""


def test_events_read_well_without_a_terminal() -> None:
    stream = io.StringIO()
    progress = Progress(stream, live=False)
    common = {"step": 1, "node": "research", "task_id": "1/research/0"}
    progress.show({"event_type": "task_started", "at": "2025-01-01T00:00:00Z", **common})
    progress.show({"event_type": "task_completed", "at": "2025-01-01T00:00:02Z", **common})
    inner = {"event_type": "task_started", "at": "2025-01-01T00:00:02Z", "node": "ask", "namespace": "child:1/child/0"}
    progress.show({**inner, "task_id": "child:1/child/0/1/ask/0"})
    failed = {"event_type": "task_failed", "at": "2025-01-01T00:00:03Z", "node": "boom", "error": "ValueError: no"}
    progress.show({**failed, "task_id": "2/boom/0"})
    progress.show({"event_type": "run_failed", "at": "2025-01-01T00:00:03Z", "message": "no"})
    assert stream.getvalue().splitlines() == [
        "  ▸ research         started",
        "  ✓ research         2.0s",
        "  ▸ child > ask      started",
        "  ✗ boom             ValueError: no",
        "  ✗ child > ask",
    ]
