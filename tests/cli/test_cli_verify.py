"""`verify` replays what runs did against the code at hand, and names the node that diverged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cli_graphs
import pytest
from cli_harness import Answer

from oris_temporal import CompiledGraph, Worker
from oris_temporal.client import OrisClient

Cli = Callable[..., Answer]
Ran = Callable[..., Any]


@pytest.fixture
def ran(connected: Callable[..., Any]) -> Ran:
    """Runs a graph with a worker of its own, and keeps what it did."""

    def run(graph: CompiledGraph, thread_id: str, answer: Any = None) -> Any:
        async def work(client: OrisClient) -> Any:
            async with Worker(client, graphs=[graph]):
                await client.run(graph, thread_id, {"directory": ""})
                if answer is not None:
                    await client.resume(thread_id, answer)
            return await client.temporal.get_workflow_handle(thread_id).fetch_history()

        return connected(work, f"queue-{thread_id}")

    return run


def test_histories_of_the_same_code_are_clean(program: Cli, cli: Cli, thread: str) -> None:
    cli("run", "review", "--input", "x", "--thread-id", thread)
    answer = program("verify", "--graphs", "cli_graphs:make_review", "--last", "500", "--json")
    assert answer.code == 0
    mine = [verdict for verdict in answer.json if verdict["thread_id"] == thread]
    assert [(verdict["result"], verdict["graph"]) for verdict in mine] == [("clean", "review")]


def test_a_changed_node_is_named(cli: Cli, ran: Ran, thread: str) -> None:
    ran(cli_graphs.old_steps(), thread)
    assert cli("verify", "--graphs", "cli_graphs:old_steps").code == 0

    answer = cli("verify", "--graphs", "cli_graphs:renamed_steps", "--last", "1", "--json")
    assert answer.code == 4
    [verdict] = answer.json
    assert (verdict["thread_id"], verdict["result"]) == (thread, "diverged")
    assert (verdict["node"], verdict["event_type"]) == ("second", "ActivityTaskScheduled")
    assert "'second'" in verdict["message"]
    assert "'replaced'" in verdict["message"]

    text = cli("verify", "--graphs", "cli_graphs:renamed_steps", "--last", "1")
    assert text.code == 4
    assert "1 of 1 diverged." in text.out


def test_a_node_that_waited_for_a_person_is_named(cli: Cli, ran: Ran, thread: str, tmp_path: Path) -> None:
    paused = ran(cli_graphs.asking_steps(), f"{thread}-paused")
    answered = ran(cli_graphs.asking_steps(), f"{thread}-answered", answer="yes")
    for name, history in (("paused", paused), ("answered", answered)):
        path = tmp_path / f"{name}.json"
        path.write_text(history.to_json())
        clean = cli("verify", "--graphs", "cli_graphs:asking_steps", "--file", str(path), "--json")
        assert (clean.code, clean.json[0]["result"]) == (0, "clean")
        changed = cli("verify", "--graphs", "cli_graphs:old_steps", "--file", str(path), "--json")
        assert changed.code == 4
        assert changed.json[0]["node"] == "ask_somebody"


def test_only_the_newest_are_replayed(cli: Cli, thread: str) -> None:
    for number in range(3):
        cli("run", "failing", "--input", "x", "--thread-id", f"{thread}-{number}")
    answer = cli("verify", "--graphs", "cli_graphs:make_failing", "--last", "2", "--json")
    assert [verdict["thread_id"] for verdict in answer.json] == [f"{thread}-2", f"{thread}-1"]


def test_a_history_of_another_graph_is_told(cli: Cli, ran: Ran, thread: str, tmp_path: Path) -> None:
    path = tmp_path / "history.json"
    path.write_text(ran(cli_graphs.old_steps(), thread).to_json())
    assert cli("verify", "--graphs", "cli_graphs:make_review", "--file", str(path)).code == 5
    path.write_text("{}")
    assert cli("verify", "--graphs", "cli_graphs:make_review", "--file", str(path)).code == 2
