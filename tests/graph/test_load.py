"""Graphs as data: the format in full, as a dict, JSON, YAML and files, and what is said about mistakes."""

from __future__ import annotations

import copy
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

from oris_temporal.graph.builder import StateGraph
from oris_temporal.graph.control import END, START, Send
from oris_temporal.graph.errors import ConditionError, ConfigurationError, GraphCompileError
from oris_temporal.graph.load import graph_file_schema, load_graph
from oris_temporal.graph.messages import Message
from oris_temporal.graph.plugins import NodePlugin, NodePluginRegistry, default_registry

DATA = Path(__file__).parent / "data"


class Order(BaseModel):
    total: float
    items: list[str] = []


class OrderState(TypedDict, total=False):
    order: Order
    route: str


class NoteConfig(BaseModel):
    line: str


def keep_order(state: OrderState) -> dict[str, Any]:
    return {"route": "kept"}


def by_size(state: Any) -> bool:
    return bool(state["n"] > 1)


def longest(current: list[str], update: list[str]) -> list[str]:
    return max(current, update, key=len)


def _compiled(name: str) -> Any:
    graph = StateGraph(OrderState).add_node("keep", keep_order)
    return graph.add_edge(START, "keep").add_edge("keep", END).compile(name=name)


compiled = _compiled("orders")


class Namespace:
    compiled = _compiled("nested")


@pytest.fixture
def registry() -> NodePluginRegistry:
    registry = NodePluginRegistry()
    registry.register(NodePlugin("note", lambda config: lambda state: {"log": config.line}, NoteConfig))
    return registry


def put(**update: Any) -> Any:
    """A node that writes what it is told."""
    return lambda state: update


def linear(**changes: Any) -> dict[str, Any]:
    """A graph of one node, with changes."""
    return {
        "name": "linear",
        "state": {"n": "int"},
        "nodes": [{"name": "a", "function": "fn"}],
        "edges": [{"from": "START", "to": "a"}, {"from": "a", "to": "END"}],
        **changes,
    }


async def run(source: Any, input: Any = None, **functions: Any) -> Any:
    return (await load_graph(source, functions=functions).invoke({} if input is None else input)).state


class TestFiles:
    def functions(self) -> dict[str, Any]:
        def write(state: Any) -> Any:
            return {"text": f"{state['text']}{state['topic']} ", "rounds": 1}

        return {"write": write, "upload": put(url="https://example.org/1", log=["uploaded"])}

    async def test_an_example_with_all_kinds_of_nodes(self, registry: NodePluginRegistry) -> None:
        graph = load_graph(DATA / "review.yaml", registry=registry, functions=self.functions())
        assert (graph.name, list(graph.nodes)) == ("review", ["write", "note", "publish"])
        assert (await graph.invoke({"topic": "tea"})).state == {
            "topic": "tea",
            "text": "tea tea tea ",
            "rounds": 3,
            "log": ["written", "written", "written", "uploaded"],
            "url": "https://example.org/1",
        }
        short = await graph.invoke({"topic": "enough"})
        assert short.state["rounds"] == 1

    def test_options_mean_what_they_mean_in_code(self, registry: NodePluginRegistry) -> None:
        graph = load_graph(str(DATA / "review.yaml"), registry=registry, functions=self.functions())
        options = graph.nodes["write"].options
        assert options.timeout == timedelta(minutes=2)
        assert options.heartbeat == timedelta(seconds=30)
        assert options.retry.maximum_attempts == 5
        assert options.retry.retry_on == (ConnectionError,)
        assert graph.nodes["note"].options.retry.maximum_attempts == 3

    def test_it_can_be_drawn(self, registry: NodePluginRegistry) -> None:
        drawn = load_graph(DATA / "review.yaml", registry=registry, functions=self.functions()).to_mermaid()
        assert 'note -. "rounds #62;= 3" .-> publish' in drawn
        assert 'note -. "else" .-> write' in drawn

    async def test_json_files_and_names_given_from_outside(self, tmp_path: Path) -> None:
        (tmp_path / "graph.json").write_text(json.dumps(linear()))
        graph = load_graph(tmp_path / "graph.json", functions={"fn": put(n=1)}, name="renamed")
        assert graph.name == "renamed"
        assert (await graph.invoke({})).state == {"n": 1}

    def test_nodes_may_share_a_file_but_not_circle(self, tmp_path: Path) -> None:
        child = linear(name="child")
        nodes = [{"name": "x", "graph": "parts/child.json"}, {"name": "y", "graph": "parts/child.json"}]
        edges = [{"from": "START", "to": "x"}, {"from": "x", "to": "y"}, {"from": "y", "to": "END"}]
        (tmp_path / "parts").mkdir()
        (tmp_path / "parts" / "child.json").write_text(json.dumps(child))
        (tmp_path / "parent.json").write_text(json.dumps(linear(nodes=nodes, edges=edges)))
        parent = load_graph(tmp_path / "parent.json", functions={"fn": put(n=1)})
        assert parent.nodes["x"].graph is parent.nodes["y"].graph  # type: ignore[union-attr]

        child["nodes"] = [{"name": "a", "graph": "../parent.json"}]
        (tmp_path / "parts" / "child.json").write_text(json.dumps(child))
        with pytest.raises(GraphCompileError) as info:
            load_graph(tmp_path / "parent.json")
        assert str(info.value) == (
            "parent.json: nodes[0].graph: child.json: nodes[0].graph: parent.json: "
            "this graph contains itself. Break the circle of files."
        )


