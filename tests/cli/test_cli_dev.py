"""`dev`: everything up with one command, the worker anew after a change, nothing left after Ctrl-C."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
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

    def is_reloaded() -> bool:
        with suppress(ConnectionError):  # a request that waits when the facade starts again is cut off
            return question_over_rest(links["api"], f"{thread}-{next(numbers)}") == "Really?"
        return False

    eventually(is_reloaded)

    eventually(lambda: len(dev.family) >= 4)  # itself, server, worker, facade
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


def test_a_run_that_does_not_fit_leaves_the_one_that_waits(launch: Start, thread: str, tmp_path: Path) -> None:
    """The facade of `dev` knows the graphs, also after they changed."""
    module = tmp_path / "my_graphs.py"
    shutil.copy(HERE / "cli_graphs.py", module)
    dev = launch(
        *("dev", "--graphs", "my_graphs:graphs", "--server-addr", "127.0.0.1:0", "--json", "--task-queue", thread),
        cwd=tmp_path,
        stderr=(tmp_path / "log").open("w"),
    )
    api = json.loads(dev.line())["api"]

    def run(graph: str, given: object) -> tuple[int, str]:
        body = json.dumps({"thread_id": thread, "graph": graph, "input": given}).encode()
        request = urllib.request.Request(f"{api}/v1/jobs/run", body, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read())["data"]["status"]
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())["error"]["message"]

    assert run("review", "hello") == (200, "interrupted")
    assert run("review", {"nonsense": 1})[0] == 400
    assert run("renamed", "hello")[0] == 404
    with urllib.request.urlopen(f"{api}/v1/jobs/{thread}/detail", timeout=10) as answer:
        assert json.loads(answer.read())["data"]["status"] == "interrupted"

    module.write_text("broken =")
    eventually(lambda: (tmp_path / "log").read_text().count("error: ") == 2)  # of the worker and of the facade
    assert "Traceback" not in (tmp_path / "log").read_text()
    module.write_text((HERE / "cli_graphs.py").read_text().replace('name="review"', 'name="renamed"'))
    assert run("renamed", "hello")[0] == 200
    assert run("review", "hello")[0] == 404
    assert dev.stop().code == 0


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--port", "99999"], "not a port"),
        (["--ui-port", "0"], "not a port"),
        (["--watch", "/no/such/directory"], "no directory"),
        (["--db", "/no/such/directory/x.db"], "no directory"),
    ],
)
def test_wrong_options_are_told_before_anything_starts(
    cli: Callable[..., Answer], arguments: list[str], part: str
) -> None:
    answer = cli("dev", "--graphs", "cli_graphs:make_review", "--server-addr", "127.0.0.1:0", *arguments)
    assert answer.code == 2
    assert part in answer.err


def test_a_port_in_use_is_told(cli: Callable[..., Answer], environment: dict[str, str]) -> None:
    answer = cli("dev", "--graphs", "cli_graphs:make_review", "--server-addr", environment["TEMPORAL_ADDRESS"])
    assert answer.code == 2
    assert "--server-addr" in answer.err
