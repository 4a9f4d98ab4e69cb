"""Errors: one sentence, an exit code that means something, never a traceback."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_harness import Answer, Start, clean_environment

Cli = Callable[..., Answer]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["frobnicate"], "invalid choice"),
        (["run"], "GRAPH"),
        (["run", "review"], "needs an input"),
        (["run", "review", "--input-json", "{nope"], "is not JSON"),
        (["run", "review", "--input-file", "no-such-file"], "no-such-file"),
        (["run", "review", "--input", "x", "--config", "[]"], "not a JSON object"),
        (["run", "review", "--input", "x", "--wait", "soon"], "not a duration"),
        (["run", "review", "--input", "x", "--wait", "5"], "(units d, h, m, s, ms, largest first). See"),
        (["run", "review", "--input", "x", "--thread-id", ""], "must not be empty"),
        (["inspect", " "], "must not be empty"),
        (["list", "--frobnicate"], "See: oris-temporal list --help"),
        (["resume", "t", "--value", "{ok: true}"], "starts like JSON"),
        (["resume", "t", "--by-id", "--value", "1"], "object of interrupt id"),
        (["list", "--status", "done"], "invalid choice"),
        (["list", "--limit", "0"], "not a number"),
        (["graph"], "--graphs"),
        (["graph", "--graphs", "no_such_module:graph"], "no_such_module"),
        (["graph", "--graphs", "cli_graphs:no_such_graph"], "no_such_graph"),
        (["verify", "--graphs", "cli_graphs:graphs", "--file", "no-such-file"], "no-such-file"),
        (["worker", "--graphs", "cli_graphs:graphs", "--metrics-addr", "nowhere"], "host:port"),
    ],
)
def test_a_wrong_command_line_exits_with_2(cli: Cli, arguments: list[str], part: str) -> None:
    answer = cli(*arguments)
    assert answer.code == 2
    assert part in answer.err
    assert answer.err.startswith("error: ")
    assert len(answer.err.splitlines()) == 1
    assert answer.out == ""


def test_an_input_an_answer_or_an_update_that_does_not_fit_exits_with_2(cli: Cli, thread: str, tmp_path: Path) -> None:
    large = tmp_path / "large.json"
    large.write_text(json.dumps({"messages": ["x" * 3_000_000]}))
    for given in (["--input-json", "[1]"], ["--input-file", str(large)], ["--input", "x", "--config", '{"zork": 1}']):
        answer = cli("run", "review", *given, "--thread-id", thread)
        assert (answer.code, answer.out) == (2, "")
    cli("run", "review", "--input", "x", "--thread-id", thread)
    assert cli("resume", thread, "--value", "1", "--update", '{"zork": 1}').code == 2
    assert cli("fork", thread, "--update", '{"zork": 1}').code == 2
    assert cli("inspect", thread, "--json").json["run"] == 1


def test_no_command_shows_the_help(cli: Cli) -> None:
    answer = cli()
    assert answer.code == 2
    assert "checkpoint" in answer.out
    assert cli("--help").code == 0


@pytest.mark.parametrize("columns", [80, 120])
def test_help_fits_the_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    top = cli("--help").out
    names = re.findall(r"^ {4}(\w+)(?: |$)", top, re.MULTILINE)
    assert "demo" in names
    for shown in (top, *(cli(name, "--help").out for name in names)):
        assert [line for line in shown.splitlines() if len(line) > columns] == []


def test_a_wrong_setting_exits_with_2(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORIS_SERVER_ADDR", "nowhere")
    answer = cli("list")
    assert answer.code == 2
    assert "ORIS_SERVER_ADDR" in answer.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect", "no-such-thread"],
        ["resume", "no-such-thread", "--value", "1"],
        ["cancel", "no-such-thread"],
        ["stream", "no-such-thread"],
        ["fork", "no-such-thread"],
    ],
)
def test_an_unknown_thread_exits_with_5(cli: Cli, arguments: list[str]) -> None:
    answer = cli(*arguments, "--json")
    assert answer.code == 5
    assert answer.error["code"] == "thread_not_found"
    assert answer.error["details"] == {"thread_id": "no-such-thread"}
    assert answer.out == ""


def test_an_unknown_checkpoint_or_interrupt_exits_with_5(cli: Cli, thread: str) -> None:
    cli("run", "review", "--input", "x", "--thread-id", thread)
    assert cli("checkpoint", thread, "0009-000009", "--json").error["code"] == "checkpoint_not_found"
    assert cli("checkpoint", thread, "0009-000009").code == 5
    assert cli("resume", thread, "--interrupt", "int-nope", "--value", "1").code == 5


def test_an_unknown_graph_exits_with_5(cli: Cli) -> None:
    answer = cli("run", "no-such-graph", "--input", "x", "--json")
    assert (answer.code, answer.error["code"]) == (5, "graph_not_found")


def test_no_worker_exits_with_6(cli: Cli) -> None:
    answer = cli("run", "review", "--input", "x", "--task-queue", "nobody-is-here", "--json")
    assert (answer.code, answer.error["code"]) == (6, "no_worker")


def test_no_server_exits_with_6(launch: Start) -> None:
    answer = launch("list", env=clean_environment(TEMPORAL_ADDRESS="127.0.0.1:9")).ends()
    assert answer.code == 6
    assert "127.0.0.1:9" in answer.err
    assert "Traceback" not in answer.err
    assert len(answer.err.splitlines()) == 1


def test_an_unknown_namespace_exits_with_5(cli: Cli) -> None:
    answer = cli("worker", "--graphs", "cli_graphs:graphs", "--namespace", "zork", "--json")
    assert (answer.code, answer.error["code"]) == (5, "namespace_not_found")
    assert answer.out == ""


def test_dev_on_a_server_that_is_not_there_does_not_advise_dev(launch: Start) -> None:
    answer = launch(
        "dev", "--graphs", "cli_graphs:graphs", "--server-addr", "127.0.0.1:0", "--address", "127.0.0.1:9"
    ).ends()
    assert answer.code == 6
    assert "oris-temporal dev" not in answer.err
    assert "Without --address" in answer.err


def test_an_address_may_be_written_as_a_url(program: Cli, environment: dict[str, str]) -> None:
    env = {**environment, "TEMPORAL_ADDRESS": f"http://{environment['TEMPORAL_ADDRESS']}"}
    answer = program("list", env=env)
    assert (answer.code, answer.err) == (0, "")


def test_errors_name_options_and_not_arguments(cli: Cli, thread: str, tmp_path: Path) -> None:
    cli("run", "pair", "--input-json", "{}", "--thread-id", f"{thread}-pair")
    assert "--by-id" in cli("resume", f"{thread}-pair", "--value", "x").err
    given = json.dumps({"directory": str(tmp_path)})
    holding = ["run", "holding", "--input-json", given, "--thread-id", thread]
    cli(*holding, "--detach")
    assert "or pass --replace." in cli(*holding).err
    (tmp_path / "go").touch()


def test_what_steers_a_terminal_is_written_out_and_long_ids_are_cut(cli: Cli) -> None:
    answer = cli("inspect", "\x1b]0;title\x07\x1b[2J\x9b31m")
    assert answer.code == 5
    assert not set(answer.err) & set("\x1b\x07\x9b")
    assert len(cli("inspect", "x" * 900).err) < 400


def test_a_run_that_waits_for_nobody_exits_with_1(cli: Cli) -> None:
    failed = cli("run", "failing", "--input", "x", "--json").json["thread_id"]
    answer = cli("resume", failed, "--value", "1", "--json")
    assert (answer.code, answer.error["code"]) == (1, "not_interrupted")


def test_an_unknown_stream_mode_exits_with_2(cli: Cli, thread: str) -> None:
    cli("run", "review", "--input", "x", "--thread-id", thread)
    assert cli("stream", thread, "--mode", "everything").code == 2


def test_an_error_nobody_expected_is_one_sentence_and_debug_shows_where(
    cli: Cli, launch: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def surprise(self: object, *_: object) -> None:
        raise LookupError("surprise")

    monkeypatch.setattr("oris_temporal.cli.graphs.shape_of", surprise)
    answer = cli("graph", "--graphs", "cli_graphs:graphs")
    assert answer.code == 1
    assert "LookupError: surprise" in answer.err
    assert "--debug" in answer.err


def test_a_reader_that_goes_away_is_no_error(launch: Start) -> None:
    program = launch("graph", "--graphs", "cli_graphs:graphs")
    assert program.process.stdout is not None
    program.process.stdout.close()
    program.process.wait(60)
    assert program.process.stderr is not None
    assert program.process.stderr.read() == ""