class TestText:
    async def test_json(self) -> None:
        assert await run(json.dumps(linear()), fn=put(n=2)) == {"n": 2}

    async def test_yaml_reads_only_what_json_has(self) -> None:
        text = """
        name: words
        state: {answer: str, day: str, time: str, number: float, nothing: int | None, flag: bool}
        nodes:
          - name: a
            plugin: put
            config: {answer: yes, day: 2030-01-01, time: 12:30, number: 1e3, nothing: null, flag: true}
        edges: [{from: START, to: a}, {from: a, to: END}]
        """
        registry = NodePluginRegistry()
        registry.register(NodePlugin("put", lambda config: lambda state: config))
        assert (await load_graph(text, registry=registry).invoke({})).state == {
            "answer": "yes",
            "day": "2030-01-01",
            "time": "12:30",
            "number": 1000.0,
            "nothing": None,
            "flag": True,
        }

    async def test_yaml_anchors_and_merges(self) -> None:
        text = """
        name: merged
        state: {n: {type: int, reducer: add}}
        nodes:
          - &first {name: a, function: fn, options: &slow {timeout: 1h}}
          - {<<: *first, name: b}
        edges: [{from: START, to: a}, {from: a, to: b}, {from: b, to: END}]
        """
        graph = load_graph(text, functions={"fn": put(n=1)})
        assert graph.nodes["b"].options.timeout == timedelta(hours=1)
        assert (await graph.invoke({})).state == {"n": 2}

    def test_yaml_is_an_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "yaml", None)
        with pytest.raises(ConfigurationError, match=r"Install oris-temporal\[yaml\], or write the graph as JSON"):
            load_graph("name: x")

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("{", "graph: this is not JSON: "),
            ('{"name": "a", "name": "b"}', "an object has a key twice"),
            ("name: x\nname: y", "graph: this is not YAML .*a key is there twice\n.*line 1"),
            ("op: >= 3", "quote values that start with a special character"),
            ("- a", "graph: this must be an object"),
            ("", "graph: this must be an object"),
            ("nowhere.yaml", r"nowhere\.yaml: the file cannot be read: .*No such file"),
        ],
    )
    def test_text_that_cannot_be_read(self, text: str, said: str) -> None:
        with pytest.raises(GraphCompileError, match=said):
            load_graph(text)

    def test_sources_that_are_none(self) -> None:
        with pytest.raises(GraphCompileError, match=r"must end in \.json, \.yaml or \.yml"):
            load_graph(Path("graph.toml"))
        with pytest.raises(GraphCompileError, match=r"Pass a dict, text or the path of a file"):
            load_graph(3)  # type: ignore[arg-type]


