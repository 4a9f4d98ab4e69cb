"""What people read."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cli_harness import Answer

from oris_temporal import Interrupt
from oris_temporal.cli import render, style, words
from oris_temporal.client import RunSummary

Cli = Callable[..., Answer]


def test_columns_are_aligned_and_line_breaks_do_not_break_them() -> None:
    assert style.table(["A", "B", "C"], [["1", "two\nlines", "x"], ["long", "", "\x1b[31mred"]]) == (
        "A     B          C\n1     two lines  x\nlong             [31mred"
    )


def test_wide_characters_count_twice() -> None:
    assert style.width_of("日本") == 4
    assert style.one_line("日本語", 4) == "日…"


def test_the_last_column_is_cut_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "terminal_width", lambda *_: 20)
    [_, row] = style.table(["NAME", "VALUE"], [["name", "x" * 50]]).splitlines()
    assert row == "name  xxxxxxxxxxxxx…"


def test_wide_columns_are_cut_but_ids_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "terminal_width", lambda *_: 40)
    row = ["an-id-to-be-copied", "n" * 40, "x" * 50]
    [_, line] = style.table(["ID", "NODE", "VALUE"], [row]).splitlines()
    assert line == "an-id-to-be-copied  nnnnnnnnn…  xxxxxxx…"


def test_a_list_of_threads_that_have_no_names_fits_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "terminal_width", lambda *_: 80)
    now = datetime.now().astimezone()
    asked = Interrupt("int-0", "t", "approve", "Publish?", now)
    rows = [summary("a" * 32, now, asked), summary("b", now.replace(year=now.year - 1, month=3, day=1), asked)]
    _, row, last_year = render.runs(rows).splitlines()
    assert f"{'a' * 32}  review  interrupted  {now:%m-%d %H:%M}  " in row
    assert "  approve:" in row
    assert f" {now.year - 1}-03-01 " in last_year


def summary(thread: str, updated: datetime, asked: Interrupt) -> RunSummary:
    return RunSummary(thread, "run", "review", "interrupted", updated, updated, interrupts=[asked])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x1b]8;;http://x\x07link", "\\x1b]8;;http://x\\x07link"),
        ("two\nlines\tand\rback", "two\nlines\tand\\rback"),
        ("\u202eleft", "\\u202eleft"),
        ("日本 é", "日本 é"),
    ],
)
def test_nothing_steers_the_terminal_but_our_colours(text: str, shown: str) -> None:
    assert words.printable(text) == shown


def test_json_without_control_characters_is_the_same_json() -> None:
    value = {"text": "\x1b[2J\x7f\x9b\u202e é 日本"}
    text = words.printable_json(json.dumps(value, ensure_ascii=False, indent=2))
    assert json.loads(text) == value
    assert not set(text) & set("\x1b\x7f\x9b\u202e")


def test_a_conversation_reads_as_one() -> None:
    messages = [{"message_type": "human", "content": "hello"}, {"message_type": "ai", "content": "two\nlines"}]
    assert render.state({"messages": messages, "n": 1}) == "  messages\n    human  hello\n    ai  two lines\n  n  1"


def test_calls_of_tools_read_as_calls() -> None:
    calls = [
        {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}
        for name, arguments in (("weather", '{"city":"Oslo"}'), ("now", "{}"))
    ]
    messages = [{"message_type": "ai", "content": "Let me see.", "tool_calls": calls}]
    assert render.state({"messages": messages}) == ('  messages\n    ai  Let me see. weather({"city":"Oslo"}), now({})')
    messages[0]["tool_calls"] = ["odd"]
    assert render.state({"messages": messages}) == '  messages\n    ai  Let me see. ["odd"]'


def test_long_values_are_cut() -> None:
    shown = render.state({"text": "x" * 10_000})
    assert len(shown) < 3_000
    assert "--json has them all" in shown


def test_a_question_of_a_tool_says_which_call_asks() -> None:
    asked = Interrupt("int-t-0", "t", "tools", "Send it?", datetime.now(UTC), tool="send", tool_call_id="call-1")
    assert "tools: send (call-1)" in render.interrupts([asked])
    assert "tools: send (call-1)" in render.waits_for([asked])


def test_lists_are_tables(cli: Cli, thread: str) -> None:
    cli("run", "review", "--input", "x", "--thread-id", thread)
    head, *rows = cli("list", "--graph", "review", "--status", "interrupted").out.splitlines()
    zone = f"({datetime.now().astimezone():%Z})"
    assert head.split() == ["THREAD", "GRAPH", "STATUS", "UPDATED", zone, "WAITS", "FOR"]
    assert any(row.startswith(thread) and "approve" in row for row in rows)
    assert thread in cli("interrupts").out
    assert "CHECKPOINT" in cli("history", thread).out
    assert "task_completed" in cli("timeline", thread).out
    assert "next        approve" in cli("checkpoint", thread).out
    assert "status      interrupted at approve" in cli("inspect", thread).out
    assert cli("list", "--graph", "nobody-ran-it").out == "No runs.\n"


def test_the_web_ui_is_linked_where_it_is_known(cli: Cli, monkeypatch: pytest.MonkeyPatch, thread: str) -> None:
    monkeypatch.setenv("ORIS_TEMPORAL_UI", "http://ui.example")
    answer = cli("run", "review", "--input", "x", "--thread-id", f"{thread}/a b")
    assert f"http://ui.example/namespaces/default/workflows/{thread}%2Fa%20b/" in answer.out
