"""Settings come from the environment, are checked there, and name the graphs to load."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from oris_temporal.config import Settings, load_graphs, parse_address
from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.errors import ConfigurationError, GraphCompileError

# --- settings ---


def test_defaults() -> None:
    assert Settings.from_env({}) == Settings(
        server_addr="127.0.0.1:8080",
        task_queue="oris",
        id_prefix="",
        graphs=(),
        default_graph=None,
        ui_url=None,
        metrics_addr=None,
        deployment=None,
    )


def test_every_setting_has_a_variable() -> None:
    assert Settings.variables() == {
        "ORIS_SERVER_ADDR": "server_addr",
        "ORIS_TASK_QUEUE": "task_queue",
        "ORIS_WORKFLOW_ID_PREFIX": "id_prefix",
        "ORIS_GRAPHS": "graphs",
        "ORIS_DEFAULT_GRAPH": "default_graph",
        "ORIS_TEMPORAL_UI": "ui_url",
        "ORIS_METRICS_ADDR": "metrics_addr",
        "ORIS_DEPLOYMENT": "deployment",
    }


def test_every_setting_is_documented_with_its_variable() -> None:
    for variable, field in Settings.variables().items():
        assert (Settings.model_fields[field].description or "").startswith(f"``{variable}``: ")


def test_all_variables_are_read() -> None:
    settings = Settings.from_env(
        {
            "ORIS_SERVER_ADDR": "[::]:9000",
            "ORIS_TASK_QUEUE": "reviews",
            "ORIS_WORKFLOW_ID_PREFIX": "oris/",
            "ORIS_GRAPHS": "shop.graphs:review, shop.graphs:refund ,",
            "ORIS_DEFAULT_GRAPH": "review",
            "ORIS_TEMPORAL_UI": "https://temporal.example.com/ui/",
            "ORIS_METRICS_ADDR": "0.0.0.0:9464",
            "ORIS_DEPLOYMENT": "reviews",
            "PATH": "/bin",
        }
    )
    assert settings == Settings(
        server_addr="[::]:9000",
        task_queue="reviews",
        id_prefix="oris/",
        graphs=("shop.graphs:review", "shop.graphs:refund"),
        default_graph="review",
        ui_url="https://temporal.example.com/ui",
        metrics_addr="0.0.0.0:9464",
        deployment="reviews",
    )


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORIS_TASK_QUEUE", "from-the-process")
    assert Settings.from_env().task_queue == "from-the-process"


@pytest.mark.parametrize("blank", ["", "   "])
def test_a_blank_variable_means_the_default(blank: str) -> None:
    assert Settings.from_env(dict.fromkeys(Settings.variables(), blank)) == Settings()


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("ORIS_SERVER_ADDR", "8080", "must be host:port"),
        ("ORIS_SERVER_ADDR", "localhost:http", "port 'http' is not a number"),
        ("ORIS_METRICS_ADDR", "0.0.0.0:70000", "from 0 to 65535"),
        ("ORIS_TASK_QUEUE", "my queue", "white space"),
        ("ORIS_TASK_QUEUE", "q" * 1001, "at most 1000"),
        ("ORIS_WORKFLOW_ID_PREFIX", "a b", "white space"),
        ("ORIS_GRAPHS", "shop.graphs", "must be module:name"),
        ("ORIS_GRAPHS", "shop:a,shop/b:c", "'shop/b:c' must be module:name"),
        ("ORIS_TEMPORAL_UI", "localhost:8233", "http:// or https://"),
        ("ORIS_TEMPORAL_UI", "https://", "http:// or https://"),
    ],
)
def test_a_wrong_value_names_its_variable_and_the_reason(variable: str, value: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=variable) as caught:
        Settings.from_env({variable: value})
    assert reason in caught.value.message
    assert caught.value.details == {"variables": [variable]}


def test_all_wrong_values_are_reported_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"ORIS_SERVER_ADDR='x'.*ORIS_TEMPORAL_UI='y'"):
        Settings.from_env({"ORIS_SERVER_ADDR": "x", "ORIS_TEMPORAL_UI": "y"})


# --- addresses ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("localhost:0", ("localhost", 0)),
        (" 0.0.0.0:65535 ", ("0.0.0.0", 65535)),
        ("[::1]:7233", ("::1", 7233)),
        ("temporal.example.com:443", ("temporal.example.com", 443)),
    ],
)
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "localhost", ":8080", "host:", "host:-1", "host:65536", "host:8o", "::1:80", "[]:80", "host:²"],
)
def test_bad_addresses(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not an address"):
        parse_address(text)


# --- graphs ---

MODULE = """
import asyncio
from typing import TypedDict
from oris_temporal.graph.builder import StateGraph
from oris_temporal.graph.control import END, START