class TestState:
    async def test_reducers(self) -> None:
        state = {
            "total": {"type": "int", "reducer": "add", "default": 10},
            "lines": {"type": "list[str]", "reducer": "append", "default": ["first"]},
            "pairs": {"type": "list[list[int]]", "reducer": "append"},
            "facts": {"type": "dict[str, int]", "reducer": "merge"},
            "best": {"type": "list[str]", "reducer": f"{__name__}:longest", "default": ["ab", "c"]},
            "chat": "messages",
            "last": {"type": "any", "reducer": "last", "default": {"a": [1]}},
        }
        nodes = [{"name": "a", "function": "one"}, {"name": "b", "function": "two"}]
        edges = [{"from": "START", "to": "a"}, {"from": "a", "to": "b"}, {"from": "b", "to": "END"}]
        one = put(total=1, lines="x", pairs=[[1, 2]], facts={"a": 1}, best=["abc"], chat="hi")
        two = put(total=2, lines=["y", "z"], facts={"b": 2, "a": 3}, chat=[("ai", "hello")])
        graph = load_graph(
            {"name": "reducers", "state": state, "nodes": nodes, "edges": edges},
            functions={"one": one, "two": two},
        )
        for _ in range(2):  # defaults are not used up
            assert (await graph.invoke({})).state == {
                "total": 13,
                "lines": ["first", "x", "y", "z"],
                "pairs": [[1, 2]],
                "facts": {"a": 3, "b": 2},
                "best": ["ab", "c"],
                "chat": [Message.human("hi"), Message.ai("hello")],
                "last": {"a": [1]},
            }

    async def test_defaults_are_not_shared_between_runs(self) -> None:
        def spoil(state: Any) -> Any:
            state["items"].append(1)
            return {"n": len(state["items"])}

        source = linear(state={"n": "int", "items": {"type": "list", "default": []}})
        graph = load_graph(source, functions={"fn": spoil})
        assert [(await graph.invoke({})).state for _ in range(2)] == [{"n": 1, "items": []}] * 2

    async def test_a_class_or_the_messages(self) -> None:
        chat = await run(linear(state="messages"), "hi", fn=put(messages="there"))
        assert [message.content for message in chat["messages"]] == ["hi", "there"]
        source = linear(state=f"{__name__}:OrderState")
        assert await run(source, {"order": {"total": 3}}, fn=keep_order) == {
            "order": Order(total=3),
            "route": "kept",
        }

    @pytest.mark.parametrize(
        ("state", "said"),
        [
            ({"a": "text"}, r"state\.a: 'text' is not a type\. Write str, int,"),
            ({"a": {"type": "list["}}, r"state\.a\.type: 'list\[' is not a type"),
            ({"a": {"type": "dict[int, str]"}}, r"state\.a\.type: .* is not a type"),
            ({"a": {"type": "None | None"}}, r"state\.a\.type: .* is not a type"),
            (
                {"a": {"type": "str", "reducer": "merge"}},
                r"state\.a\.reducer: reducer 'merge' is for dict, not for str",
            ),
            ({"a": {"type": "int", "reducer": "max"}}, r"state\.a\.reducer: 'max' is not known"),
            ({"a": {"type": "int", "reducer": "fn"}}, r"state: .*takes two arguments"),
            ({"a": {"type": "int", "default": "x"}}, r"state\.a\.default: .*valid integer"),
            (
                {"a": {"kind": "int"}},
                r"state\.a\.kind: there is no such key; the keys here are type, reducer",
            ),
            ({"a": 3}, r"state\.a: this must be a type, or an object"),
            ({"a-b": "int"}, r"state\.a-b: String should match pattern"),
            (["a"], "state: this must be 'messages', a reference"),
            ("json:loads", r"state: State schema 'loads' must be a TypedDict"),
        ],
    )
    def test_states_that_cannot_be(self, state: Any, said: str) -> None:
        with pytest.raises(GraphCompileError, match=said):
            load_graph(linear(state=state), functions={"fn": put()})


