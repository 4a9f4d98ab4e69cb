"""Node plugins: declaring, registering, configuring and discovering them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from oris_temporal.graph.builder import StateGraph
from oris_temporal.graph.context import Context
from oris_temporal.graph.control import END, START
from oris_temporal.graph.errors import GraphCompileError
from oris_temporal.graph.plugins import (
    NodePlugin,
    NodePluginRegistry,
    default_registry,
    node_plugin,
)


class State(TypedDict, total=False):
    text: str


class PrefixConfig(BaseModel):
    prefix: str
    times: int = Field(default=1, ge=1)


@pytest.fixture
def registry() -> NodePluginRegistry:
    registry = NodePluginRegistry()

    @node_plugin("prefix", config=PrefixConfig, registry=registry)
    def prefix(config: PrefixConfig) -> Any:
        return lambda state: {"text": config.prefix * config.times + state["text"]}

    return registry


def _graph(type: str, config: dict[str, Any] | None, registry: NodePluginRegistry | None) -> StateGraph:
    graph = StateGraph(State).add_plugin_node("made", type, config, registry=registry)
    return graph.add_edge(START, "made").add_edge("made", END)


class TestUse:
    async def test_a_typed_configuration_reaches_the_factory(self, registry: NodePluginRegistry) -> None:
        graph = _graph("prefix", {"prefix": "ab", "times": 2}, registry).compile(name="typed")
        result = await graph.invoke({"text": "!"})
        assert result.state == {"text": "abab!"}

    async def test_without_a_model_the_factory_gets_a_dict_of_its_own(self, registry: NodePluginRegistry) -> None:
        seen = []

        @node_plugin("plain", registry=registry)
        def plain(config: dict[str, Any]) -> Any:
            seen.append(config)
            return lambda state: {"text": config.get("text", "default")}

        given = {"text": "x"}
        result = await _graph("plain", given, registry).compile(name="plain").invoke({})
        assert result.state == {"text": "x"}
        assert seen == [given]
        assert seen[0] is not given
        assert (await _graph("plain", None, registry).compile(name="p").invoke({})).state == {"text": "default"}

    async def test_a_node_may_be_on_the_workflow_side(self, registry: NodePluginRegistry) -> None:
        class DelayConfig(BaseModel):
            seconds: float

        @node_plugin("delay", config=DelayConfig, registry=registry)
        def delay(config: DelayConfig) -> Any:
            async def wait(state: State, ctx: Context) -> dict[str, str]:
                await ctx.sleep(config.seconds)
                return {"text": "woke up"}

            return wait

        graph = _graph("delay", {"seconds": 0.01}, registry).compile(name="delayed")
        assert graph.nodes["made"].side == "workflow"  # type: ignore[union-attr]
        assert (await graph.invoke({})).state == {"text": "woke up"}

    async def test_a_node_may_be_a_graph(self, registry: NodePluginRegistry) -> None:
        @node_plugin("graph", registry=registry)
        def graph(config: dict[str, Any]) -> Any:
            inner = StateGraph(State).add_node("inner", lambda state: {"text": "inner"})
            return inner.add_edge(START, "inner").add_edge("inner", END).compile(name="inner")

        result = await _graph("graph", {}, registry).compile(name="outer").invoke({"text": "outer"})
        assert result.state == {"text": "inner"}

    def test_what_the_decorator_makes_can_still_be_called(self, registry: NodePluginRegistry) -> None:
        @node_plugin("x", config=PrefixConfig, registry=registry)
        def x(config: PrefixConfig) -> Any:
            return lambda state: {"text": config.prefix}

        assert isinstance(x, NodePlugin)
        assert x(PrefixConfig(prefix="y"))({}) == {"text": "y"}  # type: ignore[operator]

    def test_the_default_registry(self) -> None:
        @node_plugin("test.default")
        def plugin(config: dict[str, Any]) -> Any:
            return lambda state: None

        try:
            assert default_registry.contains("test.default")
            assert _graph("test.default", {}, None).compile(name="default").nodes["made"]
        finally:
            default_registry.unregister("test.default")
        assert not default_registry.contains("test.default")


def module_level(state: State) -> None:
    """A node that exists outside of any factory."""


class Slotted:
    __slots__ = ()

    def __call__(self, state: State) -> None:
        pass


class TestNames:
    @pytest.mark.parametrize(
        "make",
        [
            pytest.param(lambda config: lambda state: None, id="lambda"),
            pytest.param(lambda config: functools.partial(module_level), id="partial"),
            pytest.param(lambda config: type("Made", (), {"__call__": lambda self, state: None})(), id="object"),
        ],
    )
    def test_what_a_factory_makes_is_called_after_the_plugin(self, make: Any, registry: NodePluginRegistry) -> None:
        registry.register(NodePlugin("http.get", make))
        node: Any = registry.create_node("http.get", {})
        assert node.__name__ == "http.get"
        assert StateGraph(State).add_node(node)

    def test_what_has_a_name_of_its_own_keeps_it(self, registry: NodePluginRegistry) -> None:
        registry.register(NodePlugin("shared", lambda config: module_level))
        registry.register(NodePlugin("slotted", lambda config: Slotted()))
        assert registry.create_node("shared", {}).__name__ == "module_level"  # type: ignore[union-attr]
        assert callable(registry.create_node("slotted", {}))


class TestRegistry:
    def test_types_are_sorted_and_can_be_taken_out(self, registry: NodePluginRegistry) -> None:
        registry.register(NodePlugin("a", lambda config: module_level))
        assert registry.types() == ["a", "prefix"]
        registry.unregister("prefix")
        assert not registry.contains("prefix")
        assert registry.types() == ["a"]
        with pytest.raises(GraphCompileError, match="There is no node plugin 'prefix'"):
            registry.unregister("prefix")

    def test_a_type_cannot_be_registered_twice(self, registry: NodePluginRegistry) -> None:
        with pytest.raises(
            GraphCompileError, match=r"'prefix' \(test_plugins.py:\d+\): there is one.*Choose another"
        ) as info:
            node_plugin("prefix", registry=registry)(lambda config: module_level)
        assert info.value.details == {"plugin": "prefix"}

    def test_an_unknown_type_lists_the_known_ones(self, registry: NodePluginRegistry) -> None:
        with pytest.raises(GraphCompileError, match=r"no node plugin 'x' \(there is prefix\).*load_entry_points"):
            registry.create_node("x", {})


class TestMistakes:
    @pytest.mark.parametrize(
        ("config", "field", "text"),
        [
            ({}, "prefix", r"field 'prefix': Field required.*Its fields: prefix, times"),
            ({"prefix": "a", "times": "many"}, "times", "field 'times': .*valid integer"),
            ({"prefix": "a", "times": 0}, "times", "field 'times': .*greater than or equal to 1"),
            ({"prefix": "a", "tims": 2}, "tims", "there is no field 'tims'"),
        ],
    )
    def test_a_configuration_that_does_not_fit(
        self, config: dict[str, Any], field: str, text: str, registry: NodePluginRegistry
    ) -> None:
        with pytest.raises(GraphCompileError, match=text) as info:
            registry.create_node("prefix", config)
        assert "Node plugin 'prefix' (test_plugins.py:" in str(info.value)
        assert info.value.details == {"plugin": "prefix", "field": field}

    def test_values_are_not_shown_for_they_may_be_secret(self, registry: NodePluginRegistry) -> None:
        with pytest.raises(GraphCompileError) as info:
            registry.create_node("prefix", {"prefix": ["hunter2"]})
        assert "hunter2" not in str(info.value)

    def test_a_model_may_allow_unknown_fields_at_each_level(self, registry: NodePluginRegistry) -> None:
        class Open(BaseModel):
            model_config = ConfigDict(extra="allow")

        class Holder(BaseModel):
            open: Open

        seen: list[Any] = []

        def factory(config: Any) -> Any:
            seen.append(config)
            return module_level

        registry.register(NodePlugin("open", factory, Open))
        registry.register(NodePlugin("holder", factory, Holder))
        registry.create_node("open", {"more": 1})
        registry.create_node("holder", {"open": {"more": 1}})
        assert [item.model_dump() for item in seen] == [{"more": 1}, {"open": {"more": 1}}]

    def test_a_configuration_is_an_object(self, registry: NodePluginRegistry) -> None:
        with pytest.raises(GraphCompileError, match="must be an object, not list"):
            registry.create_node("prefix", [])  # type: ignore[arg-type]

    def test_a_factory_that_fails_or_makes_nothing(self, registry: NodePluginRegistry) -> None:
        registry.register(NodePlugin("raises", lambda config: config["missing"]))
        registry.register(NodePlugin("nothing", lambda config: None))  # type: ignore[arg-type, return-value]
        with pytest.raises(GraphCompileError, match=r"'raises'.* its factory raised KeyError: 'missing'"):
            registry.create_node("raises", {})
        with pytest.raises(GraphCompileError, match=r"its factory returned NoneType\. Return a function"):
            registry.create_node("nothing", {})

    def test_a_declaration_that_cannot_work(self) -> None:
        async def factory(config: Any) -> Any:
            return module_level

        with pytest.raises(GraphCompileError, match="needs a type name, not <function"):
            node_plugin(module_level)  # type: ignore[call-overload]
        with pytest.raises(GraphCompileError, match="must be a plain function"):
            NodePlugin("x", factory)  # type: ignore[arg-type]
        with pytest.raises(GraphCompileError, match="must be a Pydantic model class"):
            NodePlugin("x", lambda config: module_level, dict)  # type: ignore[arg-type]


class TestEntryPoints:
    def test_installed_packages_offer_plugins(
        self, registry: NodePluginRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _install(
            tmp_path,
            monkeypatch,
            module="offered_plugins",
            code="""
            from oris_temporal.graph.plugins import NodePluginRegistry, node_plugin

            @node_plugin("offered", registry=NodePluginRegistry())
            def offered(config):
                return lambda state: {"text": "offered"}
            """,
            attribute="offered",
        )
        assert registry.load_entry_points() == ["offered"]
        assert registry.load_entry_points() == ["offered"]  # once more does no harm
        assert registry.types() == ["offered", "prefix"]
        assert registry.create_node("offered", {})({}) == {"text": "offered"}  # type: ignore[operator]

    @pytest.mark.parametrize(
        ("module", "code", "text"),
        [
            (
                "broken_plugins",
                "import no_such_module",
                "cannot be loaded: ModuleNotFoundError.*no_such_module",
            ),
            ("bare_plugins", "def offered(config): ...", "names a function, not a node plugin. Decorate it"),
        ],
    )
    def test_an_entry_point_that_is_no_plugin(
        self,
        module: str,
        code: str,
        text: str,
        registry: NodePluginRegistry,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        _install(tmp_path, monkeypatch, module=module, code=code, attribute="offered")
        with pytest.raises(GraphCompileError, match=text) as info:
            registry.load_entry_points()
        assert f"Entry point mine = '{module}:offered'" in str(info.value)
        assert registry.types() == ["prefix"]

    def test_an_entry_point_whose_type_is_taken(
        self, registry: NodePluginRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        code = "from oris_temporal.graph.plugins import NodePlugin\noffered = NodePlugin('prefix', print)"
        _install(tmp_path, monkeypatch, module="taken_plugins", code=code, attribute="offered")
        with pytest.raises(GraphCompileError, match="there is one of this type already"):
            registry.load_entry_points()


def _install(path: Path, monkeypatch: pytest.MonkeyPatch, *, module: str, code: str, attribute: str) -> None:
    """Make a package as pip would, with one entry point."""
    info = path / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[oris_temporal.node_plugins]\nmine = {module}:{attribute}\n")
    (path / f"{module}.py").write_text("\n".join(line.removeprefix(" " * 12) for line in code.splitlines()))
    monkeypatch.syspath_prepend(str(path))
