"""`GraphBuilder`: what a graph file says, said to `StateGraph`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..compiled import CompiledGraph
from ..control import END, START
from ..errors import GraphCompileError
from ..options import RetryPolicy
from .conditions import ELSE, router_by
from .graph_file import (
    FixedEdge,
    FunctionNode,
    GraphFile,
    GraphNode,
    Options,
    PluginNode,
    RouterEdge,
    WhenEdge,
)
from .place import Place
from .reading import is_file_name
from .state import state_graph

if TYPE_CHECKING:
    from .loader import Loader

_PSEUDO = {"START": START, "END": END}


class GraphBuilder:
    """Builds one graph.

    Args:
        loader: Finds what the file names.
        file: What it says.
        place: Where it says so.
        folder: Where files that it names are.
        name: Name of the graph.
    """

    def __init__(self, loader: Loader, file: GraphFile, place: Place, folder: Path, name: str) -> None:
        self._loader = loader
        self._references = loader.references
        self._file = file
        self._place = place
        self._folder = folder
        self._name = name
        self._nodes = [node.name for node in file.nodes]
        self._graph = state_graph(file.state, loader.references, place.at("state"))

    def build(self) -> CompiledGraph:
        """Declare its nodes and edges, and compile it."""
        for number, node in enumerate(self._file.nodes):
            self._add_node(node, self._place.at("nodes", number))
        for number, edge in enumerate(self._file.edges):
            self._add_edge(edge, self._place.at("edges", number))
        for option in ("interrupt_before", "interrupt_after"):
            for number, name in enumerate(getattr(self._file, option)):
                self._node(name, self._place.at(option, number))
        with self._place.locating():
            return self._graph.compile(
                name=self._name,
                interrupt_before=self._file.interrupt_before,
                interrupt_after=self._file.interrupt_after,
                recursion_limit=self._file.recursion_limit,
                limits=self._file.limits,
                continues=self._file.continues,
            )

    # --- nodes ---

    def _add_node(self, node: FunctionNode | PluginNode | GraphNode, place: Place) -> None:
        if node.name in _PSEUDO:
            raise place.at("name").error(f"{node.name} is reserved. Rename the node.")
        if isinstance(node, GraphNode):
            self._add_graph(node, place)
            return
        fn = None
        if isinstance(node, PluginNode):
            fn = self._plugin(node, place)
        elif node.function is not None:
            fn = self._references.function(node.function, place.at("function"))
        options = self._options(node.options, place.at("options"))
        with place.locating():
            self._graph.add_node(node.name, fn, **options)

    def _plugin(self, node: PluginNode, place: Place) -> Any:
        try:
            return self._loader.registry.create_node(node.plugin, node.config)
        except GraphCompileError as error:
            field = error.details.get("field")
            where = place.at("config", *field.split(".")) if field else place.at("plugin")
            raise where.error(str(error)) from error

    def _add_graph(self, node: GraphNode, place: Place) -> None:
        child = self._child(node, place.at("graph"))
        input = self._mapper(node.input, place.at("input"))
        output = self._mapper(node.output, place.at("output"))
        with place.locating():
            self._graph.add_subgraph(node.name, child, input=input, output=output, **node.options.given())

    def _mapper(self, reference: str | None, place: Place) -> Callable[..., Any] | None:
        return None if reference is None else self._references.function(reference, place)

    def _child(self, node: GraphNode, place: Place) -> CompiledGraph:
        if isinstance(node.graph, GraphFile):
            name = node.graph.name or f"{self._name}.{node.name}"
            return GraphBuilder(self._loader, node.graph, place, self._folder, name).build()
        if is_file_name(node.graph):
            with place.locating():
                return self._loader.file(self._folder / node.graph)
        found = self._references.find(node.graph, place)
        if not isinstance(found, CompiledGraph):
            raise place.error(f"{node.graph!r} is a {type(found).__name__}, not a compiled graph.")
        return found

    def _options(self, options: Options, place: Place) -> dict[str, Any]:
        given = options.given()
        if "retry" in given:
            retry = options.retry.given()
            if names := options.retry.retry_on:
                where = place.at("retry", "retry_on")
                retry["retry_on"] = tuple(
                    self._references.exception(name, where.at(number)) for number, name in enumerate(names)
                )
            given["retry"] = RetryPolicy(**retry)
        return given

    # --- edges ---

    def _add_edge(self, edge: FixedEdge | RouterEdge | WhenEdge, place: Place) -> None:
        match edge:
            case FixedEdge():
                source = self._start(edge.source, place)
                target = self._target(edge.to, place.at("to"))
                with place.locating():
                    self._graph.add_edge(source, target)
            case RouterEdge():
                router = self._references.function(edge.router, place.at("router"))
                self._choose(edge.source, router, self._mapping(edge, place.at("mapping")), place)
            case WhenEdge():
                router = router_by(edge.when, f"{self._name}.{edge.source}")
                self._choose(edge.source, router, self._rules(edge, place), place)

    def _start(self, source: str | list[str], place: Place) -> str | list[str]:
        if isinstance(source, str):
            return self._source(source, place)
        return [self._node(name, place.at("from", number)) for number, name in enumerate(source)]

    def _choose(self, source: str, router: Callable[[Any], Any], mapping: Any, place: Place) -> None:
        source = self._source(source, place)
        with place.locating():
            self._graph.add_conditional_edges(source, router, mapping)

    def _mapping(self, edge: RouterEdge, place: Place) -> Mapping[Hashable, str] | list[str] | None:
        if isinstance(edge.mapping, dict):
            return {key: self._target(name, place.at(str(key))) for key, name in edge.mapping.items()}
        if isinstance(edge.mapping, list):
            return [self._target(name, place.at(number)) for number, name in enumerate(edge.mapping)]
        return None

    def _rules(self, edge: WhenEdge, place: Place) -> dict[Hashable, str]:
        """Conditions, as people read them -> node."""
        rules: dict[Hashable, str] = {}
        for number, condition in enumerate(edge.when):
            where = place.at("when", number)
            self._check_field(condition.field.partition(".")[0], where.at("field"))
            if (text := str(condition)) in rules:
                raise where.error(f"the condition {text!r} is there twice; the second can never decide.")
            rules[text] = self._target(condition.to, where.at("to"))
        return {**rules, ELSE: self._target(edge.otherwise, place.at("else"))}

    # --- names ---

    def _check_field(self, name: str, place: Place) -> None:
        fields = self._graph.schema.fields
        if name not in fields:
            raise place.error(f"the state has no field {name!r}. Write one of {', '.join(fields)}.")

    def _source(self, name: str, place: Place) -> str:
        return self._node(name, place.at("from"), START)

    def _target(self, name: str, place: Place) -> str:
        return self._node(name, place, END)

    def _node(self, name: str, place: Place, *also: str) -> str:
        node, known = _PSEUDO.get(name, name), [*also, *self._nodes]
        if node not in known:
            words = {pseudo: word for word, pseudo in _PSEUDO.items()}
            readable = ", ".join(words.get(name, name) for name in known)
            raise place.error(f"{name!r} is no node that can stand here. Write one of {readable}.")
        return node