class TestNodes:
    def test_a_node_that_is_a_plugin_uses_the_default_registry(self) -> None:
        default_registry.register(NodePlugin("test.load", lambda config: put(n=1)))
        try:
            assert load_graph(linear(nodes=[{"name": "a", "plugin": "test.load"}])).nodes["a"]
        finally:
            default_registry.unregister("test.load")

    @pytest.mark.parametrize("reference", [f"{__name__}:compiled", f"{__name__}:Namespace.compiled", "given"])
    async def test_a_node_that_is_a_compiled_graph(self, reference: str) -> None:
        source = linear(state=f"{__name__}:OrderState", nodes=[{"name": "a", "graph": reference}])
        assert await run(source, {"order": {"total": 1}}, given=compiled) == {
            "order": Order(total=1),
            "route": "kept",
        }

    async def test_a_graph_written_in_place_with_mappings(self) -> None:
        child = linear(state={"text": "str"})
        del child["name"]
        node = {"name": "a", "graph": child, "input": "into", "output": "out"}
        graph = load_graph(
            linear(nodes=[node]),
            functions={
                "fn": lambda state: {"text": state["text"] * 2},
                "into": lambda state: {"text": str(state["n"])},
                "out": lambda state: {"n": int(state["text"])},
            },
        )
        assert (await graph.invoke({"n": 4})).state == {"n": 44}
        assert graph.nodes["a"].graph.name == "linear.a"  # type: ignore[union-attr]

    def test_options_of_subgraphs(self) -> None:
        options = {"run_as": "child_workflow", "task_queue": "slow"}
        node = {"name": "a", "graph": "given", "options": options}
        graph = load_graph(linear(state=f"{__name__}:OrderState", nodes=[node]), functions={"given": compiled})
        assert graph.nodes["a"].run_as == "child_workflow"  # type: ignore[union-attr]
        assert graph.nodes["a"].options.task_queue == "slow"

    def test_all_options_of_functions(self) -> None:
        options = {
            "run_as": "activity",
            "total_timeout": 90,
            "schedule_to_start": "1m",
            "heartbeat": "10s",
            "task_queue": "gpu",
            "priority": 2,
            "reads": ["n"],
            "summary": "Counts.",
            "retry": {"backoff_coefficient": 3, "retry_on": [f"{__name__}:GraphCompileError"]},
        }
        node = load_graph(
            linear(nodes=[{"name": "a", "function": "fn", "options": options}]), functions={"fn": put()}
        ).nodes["a"]
        assert node.side == "activity"  # type: ignore[union-attr]
        assert node.options.total_timeout == timedelta(seconds=90)
        assert (node.options.priority, node.options.reads) == (2, ("n",))
        assert node.options.retry.retry_on == (GraphCompileError,)

    @pytest.mark.parametrize(
        ("node", "said"),
        [
            ({"function": "fn"}, r"nodes\[0\]\.name: this key is required"),
            ({"name": "a"}, r"nodes\[0\]: this must be a node: a name, and one of function, plugin, graph"),
            ({"name": "a", "function": "fn", "plugin": "x"}, r"nodes\[0\]: this must be a node"),
            ("a", r"nodes\[0\]: this must be a node"),
            ({"name": "START", "function": "fn"}, r"nodes\[0\]\.name: START is reserved"),
            ({"name": "a b", "function": "fn"}, r"nodes\[0\]: 'a b' is no node name"),
            ({"name": "n", "function": "fn"}, r"nodes\[0\]: .* is also a field of state"),
            (
                {"name": "a", "function": "nothing"},
                r"nodes\[0\]\.function: 'nothing' is not known\. Write module:attr",
            ),
            (
                {"name": "a", "function": "no_such:fn"},
                r"nodes\[0\]\.function: .* cannot be imported: ModuleNotFound",
            ),
            (
                {"name": "a", "function": "json:no"},
                r"nodes\[0\]\.function: .* cannot be imported: AttributeError",
            ),
            (
                {"name": "a", "function": "json:__name__"},
                r"nodes\[0\]\.function: .* is a str, not a function",
            ),
            (
                {"name": "a", "function": f"{__name__}:compiled"},
                r"function: .* is a CompiledGraph, not a function",
            ),
            ({"name": "a", "graph": "fn"}, r"nodes\[0\]\.graph: 'fn' is a function, not a compiled graph"),
            ({"name": "a", "graph": "lost.json"}, r"nodes\[0\]\.graph: lost\.json: the file cannot be read"),
            (
                {"name": "a", "graph": 3},
                r"nodes\[0\]\.graph: this must be a file name, a reference or a graph",
            ),
            ({"name": "a", "graph": {"state": {}}}, r"nodes\[0\]\.graph\.nodes: this key is required"),
            (
                {"name": "a", "plugin": "lost"},
                r"nodes\[0\]\.plugin: There is no node plugin 'lost' \(there is note\)",
            ),
            (
                {"name": "a", "plugin": "note", "config": {"line": 3}},
                r"nodes\[0\]\.config\.line: Node plugin 'note' .*valid string",
            ),
        ],
    )
    def test_nodes_that_cannot_be(self, node: Any, said: str, registry: NodePluginRegistry) -> None:
        with pytest.raises(GraphCompileError, match=said):
            load_graph(linear(nodes=[node]), functions={"fn": put()}, registry=registry)

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"timeout": "2 parsecs"}, r"timeout: '2 parsecs' is not a duration\. Write text such as"),
            ({"total_timeout": None}, r"total_timeout: None is not a duration"),
            ({"timeuot": "2m"}, r"timeuot: there is no such key; the keys here are run_as, retry, timeout"),
            ({"run_as": "thread"}, r"run_as: Input should be 'activity', 'local', 'workflow' or 'remote'"),
            ({"priority": 9}, r"priority: Input should be less than or equal to 5"),
            ({"fuse": "no"}, r"fuse: Input should be a valid boolean"),
            ({"retry": {"maximum_attempts": -1}}, r"retry\.maximum_attempts: .*greater than or equal to 0"),
            ({"retry": {"initial_interval": 0}}, r"retry\.initial_interval: .*not longer than zero"),
            (
                {"retry": {"retry_on": ["OSError", "print"]}},
                r"retry\.retry_on\[1\]: 'print' is not an exception",
            ),
            ({"retry": {"retry_on": ["Lost"]}}, r"retry\.retry_on\[0\]: 'Lost' is not known"),
        ],
    )
    def test_options_that_cannot_be(self, options: Any, said: str) -> None:
        node = {"name": "a", "function": "fn", "options": options}
        with pytest.raises(GraphCompileError, match=r"graph: nodes\[0\]\.options\." + said):
            load_graph(linear(nodes=[node]), functions={"fn": put()})


