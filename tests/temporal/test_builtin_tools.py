"""The built-in tools through an agent, on both hosts."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

from temporal_support import Serve, event_counts, eventually
from tool_agents import agent, asking, asking_in_turn, last

from oris_temporal import OrisClient, ToolCall, create_agent
from oris_temporal.agents import FilesMiddleware
from oris_temporal.models.fake import fake_model
from oris_temporal.tools import StateBackend
from oris_temporal.tools.builtin import file_tools, sequential_thinking, shell_tool, sql_tools

EDIT = {"path": "plan.md", "replacements": [{"old_string": "milk", "new_string": "bread"}]}


async def test_b17_write_read_edit_grep_round_trip_through_the_agent(
    client: OrisClient, serve: Serve, thread: str, tmp_path: Path
) -> None:
    asking_in_turn(
        ToolCall("c1", "write_file", {"path": "plan.md", "content": "- buy milk\n"}),
        ToolCall("c2", "read_file", {"path": "plan.md"}),
        ToolCall("c3", "edit_file", EDIT),
        ToolCall("c4", "grep", {"query": "bread", "mode": "content"}),
        ToolCall("c5", "read_file", {"path": "../secret"}),
        ToolCall("c6", "ls", {}),
    )
    graph = agent(*file_tools(tmp_path / "work"))
    here = await graph.invoke("hello")
    async with serve(graph):
        there = await client.run("agent", thread, "hello")
    assert here.values == there.values
    assert last(there.values).split(" | ") == [
        "plan.md has 1 line now.",
        "     1\t- buy milk",
        "1 replacement made in plan.md.",
        "plan.md:1: - buy bread",
        "'../secret' is not allowed: give a path from the root, without '..'.",
        "plan.md (12 bytes)",
    ]


async def test_edits_of_one_turn_on_one_file(client: OrisClient, serve: Serve, thread: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("abcd")
    asking(
        *(
            ToolCall(
                f"c{letter}",
                "edit_file",
                {"path": "f", "replacements": [{"old_string": letter, "new_string": letter.upper()}]},
            )
            for letter in "abcd"
        )
    )
    async with serve(agent(*file_tools(tmp_path))):
        await client.run("agent", thread, "hello")
    assert (tmp_path / "f").read_text() == "ABCD"


async def test_cancelling_a_run_kills_its_command(
    client: OrisClient, serve: Serve, thread: str, tmp_path: Path
) -> None:
    command = ["sh", "-c", f"echo $$ > {tmp_path}/pid; exec sleep 100"]
    asking(ToolCall("c1", "run_command", {"command": command}))
    async with serve(agent(shell_tool(["sh"]))):
        running = asyncio.create_task(client.run("agent", thread, "hello"))
        await eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
        await client.cancel(thread)
        assert (await running).status == "cancelled"
        pid = (tmp_path / "pid").read_text().strip()
        await eventually(lambda: not Path(f"/proc/{pid}").exists())


async def test_a_database(client: OrisClient, serve: Serve, thread: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "b.db") as connection:
        connection.execute("CREATE TABLE book (title)")
    connection.close()
    asking_in_turn(
        ToolCall("c1", "sql_query", {"sql": "DELETE FROM book"}),
        ToolCall("c2", "sql_query", {"sql": "SELECT 1 AS one"}),
    )
    graph = agent(*sql_tools(tmp_path / "b.db"))
    here = await graph.invoke("hello")
    async with serve(graph):
        there = await client.run("agent", thread, "hello")
    assert here.values == there.values
    assert last(there.values) == 'The database refused: not authorized | ["one"]\n[1]'


async def test_files_of_the_state_cost_no_activity(client: OrisClient, serve: Serve, thread: str) -> None:
    model = fake_model(
        ToolCall("c1", "write_file", {"path": "plan.md", "content": "- buy milk\n"}),
        ToolCall("c2", "edit_file", EDIT),
        ToolCall("c3", "read_file", {"path": "plan.md"}),
        "Done.",
    )
    graph = create_agent(model, middleware=[FilesMiddleware(StateBackend())])
    async with serve(graph):
        done = await client.run("agent", thread, "hello")
    assert done.values["files"] == {"plan.md": "- buy bread\n"}
    assert (await event_counts(client, thread))["ACTIVITY_TASK_SCHEDULED"] == 4  # all of them the model's


async def test_thinking_costs_no_activity(client: OrisClient, serve: Serve, thread: str) -> None:
    def thought(number: int) -> dict[str, object]:
        return {"thought": "hm", "thought_number": number, "total_thoughts": 2, "next_thought_needed": number < 2}

    asking_in_turn(*(ToolCall(f"c{number}", "sequential_thinking", thought(number)) for number in (1, 2)))
    graph = agent(sequential_thinking())
    here = await graph.invoke("hello")
    async with serve(graph):
        there = await client.run("agent", thread, "hello")
    assert here.values == there.values
    first, second = map(json.loads, last(there.values).split(" | "))
    assert (first["thoughts_so_far"], second["thoughts_so_far"]) == (1, 2)
    assert (await event_counts(client, thread))["ACTIVITY_TASK_SCHEDULED"] == 3  # all of them the model's
