"""`dev`: everything up with one command, the worker anew after a change, nothing left after Ctrl-C."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Callable
from pathlib import Path

from cli_harness import HERE, Answer, Start, clean_environment, eventually


def question_over_rest(api: str, thread: str) -> str:
    """What a new run asks."""
    body = json.dumps({"thread_id": thread, "input": "hello"}).encode()
    request = urllib.request.Request(f"{api}/v1/jobs/run", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        [asked] = json.loads(answer.read())["data"]["interrupts"]
    return str(asked["question"])


def test_dev_serves_reloads_and_leaves_nothing(launch: Start, tmp_path: Path, thread: str) -> None:
    module = tmp_path / "my_graphs.py"
    shutil.copy(HERE / "cli_graphs.py", module)
    dev = launch(
        *("dev", "--graphs", "my_graphs:make_review", "--server-addr", "127.0.0.1:0", "--json"),
        *("--db", str(tmp_path / "dev.db")),
        cwd=tmp_path,
        env=clean_environment(),
        stderr=(tmp_path / "log").open("w"),
    )
    links = json.loads(dev.line())
    assert links["graphs"] == ["review"]
    assert question_over_rest(links["api"], f"{thread}-1") == "Publish?"
    for url in (links["docs"], links["ui"]):
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.status == 200

    module.write_text(module.read_text().replace("Publish?", "Really?"))
    numbers = iter(range(2, 1000))
    eventually(lambda: question_over_rest(links["api"], f"{thread}-{next(numbers)}") == "Really?")

    assert len(dev.family) >= 4  # itself, server, worker, facade
    answer = dev.stop()
    assert answer.code == 0
    assert dev.family == []
    assert (tmp_path / "dev.db").exists()


def test_dev_on_a_server_that_is_there(launch: Start, environment: dict[str, str], thread: str) -> None:
    dev = launch(
        *("dev", "--graphs", "cli_graphs:make_review", "--server-addr", "127.0.0.1:0", "--json"),
        *("--no-reload", "--task-queue", thread),
    )
    links = json.loads(dev.line())
    assert links["address"] == environment["TEMPORAL_ADDRESS"]
    assert links["ui"] is None
    assert question_over_rest(links["api"], thread) == "Publish?"
    assert dev.stop().code == 0
    assert dev.family == []


def test_a_port_in_use_is_told(cli: Callable[..., Answer], environment: dict[str, str]) -> None:
    answer = cli("dev", "--graphs", "cli_graphs:make_review", "--server-addr", environment["TEMPORAL_ADDRESS"])
    assert answer.code == 2
    assert "--server-addr" in answer.err