def branching(*conditions: dict[str, Any], state: Any = None) -> dict[str, Any]:
    """START -> a -> yes or no, by conditions."""
    return {
        "name": "branching",
        "state": state or {"n": "int | None", "data": "any", "way": {"type": "str", "default": "?"}},
        "nodes": [{"name": name, "function": name} for name in ("a", "yes", "no")],
        "edges": [
            {"from": "START", "to": "a"},
            {"from": "a", "when": [{"to": "yes", **condition} for condition in conditions], "else": "no"},
            {"from": ["yes"], "to": "END"},
            {"from": "no", "to": "__end__"},
        ],
    }


WAYS = {"a": put(), "yes": put(way="yes"), "no": put(way="no")}


class TestConditions:
    @pytest.mark.parametrize(
        ("field", "op", "value", "state", "holds"),
        [
            ("n", "==", 3, {"n": 3}, True),
            ("n", "==", 3, {"n": 4}, False),
            ("n", "==", None, {}, True),
            ("n", "!=", 3, {"n": 4}, True),
            ("n", "!=", 3, {}, True),
            ("n", "<", 3, {"n": 2}, True),
            ("n", "<", 3, {"n": 3}, False),
            ("n", "<", 3, {}, False),
            ("n", "<=", 3, {"n": 3}, True),
            ("n", ">", 3, {"n": 3}, False),
            ("n", ">=", 3, {"n": 3}, True),
            ("n", ">=", 3, {"n": None}, False),
            ("n", "in", [1, 3], {"n": 3}, True),
            ("n", "in", [1, 3], {"n": 2}, False),
            ("n", "in", [None], {}, True),
            ("data", "contains", "b", {"data": ["a", "b"]}, True),
            ("data", "contains", "b", {"data": "abc"}, True),
            ("data", "contains", "b", {"data": {"a": 1}}, False),
            ("data", "contains", "b", {}, False),
            ("n", "exists", True, {"n": 0}, True),
            ("n", "exists", True, {"n": None}, False),
            ("n", "exists", False, {}, True),
            ("n", "truthy", True, {"n": 0}, False),
            ("n", "truthy", False, {"n": 0}, True),
            ("data", "truthy", True, {"data": [0]}, True),
            ("data.a.b", "==", 1, {"data": {"a": {"b": 1}}}, True),
            ("data.0", "==", "x", {"data": ["x", "y"]}, True),
            ("data.-1", "==", "y", {"data": ["x", "y"]}, True),
            ("data.2", "exists", True, {"data": ["x", "y"]}, False),
            ("data.x", "exists", True, {"data": ["x", "y"]}, False),
            ("data.a.b", "exists", True, {"data": {"a": "b"}}, False),
        ],
    )
    async def test_operators(self, field: str, op: str, value: Any, state: Any, holds: bool) -> None:
        source = branching({"field": field, "op": op, "value": value})
        assert (await run(source, state, **WAYS))["way"] == ("yes" if holds else "no")

    async def test_the_first_that_holds_decides_and_value_may_be_left_out(self) -> None:
        source = branching(
            {"field": "data", "op": "exists", "to": "no"},
            {"field": "n", "op": "truthy", "to": "yes"},
        )
        assert (await run(source, {"data": 1, "n": 1}, **WAYS))["way"] == "no"
        assert (await run(source, {"n": 1}, **WAYS))["way"] == "yes"

    async def test_they_look_into_messages_and_models(self) -> None:
        last = {"field": "messages.-1.message_type", "op": "==", "value": "ai"}
        source = branching(last, state={"messages": "messages", "way": "str"})
        assert (await run(source, {"messages": [("ai", "hi")]}, **WAYS))["way"] == "yes"
        assert (await run(source, "hi", **WAYS))["way"] == "no"
        dear = {"field": "order.total", "op": ">", "value": 100}
        source = branching(dear, state=f"{__name__}:OrderState")
        functions = {"a": put(), "yes": put(route="yes"), "no": put(route="no")}
        assert (await run(source, {"order": {"total": 200}}, **functions))["route"] == "yes"
        assert (await run(source, {"order": {"total": 50}}, **functions))["route"] == "no"

    async def test_values_that_cannot_be_compared(self) -> None:
        source = branching({"field": "data", "op": "<", "value": 3})
        with pytest.raises(ConditionError) as info:
            await run(source, {"data": "x"}, **WAYS)
        assert str(info.value) == (
            "branching.a: the condition 'data < 3' cannot be decided, because data is a str. "
            "Compare values of the same type."
        )

    @pytest.mark.parametrize(
        ("condition", "said"),
        [
            ({"field": "n"}, r"when\[0\]\.op: this key is required"),
            ({"field": "n", "op": "=", "value": 1}, r"when\[0\]\.op: Input should be '=='"),
            ({"field": "n", "op": "<"}, r"when\[0\]: '<' needs a value to compare with"),
            ({"field": "n", "op": "in", "value": 3}, r"when\[0\]: the value for 'in' must be a list"),
            ({"field": "n", "op": "exists", "value": 3}, r"when\[0\]: the value for 'exists' is true"),
            (
                {"field": "m.x", "op": "exists"},
                r"when\[0\]\.field: the state has no field 'm'\. Write one of n, data",
            ),
            (
                {"field": "n", "op": "exists", "to": "maybe"},
                r"when\[0\]\.to: 'maybe' is no node that can stand here",
            ),
        ],
    )
    def test_conditions_that_cannot_be(self, condition: Any, said: str) -> None:
        with pytest.raises(GraphCompileError, match=r"graph: edges\[1\]\." + said):
            load_graph(branching(condition), functions=WAYS)

    def test_a_condition_that_is_there_twice(self) -> None:
        condition = {"field": "n", "op": "exists"}
        with pytest.raises(GraphCompileError, match=r"edges\[1\]\.when\[1\]: the condition 'n exists' is there twice"):
            load_graph(branching(condition, condition), functions=WAYS)

    def test_at_least_one(self) -> None:
        with pytest.raises(GraphCompileError, match=r"edges\[1\]\.when: List should have at least 1 item"):
            load_graph(branching(), functions=WAYS)