class State(TypedDict):
    n: int

def make(name):
    graph = StateGraph(State)
    graph.add_node("step", lambda state: {"n": state["n"] + 1})
    graph.add_edge(START, "step")
    graph.add_edge("step", END)
    return graph.compile(name=name)

first = make("first")
second = make("second")
impostor = make("first")
both = [first, second]
uncompiled = StateGraph(State)
number = 3
numbers = [1]

def factory():
    return make("made")

def list_factory():
    return both

async def async_factory():
    return first

def asking_factory():
    return make(asyncio.run(asyncio.sleep(0, "made")))

def broken_factory():
    return 1 / 0

class Holder:
    graph = second
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current directory whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def module(here: Path) -> str:
    (here / "cfg_shop").mkdir()
    (here / "cfg_shop" / "graphs.py").write_text(textwrap.dedent(MODULE))
    return "cfg_shop.graphs"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["first"], ["first"]),
        (["second", "first"], ["second", "first"]),
        (["both"], ["first", "second"]),
        (["factory"], ["made"]),
        (["list_factory"], ["first", "second"]),
        (["Holder.graph"], ["second"]),
        (["first", "both", "first"], ["first", "second"]),
    ],
)
def test_graphs_are_found(module: str, names: list[str], expected: list[str]) -> None:
    items = [f"{module}:{name}" for name in names]
    for spec in (", ".join(items), items):
        loaded = load_graphs(spec)
        assert all(isinstance(graph, CompiledGraph) for graph in loaded)
        assert [graph.name for graph in loaded] == expected


async def test_a_module_may_run_an_event_loop_of_its_own_also_where_one_runs(module: str) -> None:
    [graph] = load_graphs(f"{module}:asking_factory")
    assert graph.name == "made"


def test_a_function_that_raises(module: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be loaded: calling it raised ZeroDivisionError") as caught:
        load_graphs(f"{module}:broken_factory")
    assert caught.value.details == {"graph": f"{module}:broken_factory"}


def test_nothing_to_load() -> None:
    assert load_graphs("") == load_graphs([]) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "was imported but has no 'missing'"),
        ("number", "is no graph but a value of type 'int'"),
        ("numbers", "is no graph but a value of type 'int'"),
        ("uncompiled", r"is not compiled; name the result of its compile\(name=...\)"),
        ("async_factory", "is an async function"),
        ("make", "cannot be called without arguments: missing a required argument: 'name'"),
    ],
)
def test_a_name_that_is_no_graph(module: str, name: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as caught:
        load_graphs(f"{module}:{name}")
    assert caught.value.details == {"graph": f"{module}:{name}"}


def test_two_graphs_with_one_name(module: str) -> None:
    with pytest.raises(ConfigurationError, match="second graph with the name 'first'"):
        load_graphs(f"{module}:first,{module}:impostor")


@pytest.mark.parametrize("spec", ["cfg_nowhere:graph", "cfg_nowhere.deeper:graph", "json.nowhere:graph"])
def test_a_module_that_does_not_exist(here: Path, spec: str) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no module '(cfg_nowhere|json\.nowhere)'"):
        load_graphs(spec)


def test_a_module_whose_own_import_is_missing(here: Path) -> None:
    (here / "cfg_needy.py").write_text("import cfg_not_installed\n")
    with pytest.raises(ConfigurationError, match="'cfg_needy' needs 'cfg_not_installed'"):
        load_graphs("cfg_needy:graph")


def test_a_module_that_raises(here: Path) -> None:
    (here / "cfg_broken.py").write_text("1 / 0\n")
    with pytest.raises(
        ConfigurationError, match="cannot be loaded: importing 'cfg_broken' raised ZeroDivisionError"
    ) as caught:
        load_graphs("cfg_broken:graph")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_graph_that_does_not_compile_explains_itself(here: Path) -> None:
    (here / "cfg_wrong.py").write_text(
        "from oris_temporal.graph.errors import GraphCompileError\nraise GraphCompileError('why')\n"
    )
    with pytest.raises(GraphCompileError, match="why"):
        load_graphs("cfg_wrong:graph")


@pytest.mark.parametrize("spec", ["graphs.py:review", "graphs", "a:b:c", ":review", "graphs:", "my-graphs:review"])
def test_a_spec_that_is_no_module_and_name(spec: str) -> None:
    with pytest.raises(ConfigurationError):
        load_graphs(spec)
