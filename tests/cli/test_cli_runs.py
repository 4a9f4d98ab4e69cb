"""Options of the commands that move runs along, and their exit codes."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_harness import Answer, Start, eventually

from oris_temporal.client import OrisClient

Cli = Callable[..., Answer]


def test_a_failed_run_exits_with_4_and_says_which_node(cli: Cli) -> None:
    answer = cli("run", "failing", "--input", "x", "--json")
    assert answer.code == 4
    assert answer.json["error"]["code"] == "node"
    assert "failing.boom" in answer.json["error"]["message"]
    assert "failing.boom" in cli("run", "failing", "--input", "x").out


def test_a_cancelled_run_exits_with_4_where_it_is_waited_for(cli: Cli, thread: str) -> None:
    cli("run", "review", "--input", "x", "--thread-id", thread)
    assert cli("cancel", thread).code == 0
    assert cli("inspect", thread, "--wait", "10s").code == 4
    assert cli("inspect", thread).code == 0


def test_a_run_that_outlasts_the_wait_exits_with_7(cli: Cli, thread: str, tmp_path: Path) -> None:
    given = json.dumps({"directory": str(tmp_path)})
    answer = cli("run", "holding", "--input-json", given, "--thread-id", thread, "--wait", "300ms", "--json")
    assert (answer.code, answer.json["status"]) == (7, "running")
    (tmp_path / "go").touch()
    assert cli("inspect", thread, "--wait", "20s", "--json").json["values"]["trail"] == ["held"]


def test_the_thread_may_be_named_by_the_configuration_and_by_nothing_else_besides(cli: Cli, thread: str) -> None:
    config = json.dumps({"configurable": {"thread_id": thread}})
    assert cli("run", "review", "--input", "x", "--config", config, "--json").json["thread_id"] == thread
    refused = cli("run", "review", "--input", "x", "--config", config, "--thread-id", "other", "--json")
    assert (refused.code, refused.error["code"]) == (2, "invalid_option")
    assert "thread_id='other' must be the one that config names" in refused.error["message"]


def test_the_same_idempotency_key_without_a_thread_joins_the_first_run(cli: Cli, thread: str) -> None:
    first, second = [
        cli("run", "review", "--input", "x", "--idempotency-key", thread, "--json").json["run_id"] for _ in range(2)
    ]
    assert first == second


def test_a_replay_may_have_another_configuration_or_the_last_state(cli: Cli, thread: str) -> None:
    short = json.dumps({"recursion_limit": 1})
    first = cli("run", "review", "--input", "x", "--thread-id", thread, "--config", short, "--json")
    assert (first.code, first.json["error"]["code"]) == (4, "graph_recursion")
    assert cli("replay", thread, "--json").code == 4
    again = cli("replay", thread, "--config", '{"recursion_limit": 50}', "--json")
    assert (again.code, len(again.json["values"]["messages"])) == (3, 2)
    last = cli("replay", thread, "--from-last-state", "--json")
    assert (last.code, len(last.json["values"]["messages"])) == (3, 3)
    assert cli("replay", thread, "0001-000001", "--from-last-state").code == 2


def test_detach_starts_and_returns(cli: Cli, thread: str) -> None:
    answer = cli("run", "review", "--input", "x", "--thread-id", thread, "--detach", "--json")
    assert answer.code == 0
    assert answer.json["thread_id"] == thread
    assert cli("inspect", thread, "--wait", "20s").code == 3


def test_input_may_be_text_json_or_a_file(
    cli: Cli, launch: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(*options: str) -> list[str]:
        answer = cli("run", "review", *options, "--json")
        return [message["content"] for message in answer.json["values"]["messages"]]

    (tmp_path / "input.json").write_text('{"messages": ["one", "two"]}')
    (tmp_path / "input.md").write_text("# three")
    assert said("--input", '{"not": "json"}') == ['{"not": "json"}', "findings"]
    assert said("--input-json", '{"messages": ["one"]}') == ["one", "findings"]
    assert said("--input-file", str(tmp_path / "input.json")) == ["one", "two", "findings"]
    assert said("--input-file", str(tmp_path / "input.md")) == ["# three", "findings"]
    (tmp_path / "stdin").write_text('{"messages": ["four"]}')
    with (tmp_path / "stdin").open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert said("--input-file", "-") == ["four", "findings"]


def test_a_thread_goes_on_from_its_last_state(cli: Cli, thread: str) -> None:
    cli("run", "review", "--input", "x", "--thread-id", thread)
    cli("resume", thread, "--value", '{"ok": true}')
    again = cli("run", "review", "--from-last-state", "--thread-id", thread, "--json")
    assert [message["content"] for message in again.json["values"]["messages"]][-2:] == [
        "answer={'ok': True}",
        "findings",
    ]


def test_a_running_thread_is_refused_unless_replaced(cli: Cli, thread: str, tmp_path: Path) -> None:
    given = json.dumps({"directory": str(tmp_path)})
    cli("run", "holding", "--input-json", given, "--thread-id", thread, "--detach")
    refused = cli("run", "holding", "--input-json", given, "--thread-id", thread, "--json")
    assert (refused.code, refused.error["code"]) == (1, "run_conflict")
    (tmp_path / "go").touch()
    replaced = cli("run", "holding", "--input-json", given, "--thread-id", thread, "--replace", "--json")
    assert (replaced.code, replaced.json["values"]["trail"]) == (0, ["held"])


def test_config_tenant_and_breakpoints_reach_the_run(cli: Cli, thread: str) -> None:
    options = [
        "--config",
        '{"recursion_limit": 5}',
        "--tenant",
        "acme",
        "--priority",
        "2",
        "--interrupt-after",
        "research",
    ]
    answer = cli("run", "review", "--input", "x", "--thread-id", thread, *options, "--json")
    assert answer.json["interrupts"][0]["kind"] == "after"
    assert cli("inspect", thread, "--json").json["tenant"] == "acme"
    went_on = cli("resume", thread, "--json")  # a breakpoint needs no value
    assert went_on.json["interrupts"][0]["kind"] == "interrupt"


def test_several_questions_are_answered_by_id(cli: Cli, thread: str) -> None:
    asked = cli("run", "pair", "--input-json", "{}", "--thread-id", thread, "--json").json["interrupts"]
    ids = {item["node"]: item["id"] for item in asked}
    assert cli("resume", thread, "--value", "x", "--json").error["code"] == "ambiguous_resume"
    refused = cli("reject", thread)
    assert (refused.code, refused.err.strip().rpartition("). ")[2]) == (1, "Say which is rejected with --interrupt ID.")
    left = cli("resume", thread, "--by-id", "--value", json.dumps({ids["right"]: "R"}), "--json")
    assert [item["id"] for item in left.json["interrupts"]] == [ids["left"]]
    done = cli("resume", thread, "--interrupt", ids["left"], "--value", "L", "--json")
    assert (done.code, done.json["values"]["trail"]) == (0, ["left=L", "right=R"])
    everything = cli("interrupts", thread, "--all", "--json").json
    assert {item["id"]: item["answer"] for item in everything} == {ids["left"]: "L", ids["right"]: "R"}


@pytest.mark.parametrize(
    ("value", "answer"), [("yes", "yes"), ("true", "True"), ('"true"', "true"), ("[1, 2]", "[1, 2]"), ("null", "None")]
)
def test_a_value_is_json_or_else_text(cli: Cli, thread: str, value: str, answer: str) -> None:
    cli("run", "review", "--input", "x", "--thread-id", thread)
    done = cli("resume", thread, "--value", value, "--json")
    assert done.json["values"]["messages"][-1]["content"] == f"answer={answer}"


def test_a_question_is_not_answered_with_nothing_by_accident(cli: Cli, thread: str) -> None:
    cli("run", "review", "--input", "x", "--thread-id", thread)
    answer = cli("resume", thread)
    assert answer.code == 2
    assert "'approve' asks" in answer.err
    assert cli("inspect", thread, "--json").json["status"] == "interrupted"


def test_ctrl_c_leaves_the_run_alone_and_says_so(launch: Start, connected: Callable[..., object], thread: str) -> None:
    program = launch("run", "review", "--input", "x", "--thread-id", thread, "--task-queue", "nobody-is-here")

    async def is_there(client: OrisClient) -> bool:
        return any([item async for item in client.temporal.list_workflows(f"WorkflowId = '{thread}'")])

    eventually(lambda: connected(is_there))
    answer = program.stop(signal.SIGINT)
    assert answer.code == 130
    assert f"oris-temporal inspect {thread}" in answer.err
    assert "Traceback" not in answer.err


def test_a_run_that_does_not_fit_leaves_the_one_that_waits(cli: Cli, thread: str) -> None:
    cli("run", "review", "--input", "x", "--thread-id", thread)
    given = ["--graphs", "cli_graphs:graphs", "--input-json", '{"nonsense": 1}', "--thread-id", thread, "--json"]
    refused = cli("run", "review", *given)
    assert (refused.code, refused.error["code"]) == (2, "invalid_update")
    assert cli("run", "renamed", *given).error["code"] == "graph_not_found"
    assert cli("resume", thread, "--value", "yes").code == 0


def test_that_a_question_is_dropped_is_told(cli: Cli, thread: str) -> None:
    cli("run", "review", "--input", "x", "--thread-id", thread)
    again = cli("run", "review", "--input", "x", "--thread-id", thread)
    assert again.code == 3
    assert f"waits for an answer (int-{thread}-0)" in again.err
    late = cli("resume", thread, "--interrupt", f"int-{thread}-0", "--value", "1", "--json")
    assert (late.code, late.error["code"]) == (1, "interrupt_conflict")
    listed = {item["id"]: item["status"] for item in cli("interrupts", thread, "--all", "--json").json}
    assert listed == {f"int-{thread}-0": "rejected", f"int-{thread}-1": "pending"}
    assert "its run has ended" in cli("interrupts", thread, "--all").out


def test_cancel_of_a_run_that_has_ended_exits_with_0(cli: Cli, thread: str) -> None:
    assert cli("run", "failing", "--input", "x", "--thread-id", thread).code == 4
    answer = cli("cancel", thread, "--json")
    assert (answer.code, answer.json["status"]) == (0, "failed")


def test_a_run_that_no_worker_has_begun_is_cancelled_without_one(cli: Cli, thread: str) -> None:
    cli("run", "review", "--input", "x", "--thread-id", thread, "--task-queue", "nobody-is-here", "--detach")
    answer = cli("cancel", thread, "--json")
    assert (answer.code, answer.json["status"]) == (0, "cancelled")
    assert cli("history", thread, "--json").json == []


def test_a_short_wait_does_not_hide_why_a_run_stands_still(cli: Cli, thread: str) -> None:
    short = ["--input", "x", "--wait", "500ms", "--json"]
    nobody = cli("run", "review", *short, "--task-queue", "nobody-is-here")
    assert (nobody.code, nobody.error["code"]) == (6, "no_worker")
    unknown = cli("run", "no-such-graph", *short)
    assert (unknown.code, unknown.error["code"]) == (5, "graph_not_found")


def test_the_stream_of_a_failed_run_ends_with_its_error(cli: Cli, thread: str) -> None:
    cli("run", "failing", "--input", "x", "--thread-id", thread)
    answer = cli("stream", thread, "--json")
    assert (answer.code, answer.error["code"]) == (4, "run_failed")
    assert "failing.boom" in answer.error["message"]


def test_quiet_gives_no_advice(cli: Cli, thread: str) -> None:
    assert "Answer with" not in cli("run", "review", "--input", "x", "--thread-id", thread, "--quiet").out
    assert "Answer with" not in cli("inspect", thread, "--quiet").out
    assert "Answer with" in cli("inspect", thread).out


def test_inspect_says_why_a_run_was_cancelled(cli: Cli, connected: Callable[..., object], thread: str) -> None:
    cli("run", "review", "--input", "x", "--thread-id", thread)
    cli("reject", thread, "--reason", "not yet", "--author", "ada")
    assert f"reason      interrupt int-{thread}-0 rejected by ada: not yet\n" in cli("inspect", thread).out

    async def terminate(client: OrisClient) -> None:
        await client.temporal.get_workflow_handle(thread).terminate(reason="the operator's reason")

    cli("run", "review", "--input", "x", "--thread-id", thread)
    connected(terminate)
    assert cli("inspect", thread, "--json").json["reason"] == "the operator's reason"


def test_a_cursor_of_an_earlier_run_is_told(cli: Cli, thread: str) -> None:
    cli("run", "review", "--input", "x", "--thread-id", thread)
    cli("resume", thread, "--value", "yes")
    first = [json.loads(line)["cursor"] for line in cli("stream", thread, "--json").out.splitlines()]
    cli("replay", thread)
    again = cli("stream", thread, "--cursor", first[-1])
    assert "The cursor is one of run 1; this is run 2 of the thread, from its start." in again.err
    assert "research" in again.out


def test_a_question_looks_the_same_wherever_it_is_shown(cli: Cli, thread: str) -> None:
    cli("run", "review", "--input", "x", "--thread-id", thread)
    listed = cli("interrupts", thread, "--json").json
    assert cli("inspect", thread, "--json").json["interrupts"] == listed
    assert cli("checkpoint", thread, "--json").json["interrupts"] == listed
    assert cli("history", thread, "--json").json[-1]["interrupts"] == listed


def test_a_fork_that_cannot_work_is_refused_before_it_starts(cli: Cli, thread: str) -> None:
    cli("run", "review", "--input", "x", "--thread-id", thread)
    fork = ["fork", thread, "--graphs", "cli_graphs:graphs", "--json"]
    unknown = cli(*fork, "--as-node", "nobody")
    assert (unknown.code, unknown.error["code"]) == (5, "node_not_found")
    assert cli(*fork, "--update", '{"nonsense": 1}').error["code"] == "invalid_update"
    assert cli("inspect", f"{thread}/fork/1").code == 5
    assert cli(*fork, "--as-node", "research").code == 3