class TestEdges:
    @pytest.mark.parametrize(
        ("mapping", "router"),
        [
            ({True: "yes", False: "no"}, f"{__name__}:by_size"),
            ({"big": "yes", "small": "no"}, "word"),
            (["yes", "no"], "name"),
            (None, "name"),
            (["yes"], "send"),
        ],
    )
    async def test_routers(self, mapping: Any, router: str) -> None:
        source = branching({"field": "n", "op": "exists"})
        source["edges"][1] = {"from": "a", "router": router, "mapping": mapping}
        if mapping is None:
            del source["edges"][1]["mapping"]
        if "no" not in (mapping.values() if isinstance(mapping, dict) else mapping or ["no"]):
            source["nodes"].pop()
            source["edges"].pop()
        routers = {
            "word": lambda state: "big" if state["n"] > 1 else "small",
            "name": lambda state: "yes" if state["n"] > 1 else "no",
            "send": lambda state: [Send("yes", {})],
        }
        assert (await run(source, {"n": 5}, **WAYS, **routers))["way"] == "yes"

    async def test_a_join_waits_for_all(self) -> None:
        nodes = [{"name": name, "function": name} for name in ("a", "b", "c")]
        edges = [{"from": "START", "to": "a"}, {"from": "START", "to": "b"}, {"from": ["a", "b"], "to": "c"}]
        state = {"log": {"type": "list[str]", "reducer": "append"}}
        source = linear(state=state, nodes=nodes, edges=[*edges, {"from": "c", "to": "END"}])
        functions = {name: put(log=name) for name in ("a", "b", "c")}
        assert await run(source, **functions) == {"log": ["a", "b", "c"]}

    @pytest.mark.parametrize(
        ("edge", "said"),
        [
            ({"from": "a"}, r"edges\[0\]: this must be an edge: from, and one of to, router, when"),
            ({"from": "a", "to": "b", "when": []}, r"edges\[0\]: this must be an edge"),
            (
                {"from": "x", "to": "a"},
                r"edges\[0\]\.from: 'x' is no node that can stand here\. Write one of START, a\.",
            ),
            ({"from": "END", "to": "a"}, r"edges\[0\]\.from: 'END' is no node that can stand here"),
            ({"from": ["a", "x"], "to": "a"}, r"edges\[0\]\.from\[1\]: 'x' is no node"),
            (
                {"from": ["a", "START"], "to": "a"},
                r"edges\[0\]\.from\[1\]: 'START' is no node .* Write one of a\.",
            ),
            (
                {"from": 3, "to": "a"},
                r"edges\[0\]\.from: this must be the name of a node, or a list of names",
            ),
            ({"from": [], "to": "a"}, r"edges\[0\]: .*a join needs different nodes"),
            ({"from": "a", "to": "START"}, r"edges\[0\]\.to: 'START' is no node .* Write one of END, a\."),
            ({"from": "a", "router": "lost"}, r"edges\[0\]\.router: 'lost' is not known"),
            ({"from": "a", "router": "fn", "mapping": {"k": "x"}}, r"edges\[0\]\.mapping\.k: 'x' is no node"),
            ({"from": "a", "router": "fn", "mapping": ["x"]}, r"edges\[0\]\.mapping\[0\]: 'x' is no node"),
            ({"from": "a", "router": "fn", "mapping": "x"}, r"edges\[0\]\.mapping: this must be an object"),
        ],
    )
    def test_edges_that_cannot_be(self, edge: Any, said: str) -> None:
        with pytest.raises(GraphCompileError, match=said):
            load_graph(linear(edges=[edge]), functions={"fn": put()})


