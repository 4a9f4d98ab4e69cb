"""The README's code runs as it stands, and its tables name what is there."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from oris_temporal import agents
from oris_temporal.api.control_store import settings as store_settings
from oris_temporal.api.security import settings as security_settings
from oris_temporal.cli.parser import build_parser
from oris_temporal.client import StartOptions
from oris_temporal.config import Settings
from oris_temporal.demo import model
from oris_temporal.devserver import DevServer
from oris_temporal.graph.options import MISTAKES
from oris_temporal.testing import dev_server
from oris_temporal.workflows.protocol import RunOptions

__all__ = ["dev_server"]

README = (Path(__file__).parent.parent / "README.md").read_text()
PYTHON = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


async def run(code: str, names: dict[str, Any]) -> None:
    compiled = compile(code, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if (waiting := eval(compiled, names)) is not None:
        await waiting


async def test_the_first_graph_runs_in_this_process_and_on_a_cluster(
    dev_server: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, here, cluster = PYTHON[:3]
    monkeypatch.setenv("TEMPORAL_ADDRESS", dev_server.address)
    names: dict[str, Any] = {"__name__": "readme"}
    await run(graph, names)
    await run(here, names)
    assert names["result"].status == "completed"
    printed: list[tuple[str, Any]] = []
    names["print"] = lambda mode, data: printed.append((mode, data))
    await run(cluster.replace("t-1", f"t-{uuid4().hex[:8]}"), names)
    assert names["result"].status == "completed"
    assert [message["content"] for message in names["result"].values["messages"]][1:] == [
        "findings ...",
        "approved=True",
    ]
    assert {mode for mode, _ in printed} == {"values", "updates"}


async def test_the_graph_with_a_model_and_a_tool_runs(dev_server: DevServer) -> None:
    names: dict[str, Any] = {"__name__": "readme"}
    await run(PYTHON[0], names)
    await run(next(code for code in PYTHON if "ToolNode" in code), names)
    result = await names["forecast"].invoke("What is the weather?")
    said = [message["message_type"] for message in result.values["messages"]]
    assert said == ["human", "ai", "tool", "ai"]


async def test_the_agent_runs() -> None:
    names: dict[str, Any] = {"__name__": "readme"}
    await run(next(code for code in PYTHON if "@tool" in code).partition("def wants_tools")[0], names)
    await run(next(code for code in PYTHON if "create_agent" in code), names)
    result = await names["forecaster"].invoke("What is the weather? Write to ann@example.com.")
    assert result.status == "completed"
    assert result.values["messages"][0]["content"] == "What is the weather? Write to [REDACTED_EMAIL]."


async def test_the_deep_agent_runs() -> None:
    names: dict[str, Any] = {"__name__": "readme"}
    await run(next(code for code in PYTHON if "@tool" in code).partition("def wants_tools")[0], names)
    await run(next(code for code in PYTHON if "create_deep_agent" in code), names)
    result = await names["deep"].invoke("Hello")
    assert (result.status, result.values["memory"]) == ("completed", {})


async def test_the_router_routes() -> None:
    names: dict[str, Any] = {"__name__": "readme"}
    await run(next(code for code in PYTHON if "@tool" in code).partition("def wants_tools")[0], names)
    await run(next(code for code in PYTHON if "create_agent" in code), names)
    await run(next(code for code in PYTHON if "create_router" in code), names)
    result = await names["help_desk"].invoke("What is the weather?")
    assert [item["agent"] for item in result.values["answers"]] == ["researcher"]


def test_every_middleware_is_in_its_table() -> None:
    section = README.partition("### Agents")[2].partition("\n## ")[0]
    shipped = {name for name in agents.__all__ if name.endswith("Middleware") and name != "Middleware"}
    assert set(re.findall(r"^\| `(\w+Middleware)`", section, re.MULTILINE)) == shipped


async def test_the_graph_with_a_store_remembers_across_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "readme"}
    await run(PYTHON[0], names)
    await run(next(code for code in PYTHON if "SQLiteStore" in code), names)
    greetings = [(await names["visits"].invoke({"user": user})).values["greeting"] for user in ("ada", "bob", "ada")]
    assert greetings == ["Visit 1 of ada", "Visit 1 of bob", "Visit 2 of ada"]


async def test_the_built_in_tools_are_made_as_shown_and_all_in_the_table() -> None:
    names: dict[str, Any] = {"__name__": "readme"}
    await run(next(code for code in PYTHON if "tools.builtin" in code), names)
    section = README.partition("### Built-in tools")[2].partition("\n### ")[0]
    rows = re.findall(r"^\| `\w+` \| (.*?) \|", section, re.MULTILINE)
    assert [tool.name for tool in names["tools"]] == re.findall(r"`(\w+)`", " ".join(rows))


async def test_the_tools_of_an_mcp_server_are_those_of_a_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "library_server.py").write_text(
        "from mcp.server.mcpserver import MCPServer\n"
        "server = MCPServer('library')\n"
        "for name in ('find', 'delete_all'):\n"
        "    server.tool(name=name)(lambda: 'done')\n"
        "server.run()\n"
    )
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "readme"}
    await run(PYTHON[0], names)
    await run(next(code for code in PYTHON if "ToolNode" in code), names)
    await run(next(code for code in PYTHON if "McpServer" in code), names)
    assert [tool.name for tool in names["tools"]] == ["library_find"]


def test_every_command_of_the_table_exists_and_every_command_is_in_it() -> None:
    section = README.partition("## Command line")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z]+)`", "\n".join(re.findall(r"^\| (`.*?) \|", section, re.MULTILINE))))
    listed = re.findall(r"^ {4}(\w+)(?: |$)", build_parser().format_help(), re.MULTILINE)
    assert named == set(listed)


def test_every_variable_of_the_configuration_is_in_its_table() -> None:
    section = README.partition("## Configuration")[2].partition("\n## ")[0]
    names = {
        name for cell in re.findall(r"^\| ([^|]+)", section, re.MULTILINE) for name in re.findall(r"ORIS_\w+", cell)
    }
    assert names == {
        *(*Settings.variables(), model.VARIABLE),
        *(*store_settings.VARIABLES, *security_settings.VARIABLES),
    }


def test_every_folder_of_the_layout_exists() -> None:
    section = README.partition("## Layout")[2].partition("```\n")[2].partition("```")[0]
    root = Path(__file__).parent.parent
    named = re.findall(r"[\w/.-]+/|\w+\.py", section)
    package = [name for name in named if (root / "oris_temporal" / name).exists() or (root / name).exists()]
    assert named == package


def test_every_option_of_a_run_is_named() -> None:
    assert [name for name in StartOptions.__annotations__ if not re.search(rf"`{name}[=`]", README)] == []


def test_the_options_of_a_plain_start_are_those_of_the_workflow() -> None:
    table = README.partition("| option | is |")[2].partition("\n\n")[0]
    names = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)))
    assert len(names) == 6
    assert set(names) <= {item.name for item in fields(RunOptions)}


def test_every_error_that_is_never_tried_again_is_named() -> None:
    assert [cls.__name__ for cls in MISTAKES if f"`{cls.__name__}`" not in README] == []
