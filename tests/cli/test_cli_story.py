"""A run from its start to its end, and back again, by commands in processes of their own."""

from __future__ import annotations

import json
from collections.abc import Callable

from cli_harness import Answer

Program = Callable[..., Answer]


def test_a_run_is_started_looked_at_answered_and_taken_back(program: Program, thread: str) -> None:
    run = program("run", "review", "--thread-id", thread, "--input", "hello", "--json")
    assert run.code == 3
    assert run.err == ""
    assert sorted(run.json) == [
        *("checkpoint_id", "error", "interrupts", "next", "run_id", "status", "thread_id", "usage", "values")
    ]
    assert run.json["status"] == "interrupted"
    assert [message["content"] for message in run.json["values"]["messages"]] == ["hello", "findings"]

    asked = program("interrupts", thread, "--json")
    assert asked.code == 0
    assert [item["id"] for item in asked.json] == [f"int-{thread}-0"]
    assert asked.json[0]["value"] == {"question": "Publish?"}
    assert asked.json[0]["status"] == "pending"

    info = program("inspect", thread, "--json")
    assert info.code == 0
    assert (info.json["graph"], info.json["status"], info.json["next"]) == ("review", "interrupted", ["approve"])

    history = program("history", thread, "--json")
    assert history.code == 0
    assert [item["next"] for item in history.json] == [["research"], ["approve"]]
    waiting = history.json[-1]["config"]["checkpoint_id"]

    checkpoint = program("checkpoint", thread, waiting, "--json")
    assert checkpoint.code == 0
    assert checkpoint.json["values"] == run.json["values"]

    timeline = program("timeline", thread, "--json")
    assert timeline.code == 0
    assert [item["kind"] for item in timeline.json if item["node"] == "research"] == ["task_started", "task_completed"]

    resumed = program("resume", thread, "--value", '{"ok": true}', "--author", "ada", "--json")
    assert (resumed.code, resumed.json["status"]) == (0, "completed")
    assert resumed.json["values"]["messages"][-1]["content"] == "answer={'ok': True}"

    stream = program("stream", thread, "--mode", "updates,custom", "--json")
    chunks = [json.loads(line) for line in stream.out.splitlines()]
    assert stream.code == 0
    assert [next(iter(chunk["data"])) for chunk in chunks if chunk["mode"] == "updates"] == [
        *("research", "__interrupt__", "approve")
    ]
    assert [chunk["data"] for chunk in chunks if chunk["mode"] == "custom"] == ["looking"]

    replay = program("replay", thread, waiting, "--json")
    assert (replay.code, replay.json["thread_id"]) == (3, thread)
    assert replay.json["run_id"] != run.json["run_id"]

    fork = program("fork", thread, waiting, "--update", '{"messages": "and more"}', "--json")
    assert (fork.code, fork.json["thread_id"]) == (3, f"{thread}/fork/1")
    assert [message["content"] for message in fork.json["values"]["messages"]] == ["hello", "findings", "and more"]

    cancel = program("cancel", f"{thread}/fork/1", "--reason", "enough", "--json")
    assert (cancel.code, cancel.json["status"]) == (0, "cancelled")

    reject = program("reject", thread, "--reason", "no", "--json")
    assert (reject.code, reject.json["status"]) == (0, "cancelled")

    listed = program("list", "--graph", "review", "--status", "cancelled", "--json")
    assert listed.code == 0
    assert {thread, f"{thread}/fork/1"} <= {item["thread_id"] for item in listed.json}


def test_a_person_reads_it_without_json(cli: Program, thread: str) -> None:
    run = cli("run", "review", "--thread-id", thread, "--input", "hello")
    assert run.code == 3
    assert f"thread  {thread}\nstatus  interrupted at approve\n" in run.out
    assert '{"question": "Publish?"}' in run.out
    assert f"Answer with: oris-temporal resume {thread} --value ..." in run.out
    assert run.err == ""