class TestGraph:
    async def test_breakpoints_and_limits(self) -> None:
        graph = load_graph(linear(interrupt_before=["a"], recursion_limit=7), functions={"fn": put(n=1)})
        assert graph.recursion_limit == 7
        assert (await graph.invoke({"n": 0})).status == "interrupted"

    def test_what_a_run_may_use_and_whether_threads_go_on(self) -> None:
        limits = {"max_tokens": 1000, "max_time": "2h"}
        graph = load_graph(linear(limits=limits, continues=True), functions={"fn": put(n=1)})
        assert (graph.limits.max_tokens, graph.limits.max_time, graph.continues) == (1000, 7200, True)

    def test_the_same_graph_in_code_has_the_same_digest(self) -> None:
        State = TypedDict("State", {"n": int}, total=False)  # noqa: UP013
        code = StateGraph(State).add_node("a", put()).add_edge(START, "a").add_edge("a", END)
        assert load_graph(linear(), functions={"fn": put()}).digest == code.compile(name="linear").digest

    def test_a_source_is_not_changed(self) -> None:
        source = branching({"field": "n", "op": "exists"})
        before = copy.deepcopy(source)
        load_graph(source, functions=WAYS)
        assert source == before

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"name": None}, r"graph: name: the graph needs a name"),
            ({"name": "a b"}, r"graph: 'a b' is no graph name"),
            (
                {"edgse": []},
                r"graph: edgse: there is no such key; the keys here are name, state, nodes, edges",
            ),
            (
                {"interrupt_before": ["x"]},
                r"graph: interrupt_before\[0\]: 'x' is no node .* Write one of a\.",
            ),
            ({"limits": {"max_tokens": 0}}, r"graph: limits\.max_tokens: .*greater than 0"),
            ({"limits": {"max_tokes": 5}}, r"graph: limits\.max_tokes: "),
            ({"recursion_limit": 0}, r"graph: recursion_limit: .*greater than or equal to 1"),
            ({"edges": []}, r"graph: Graph linear has no edge from START"),
        ],
    )
    def test_graphs_that_cannot_be(self, changes: Any, said: str) -> None:
        with pytest.raises(GraphCompileError, match=said):
            load_graph(linear(**changes), functions={"fn": put()})

    def test_several_mistakes_are_told_at_once_and_for_programs(self) -> None:
        source = linear(nodes=[{"name": "a", "function": "fn", "options": {"fuse": 1, "priority": 0}}])
        with pytest.raises(GraphCompileError) as info:
            load_graph({**source, "recursion_limit": "many"})
        assert [line.partition(": Input")[0] for line in str(info.value).splitlines()] == [
            "graph: nodes[0].options.priority",
            "graph: nodes[0].options.fuse",
            "graph: recursion_limit",
        ]
        assert info.value.details == {"document": "graph", "path": ["nodes", 0, "options", "priority"]}


def test_the_schema_tells_editors_the_format() -> None:
    schema = json.loads(json.dumps(graph_file_schema()))
    assert schema["$ref"] == "#/$defs/GraphFile"
    assert schema["$defs"]["GraphFile"]["required"] == ["state", "nodes", "edges"]
    assert schema["$defs"]["GraphFile"]["additionalProperties"] is False
    assert set(schema["$defs"]["WhenEdge"]["properties"]) == {"from", "when", "else"}
    assert schema["$defs"]["Options"]["properties"]["timeout"]["default"] == "10m"
