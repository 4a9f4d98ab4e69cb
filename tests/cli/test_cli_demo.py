"""`demo`: from the first node to the last, with a person, without one, and with a crash."""

from __future__ import annotations

import base64
import json
import re
import signal
import urllib.request
from collections.abc import Callable
from pathlib import Path

import openai_wire as wire
import pytest
from cli_harness import Answer, Start, clean_environment
from cli_terminal import Terminal
from provider_server import Answer as Reply
from provider_server import Asked, serving_aside

from oris_temporal.demo.model import BY_KEY, choose_model
from oris_temporal.models import Usage
from oris_temporal.models.prices import priced

TEXT = "# Title\n\nA first section about graphs.\n\n## Second\n\nGraphs run on Temporal. Temporal keeps graphs.\n"


def test_it_answers_by_itself_without_a_terminal(launch: Start, tmp_path: Path) -> None:
    demo = launch("demo", "--input", TEXT, "--dir", str(tmp_path), env=clean_environment())
    answer = demo.ends(120)
    assert answer.code == 0, answer.out + answer.err
    assert answer.out.startswith("The agent's model is fake:tools, which asks no provider; set OPENAI_API_KEY or ")
    assert "/namespaces/default/workflows/report-" in answer.out
    assert "/docs" in answer.out
    assert "the demo says yes by itself" in answer.out
    assert list(dict.fromkeys(line.split()[1] for line in answer.out.splitlines() if line.startswith("  ✓"))) in (
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
    assert "was killed with SIGKILL in the middle of 'read call-0-0'" in answer.err
    assert "Only what was running was started again: read call-0-0." in answer.err
    assert (answer.json["status"], answer.json["model"]) == ("completed", "fake:tools")
    assert answer.json["crashed"] == "read call-0-0"
    attempts = answer.json["attempts"]
    read = attempts.pop("read call-0-0")
    assert read["started"] > read["finished"] == 1
    once = ["gather", "outline", "count", "publish", "fake:tools - 2 messages", "fake:tools - 4 messages"]
    assert attempts == {name: {"started": 1, "finished": 1} for name in once}
    assert demo.family == []


def with_key(url: str, **more: str) -> dict[str, str]:
    return clean_environment(OPENAI_API_KEY=wire.KEY, OPENAI_BASE_URL=f"{url}/v1", **more)


def test_with_a_key_it_asks_a_real_model_and_a_crash_asks_for_no_answer_again(launch: Start, tmp_path: Path) -> None:
    def model(request: Asked) -> Reply:
        if any(message["role"] == "tool" for message in request.body["messages"]):
            return wire.chat(*wire.text("- Graphs ", "last."), wire.chunk(usage=wire.USAGE))
        call = wire.tool(0, "{}", id="call_1", name="read")
        return wire.chat(call, wire.chunk({}, "tool_calls"), wire.chunk(usage=wire.USAGE))

    with serving_aside(model) as server:
        env = with_key(server.url, CRASH="1")
        demo = launch("demo", "--input", TEXT, "--dir", str(tmp_path), env=env)
        answer = demo.ends(120)
    assert answer.code == 0, answer.out + answer.err
    assert answer.out.startswith(f"The agent's model is {BY_KEY['OPENAI_API_KEY']}, because OPENAI_API_KEY is set.\n")
    assert "was killed with SIGKILL in the middle of 'read call_1'" in answer.out
    assert [asked.body["tool_choice"] for asked in server.asked if "tool_choice" in asked.body] == ["required"]
    assert [len(asked.body["messages"]) for asked in server.asked] == [2, 4]  # nothing is asked again
    assert "2 calls, 22 tokens read, 14 written" in answer.out
    [report] = tmp_path.glob("*/report.md")
    assert "\n- Graphs last.\n" in report.read_text()
    assert not any(wire.KEY.encode() in path.read_bytes() for path in tmp_path.glob("**/*") if path.is_file())
    assert demo.family == []


def test_a_key_that_is_refused_ends_it_at_once(launch: Start, tmp_path: Path) -> None:
    refusal = {"error": {"message": "Incorrect API key provided.", "type": "x", "code": "invalid_api_key"}}
    with serving_aside(Reply.json(refusal, 401)) as server:
        demo = launch("demo", "--input", TEXT, "--dir", str(tmp_path), env=with_key(server.url, CRASH="1"))
        answer = demo.ends(60)
    assert answer.code == 4, answer.out + answer.err
    assert len(server.asked) == 1
    assert "Incorrect API key provided. Check the key that the worker's environment has for it." in answer.out
    assert "With ORIS_DEMO_MODEL=fake:tools it asks no provider." in answer.out
    assert "No worker was killed" in answer.out
    assert "Traceback" not in answer.out + answer.err
    assert demo.family == []


def test_the_model_follows_from_the_environment(cli: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_model({}).name == choose_model({"OPENAI_API_KEY": " "}).name == "fake:tools"
    assert choose_model({"ANTHROPIC_API_KEY": "k"}).name == BY_KEY["ANTHROPIC_API_KEY"]
    assert choose_model({"ANTHROPIC_API_KEY": "k", "OPENAI_API_KEY": "k"}).name == BY_KEY["OPENAI_API_KEY"]
    assert choose_model({"OPENAI_API_KEY": "k", "ORIS_DEMO_MODEL": "fake:hello"}).name == "fake:hello"
    for name in BY_KEY.values():  # they exist, as far as the price table knows
        assert priced(Usage(prompt=1_000, calls=1), *name.split(":")).unpriced == 0
    monkeypatch.setenv("ORIS_DEMO_MODEL", "openai:")
    answer = cli("demo")
    assert (answer.code, "'openai:' names no model" in answer.err) == (2, True)


def test_a_person_may_say_no(launch: Start, tmp_path: Path) -> None:
    source = tmp_path / "notes.md"
    source.write_text(TEXT)
    options = ["--input-file", str(source), "--dir", str(tmp_path / "files")]
    with Terminal(launch, "demo", *options, env=clean_environment()) as terminal:
        terminal.until("Publish the report about notes.md? [y/n]")
        assert "    - **Second**: Graphs run on Temporal." in terminal.screen  # what is to be published
        assert "approve -.-> publish" in details_in_the_web_ui(terminal.screen)
        terminal.type("perhaps\n")
        terminal.until("perhaps")
        terminal.type("n\n")
        assert terminal.ends(120) == 0
        assert "nothing was published" in terminal.screen
        assert "oris-temporal demo --keep" in terminal.screen
        assert not list(tmp_path.glob("files/*/report.md"))
        assert terminal.program.family == []


def details_in_the_web_ui(screen: str) -> str:
    """What the Web UI shows as the details of the run that the screen links to."""
    [found] = re.findall(r"(http://127\.0\.0\.1:\d+)(/namespaces/default/workflows/report-[\d-]+)", screen)
    with urllib.request.urlopen("/api/v1".join(found)) as response:
        run = json.load(response)
    return base64.b64decode(run["executionConfig"]["userMetadata"]["details"]["data"]).decode()


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
