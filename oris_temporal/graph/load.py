"""Graphs declared as data: a dict, JSON or YAML text, or a file.

A graph file says what `StateGraph` says in code, and means the same::

    name: review
    state:
      topic: str
      draft: {type: str, default: ""}
      rounds: {type: int, reducer: add}
    nodes:
      - {name: write, function: "my_app.nodes:write", options: {timeout: 2m}}
      - {name: cool_down, plugin: delay, config: {seconds: 1}}
      - {name: publish, graph: publish.yaml}
    edges:
      - {from: START, to: write}
      - {from: write, to: cool_down}
      - from: cool_down
        when: [{field: rounds, op: ">=", value: 3, to: publish}]
        else: write
      - {from: publish, to: END}
    interrupt_before: [publish]

Code is named by reference: ``module:attribute``, or a name given in ``load_graph(..., functions={...})``. A
graph file runs the code that it names, so load only files you trust.
"""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import json
import operator
import os
import re
import types
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from .builder import StateGraph
from .compiled import CompiledGraph
from .control import END, START
from .duration import to_timedelta
from .errors import ConditionError, ConfigurationError, GraphCompileError, InvalidUpdateError
from .messages import Message, MessagesState, append_messages
from .options import NodeOptions, RetryPolicy, RunAs
from .plugins import NodePluginRegistry, default_registry
from .state import Reducer, isolate
from .wire import to_wire

# --- types of state fields --------------------------------------------------------------------------------

_TYPES: dict[str, Any] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "list": list[Any],
    "dict": dict[str, Any],
    "messages": list[Message],
    "any": Any,
}


def _read_type(text: str) -> Any:
    try:
        return _type_of(ast.parse(text, mode="eval").body)
    except (LookupError, SyntaxError, TypeError):
        raise ValueError(
            f"{text!r} is not a type. Write {', '.join(_TYPES)}, list[...], dict[str, ...] or ... | None"
        ) from None


def _type_of(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=None):
            return None
        case ast.Name(id=name):
            return _TYPES[name]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _type_of(left) | _type_of(right)
        case ast.Subscript(value=ast.Name(id="list"), slice=item):
            return types.GenericAlias(list, (_type_of(item),))
        case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[ast.Name(id="str"), item])):
            return types.GenericAlias(dict, (str, _type_of(item)))
    raise LookupError


def _append(hint: Any) -> Reducer:
    def append(current: list[Any], update: list[Any]) -> list[Any]:
        return [*current, *update]

    as_list = BeforeValidator(lambda update: update if isinstance(update, list) else [update])
    append.__annotations__["update"] = Annotated[hint, as_list]
    return append


def _merge(hint: Any) -> Reducer:
    def merge(current: dict[str, Any], update: dict[str, Any]) -> dict[str, Any]:
        return {**current, **update}

    merge.__annotations__["update"] = hint
    return merge


# Types that it is for, and what makes it for a type.
_REDUCERS: dict[str, tuple[tuple[Any, ...], Callable[[Any], Reducer | None]]] = {
    "last": ((), lambda hint: None),
    "add": ((int, float, str, list), lambda hint: operator.add),
    "append": ((list,), _append),
    "merge": ((dict,), _merge),
    "messages": ((list[Message],), lambda hint: append_messages),
}


# --- the format -------------------------------------------------------------------------------------------


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _know_all_keys(cls, value: Any) -> Any:
        known = [info.alias or name for name, info in cls.model_fields.items()]
        for key in value if isinstance(value, Mapping) else ():
            if key not in known:
                text = "there is no such key; the keys here are {known}"
                raise PydanticCustomError("unknown_key", text, {"key": key, "known": ", ".join(known)})
        return value


def _check_duration(value: Any) -> Any:
    to_timedelta(value)
    return value


def _check_type(text: str) -> str:
    _read_type(text)
    return text


def _form(value: Any) -> str | None:
    """Tag of a value that may be written in several forms."""
    match value:
        case str():
            return "<text>"
        case list():
            return "<list>"
        case dict():
            return "<object>"
    return None


def _by_key(*keys: str) -> Callable[[Any], str | None]:
    def kind(value: Any) -> str | None:
        given = [key for key in keys if isinstance(value, Mapping) and key in value]
        return f"<{given[0]}>" if len(given) == 1 else None

    return kind


def _one_of(kind: Callable[[Any], str | None], needed: str) -> Discriminator:
    return Discriminator(kind, custom_error_type="form", custom_error_message=f"this must be {needed}")


Duration: TypeAlias = Annotated[
    Any,
    AfterValidator(_check_duration),
    WithJsonSchema({"type": ["string", "number"], "examples": ["2m", 30]}),
]
FieldName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
NodeName: TypeAlias = Annotated[str, Field(description="Name of a node, START or END.")]
Reference: TypeAlias = Annotated[
    str, Field(description="module:attribute, or a name given in load_graph(functions=...).")
]

_OPTIONS = NodeOptions()
_RETRY = RetryPolicy()


class StateField(_Part):
    """A field of the state. Without a default it has no value at first, or with a reducer an empty one."""

    type: Annotated[str, AfterValidator(_check_type)] = Field(
        description=f"{', '.join(_TYPES)}, list[...], dict[str, ...] or ... | None."
    )
    reducer: str | None = Field(
        None,
        description=f"How updates are merged: {', '.join(_REDUCERS)} or a reference. Default: last (the last "
        "value wins); for messages: messages.",
    )
    default: JsonValue = None


class Retry(_Part):
    """Retry policy of a node."""

    maximum_attempts: int = Field(_RETRY.maximum_attempts, ge=0, description="0 is no limit.")
    initial_interval: Duration = _RETRY.initial_interval
    backoff_coefficient: float = Field(_RETRY.backoff_coefficient, ge=1)
    maximum_interval: Duration = _RETRY.maximum_interval
    retry_on: list[str] = Field([], description="Names of built-in exceptions, or references.")


class Options(_Part):
    """Options of a node, as in ``StateGraph.add_node``."""

    run_as: RunAs | None = None
    retry: Retry = Retry()
    timeout: Duration = _OPTIONS.timeout
    total_timeout: Duration = _OPTIONS.total_timeout
    schedule_to_start: Duration = _OPTIONS.schedule_to_start
    heartbeat: Duration = _OPTIONS.heartbeat
    task_queue: str | None = None
    priority: int | None = Field(None, ge=1, le=5)
    fuse: bool = False
    reads: list[str] | None = None
    summary: str | None = None


class SubgraphOptions(_Part):
    """Options of a node that is a graph, as in ``StateGraph.add_subgraph``."""

    run_as: Literal["inline", "child_workflow"] = "inline"
    task_queue: str | None = None


class FunctionNode(_Part):
    """A node that is a function."""

    name: str
    function: Reference
    options: Options = Options()


class PluginNode(_Part):
    """A node made by a node plugin."""

    name: str
    plugin: str = Field(description="Plugin type.")
    config: dict[str, JsonValue] = {}
    options: Options = Options()


class GraphNode(_Part):
    """A node that is a graph: a file, a reference to a compiled graph, or a graph written in place."""

    name: str
    graph: Annotated[
        Annotated[str, Tag("<text>")] | Annotated[GraphFile, Tag("<object>")],
        _one_of(_form, "a file name, a reference or a graph"),
    ]
    input: Reference | None = None
    output: Reference | None = None
    options: SubgraphOptions = SubgraphOptions()


class FixedEdge(_Part):
    """An edge. From a list it is a join: it waits for all of them."""

    source: Annotated[
        Annotated[NodeName, Tag("<text>")] | Annotated[list[NodeName], Tag("<list>")],
        _one_of(_form, "the name of a node, or a list of names"),
    ] = Field(alias="from")
    to: NodeName


class RouterEdge(_Part):
    """An edge whose target a function chooses."""

    source: NodeName = Field(alias="from")
    router: Reference
    mapping: (
        Annotated[
            Annotated[dict[bool | int | str, NodeName], Tag("<object>")] | Annotated[list[NodeName], Tag("<list>")],
            _one_of(_form, "an object (what the router returns: node) or a list of the nodes it may return"),
        ]
        | None
    ) = None


class Condition(_Part):
    """A comparison, and where to go if it holds.

    What is absent counts as null. Null is equal to null only, contains nothing, and is neither less nor
    greater than anything. ``exists`` means not null; ``truthy`` means neither null, false, 0 nor empty.
    """

    field: str = Field(description="State field; dots lead into it: order.items.0.price, messages.-1.content.")
    op: Literal["==", "!=", "<", "<=", ">", ">=", "in", "contains", "exists", "truthy"]
    value: JsonValue = Field(True, description="What to compare with. false negates exists and truthy.")
    to: NodeName

    @model_validator(mode="after")
    def _check_value(self) -> Condition:
        if self.op in ("exists", "truthy"):
            if not isinstance(self.value, bool):
                raise ValueError(f"the value for {self.op!r} is true (and may be left out) or false")
        elif "value" not in self.model_fields_set:
            raise ValueError(f"{self.op!r} needs a value to compare with")
        elif self.op == "in" and not isinstance(self.value, list):
            raise ValueError("the value for 'in' must be a list")
        return self


class WhenEdge(_Part):
    """An edge whose target the state decides: the first condition that holds."""

    source: NodeName = Field(alias="from")
    when: list[Condition] = Field(min_length=1)
    otherwise: NodeName = Field(alias="else")


class GraphFile(_Part):
    """A graph."""

    name: str | None = Field(None, description="Name of the graph. Only a graph inside of a node may leave it out.")
    state: Annotated[
        Annotated[str, Tag("<text>"), Field(description="messages, or a reference to a class.")]
        | Annotated[
            dict[
                FieldName,
                Annotated[
                    Annotated[str, AfterValidator(_check_type), Tag("<text>")] | Annotated[StateField, Tag("<object>")],
                    _one_of(_form, "a type, or an object with type, reducer and default"),
                ],
            ],
            Tag("<object>"),
        ],
        _one_of(_form, "'messages', a reference to a class, or an object of fields"),
    ]
    nodes: list[
        Annotated[
            Annotated[FunctionNode, Tag("<function>")]
            | Annotated[PluginNode, Tag("<plugin>")]
            | Annotated[GraphNode, Tag("<graph>")],
            _one_of(_by_key("function", "plugin", "graph"), "a node: a name, and one of function, plugin, graph"),
        ]
    ]
    edges: list[
        Annotated[
            Annotated[FixedEdge, Tag("<to>")]
            | Annotated[RouterEdge, Tag("<router>")]
            | Annotated[WhenEdge, Tag("<when>")],
            _one_of(_by_key("to", "router", "when"), "an edge: from, and one of to, router, when"),
        ]
    ]
    interrupt_before: list[NodeName] = []
    interrupt_after: list[NodeName] = []
    recursion_limit: int = Field(1000, ge=1)


def graph_file_schema() -> dict[str, Any]:
    """JSON schema of graph files, for editors and other tools."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **GraphFile.model_json_schema()}


# --- loading ----------------------------------------------------------------------------------------------


def load_graph(
    source: Mapping[str, Any] | str | os.PathLike[str],
    *,
    registry: NodePluginRegistry | None = None,
    functions: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> CompiledGraph:
    """Load a graph that is declared as data, and compile it.

    Args:
        source: The graph as a dict, as JSON or YAML text, or the path of a ``.json``, ``.yaml`` or ``.yml``
            file. Files that it names are looked for beside it, or in the working directory if it is no file.
        registry: Where to look node plugins up. Default: the registry `node_plugin` fills.
        functions: Functions, classes and graphs that references in the source may name, besides
            ``module:attribute``.
        name: Name of the graph, in place of the one in the source.

    Raises:
        GraphCompileError: Something is wrong with the source, or with the graph; the message says where in
            the source, as in ``flow.yaml: nodes[2].options.timeout``.
        DeterminismError: Code that runs inside the workflow does what a replay cannot repeat.
        ConfigurationError: The source is YAML and PyYAML is not installed.
    """
    loader = _Loader(default_registry if registry is None else registry, functions or {})
    if isinstance(source, Mapping):
        return loader.document(dict(source), _Place("graph"), Path(), name)
    place = _Place("graph")
    if not isinstance(source, str | os.PathLike):
        raise place.error(f"{type(source).__name__} objects are no graphs. Pass a dict, text or the path of a file.")
    if isinstance(source, os.PathLike) or _is_file_name(source):
        return loader.file(Path(source), name)
    parse = _parse_json if source.lstrip().startswith("{") else _parse_yaml
    return loader.document(parse(source, place), place, Path(), name)


@dataclass(frozen=True)
class _Place:
    """A place in a document, for errors."""

    document: str
    path: tuple[str | int, ...] = ()

    def at(self, *path: str | int) -> _Place:
        return _Place(self.document, (*self.path, *path))

    def error(self, message: str) -> GraphCompileError:
        return GraphCompileError(f"{self}: {message}", document=self.document, path=list(self.path))

    @contextmanager
    def locating(self) -> Iterator[None]:
        """Say in errors that this is the place."""
        try:
            yield
        except (GraphCompileError, InvalidUpdateError) as error:
            raise self.error(str(error)) from error

    def __str__(self) -> str:
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return f"{self.document}: {path.removeprefix('.')}" if path else self.document


class _Loader:
    """Finds what documents name. Loads each file once, so that nodes may share a graph."""

    def __init__(self, registry: NodePluginRegistry, named: Mapping[str, Any]) -> None:
        self.registry = registry
        self._named = named
        self._files: dict[Path, CompiledGraph | None] = {}  # None while it is being loaded

    def file(self, path: Path, name: str | None = None) -> CompiledGraph:
        place, key = _Place(path.name), path.resolve()
        if key not in self._files:
            self._files[key] = None
            self._files[key] = self.document(_read(path, place), place, path.parent, name)
        graph = self._files[key]
        if graph is None:
            raise place.error("this graph contains itself. Break the circle of files.")
        return graph

    def document(self, data: Any, place: _Place, folder: Path, name: str | None) -> CompiledGraph:
        try:
            file = GraphFile.model_validate(data)
        except ValidationError as error:
            raise _misfit(error, place) from None
        name = name or file.name
        if not name:
            raise place.at("name").error("the graph needs a name. Write one, or pass load_graph(..., name=...).")
        return _Builder(self, file, place, folder, name).build()

    def find(self, reference: str, place: _Place) -> Any:
        if reference in self._named:
            return self._named[reference]
        module, colon, attribute = reference.partition(":")
        if not (module and colon and attribute):
            raise place.error(
                f"{reference!r} is not known. Write module:attribute, or pass load_graph(..., "
                f"functions={{{reference!r}: ...}})."
            )
        try:
            return functools.reduce(getattr, attribute.split("."), importlib.import_module(module))
        except Exception as error:  # whatever the module does when it is imported
            raise place.error(
                f"{reference!r} cannot be imported: {type(error).__name__}: {error}. Mend the reference, or "
                "put the module where Python finds it (PYTHONPATH)."
            ) from error

    def function(self, reference: str, place: _Place) -> Callable[..., Any]:
        found = self.find(reference, place)
        if isinstance(found, CompiledGraph) or not callable(found):
            raise place.error(f"{reference!r} is a {type(found).__name__}, not a function.")
        return found  # type: ignore[no-any-return]

    def exception(self, name: str, place: _Place) -> type[BaseException]:
        found = getattr(builtins, name, None) or self.find(name, place)
        if not (isinstance(found, type) and issubclass(found, BaseException)):
            raise place.error(f"{name!r} is not an exception class.")
        return found


class _Builder:
    """Builds one graph."""

    def __init__(self, loader: _Loader, file: GraphFile, place: _Place, folder: Path, name: str) -> None:
        self._loader = loader
        self._file = file
        self._place = place
        self._folder = folder
        self._name = name
        self._nodes = [node.name for node in file.nodes]
        self._graph = self._with_state(file.state, place.at("state"))

    def build(self) -> CompiledGraph:
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
            )

    # --- state ---

    def _with_state(self, state: str | dict[str, str | StateField], place: _Place) -> StateGraph:
        if isinstance(state, str):
            cls = MessagesState if state == "messages" else self._loader.find(state, place)
            with place.locating():
                return StateGraph(cls)
        fields = {name: StateField(type=field) if isinstance(field, str) else field for name, field in state.items()}
        hints = {name: self._hint(field, place.at(name)) for name, field in fields.items()}
        with place.locating():
            graph = StateGraph(TypedDict("State", hints, total=False))  # type: ignore[operator]
        known = graph.schema.fields
        for name, field in fields.items():
            if "default" in field.model_fields_set:  # which a TypedDict cannot tell
                with place.at(name, "default").locating():
                    default = known[name].decode(field.default, "default")
                known[name] = replace(known[name], default=functools.partial(isolate, default))
        return graph

    def _hint(self, field: StateField, place: _Place) -> Any:
        hint = _read_type(field.type)
        name = field.reducer or ("messages" if hint == list[Message] else "last")
        place = place.at("reducer")
        if name not in _REDUCERS:
            return Annotated[hint, self._loader.function(name, place)]
        fitting, make = _REDUCERS[name]
        if fitting and hint not in fitting and get_origin(hint) not in fitting:
            words = [word for word, known in _TYPES.items() if known in fitting or get_origin(known) in fitting]
            raise place.error(f"reducer {name!r} is for {', '.join(words)}, not for {field.type}.")
        reducer = make(hint)
        return hint if reducer is None else Annotated[hint, reducer]

    # --- nodes ---

    def _add_node(self, node: FunctionNode | PluginNode | GraphNode, place: _Place) -> None:
        if node.name in _PSEUDO:
            raise place.at("name").error(f"{node.name} is reserved. Rename the node.")
        if isinstance(node, GraphNode):
            self._add_graph(node, place)
            return
        if isinstance(node, PluginNode):
            fn = self._plugin(node, place)
        else:
            fn = self._loader.function(node.function, place.at("function"))
        options = self._options(node.options, place.at("options"))
        with place.locating():
            self._graph.add_node(node.name, fn, **options)

    def _plugin(self, node: PluginNode, place: _Place) -> Any:
        try:
            return self._loader.registry.create_node(node.plugin, node.config)
        except GraphCompileError as error:
            field = error.details.get("field")
            where = place.at("config", *field.split(".")) if field else place.at("plugin")
            raise where.error(str(error)) from error

    def _add_graph(self, node: GraphNode, place: _Place) -> None:
        child = self._child(node, place.at("graph"))
        input, output = (
            None if reference is None else self._loader.function(reference, place.at(key))
            for key, reference in (("input", node.input), ("output", node.output))
        )
        with place.locating():
            self._graph.add_subgraph(node.name, child, input=input, output=output, **_given(node.options))

    def _child(self, node: GraphNode, place: _Place) -> CompiledGraph:
        if isinstance(node.graph, GraphFile):
            name = node.graph.name or f"{self._name}.{node.name}"
            return _Builder(self._loader, node.graph, place, self._folder, name).build()
        if _is_file_name(node.graph):
            with place.locating():
                return self._loader.file(self._folder / node.graph)
        found = self._loader.find(node.graph, place)
        if not isinstance(found, CompiledGraph):
            raise place.error(f"{node.graph!r} is a {type(found).__name__}, not a compiled graph.")
        return found

    def _options(self, options: Options, place: _Place) -> dict[str, Any]:
        given = _given(options)
        if "retry" in given:
            retry = _given(options.retry)
            names = [
                (name, place.at("retry", "retry_on", number)) for number, name in enumerate(options.retry.retry_on)
            ]
            if names:
                retry["retry_on"] = tuple(self._loader.exception(name, where) for name, where in names)
            given["retry"] = RetryPolicy(**retry)
        return given

    # --- edges ---

    def _add_edge(self, edge: FixedEdge | RouterEdge | WhenEdge, place: _Place) -> None:
        match edge:
            case FixedEdge(source=str(source), to=target):
                ends = self._source(source, place), self._target(target, place.at("to"))
                with place.locating():
                    self._graph.add_edge(*ends)
            case FixedEdge(source=sources, to=target):
                joined = [self._node(name, place.at("from", number)) for number, name in enumerate(sources)]
                target = self._target(target, place.at("to"))
                with place.locating():
                    self._graph.add_edge(joined, target)
            case RouterEdge():
                router = self._loader.function(edge.router, place.at("router"))
                self._choose(edge.source, router, self._mapping(edge, place.at("mapping")), place)
            case WhenEdge():
                router = _router(edge.when, f"{self._name}.{edge.source}")
                self._choose(edge.source, router, self._rules(edge, place), place)

    def _choose(self, source: str, router: Callable[[Any], Any], mapping: Any, place: _Place) -> None:
        source = self._source(source, place)
        with place.locating():
            self._graph.add_conditional_edges(source, router, mapping)

    def _mapping(self, edge: RouterEdge, place: _Place) -> Mapping[Hashable, str] | list[str] | None:
        if isinstance(edge.mapping, dict):
            return {key: self._target(name, place.at(str(key))) for key, name in edge.mapping.items()}
        if isinstance(edge.mapping, list):
            return [self._target(name, place.at(number)) for number, name in enumerate(edge.mapping)]
        return None

    def _rules(self, edge: WhenEdge, place: _Place) -> dict[Hashable, str]:
        """Conditions, as people read them -> node."""
        rules: dict[Hashable, str] = {}
        for number, condition in enumerate(edge.when):
            where = place.at("when", number)
            self._check_field(condition.field.partition(".")[0], where.at("field"))
            if (text := _text(condition)) in rules:
                raise where.error(f"the condition {text!r} is there twice; the second can never decide.")
            rules[text] = self._target(condition.to, where.at("to"))
        return {**rules, _ELSE: self._target(edge.otherwise, place.at("else"))}

    # --- names ---

    def _check_field(self, name: str, place: _Place) -> None:
        fields = self._graph.schema.fields
        if name not in fields:
            raise place.error(f"the state has no field {name!r}. Write one of {', '.join(fields)}.")

    def _source(self, name: str, place: _Place) -> str:
        return self._node(name, place.at("from"), START)

    def _target(self, name: str, place: _Place) -> str:
        return self._node(name, place, END)

    def _node(self, name: str, place: _Place, *also: str) -> str:
        known = [*also, *self._nodes]
        if _PSEUDO.get(name, name) not in known:
            readable = [next((word for word, node in _PSEUDO.items() if node == name), name) for name in known]
            raise place.error(f"{name!r} is no node that can stand here. Write one of {', '.join(readable)}.")
        return _PSEUDO.get(name, name)


_PSEUDO = {"START": START, "END": END}


def _given(part: _Part) -> dict[str, Any]:
    """The keys that were written; for the others the defaults of the code hold."""
    return {name: getattr(part, name) for name in part.model_fields_set}


def _misfit(error: ValidationError, place: _Place) -> GraphCompileError:
    problems: list[tuple[_Place, str]] = []
    for problem in error.errors(include_url=False, include_input=False):
        path = [step for step in problem["loc"] if step != "[key]" and not str(step).startswith("<")]
        text, context = problem["msg"], problem.get("ctx", {})
        if problem["type"] == "unknown_key":
            path.append(context["key"])
        elif problem["type"] == "missing":
            text = "this key is required"
        elif problem["type"] == "model_type":
            text = "this must be an object"
        elif problem["type"] == "value_error":
            text = str(context["error"])
        problems.append((place.at(*path), text.removesuffix(".")))
    where, text = problems[0]
    more = "".join(f"\n{where}: {text}." for where, text in problems[1:])
    return where.error(f"{text}.{more}")


# --- conditions -------------------------------------------------------------------------------------------

_ELSE = "else"

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "contains": operator.contains,
}


def _router(conditions: Sequence[Condition], owner: str) -> Callable[[Any], str]:
    """A router that returns the text of the first condition that holds, or ``else``."""
    rules = [(condition, _text(condition)) for condition in conditions]

    def when(state: Any) -> str:
        return next((text for condition, text in rules if _holds(condition, state, owner)), _ELSE)

    return when


def _text(condition: Condition) -> str:
    if condition.op in ("exists", "truthy"):
        return f"{'' if condition.value else 'not '}{condition.field} {condition.op}"
    return f"{condition.field} {condition.op} {json.dumps(condition.value, ensure_ascii=False)}"


def _holds(condition: Condition, state: Any, owner: str) -> bool:
    """Whether a condition holds.

    Raises:
        ConditionError: The two values cannot be compared.
    """
    found, value = _look_up(state, condition.field), condition.value
    match condition.op:
        case "exists":
            return (found is not None) is value
        case "truthy":
            return bool(found) is value
        case "==":
            return bool(found == value)
        case "!=":
            return bool(found != value)
        case "in":
            return isinstance(value, list) and found in value
    if found is None:
        return False
    try:
        return bool(_COMPARE[condition.op](found, value))
    except TypeError:
        raise ConditionError(
            f"{owner}: the condition {_text(condition)!r} cannot be decided, because {condition.field} is a "
            f"{type(found).__name__}. Compare values of the same type."
        ) from None


def _look_up(state: Any, path: str) -> Any:
    """What a dotted path leads to, as JSON data; ``None`` if it leads nowhere."""
    value = state
    for step in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list | tuple):
            value = _item(value, step)
        elif isinstance(value, BaseModel) or is_dataclass(value):
            value = getattr(value, step, None)
        else:
            return None
    return to_wire(value, f"value of {path}")


def _item(items: Sequence[Any], step: str) -> Any:
    try:
        return items[int(step)]
    except (IndexError, ValueError):
        return None


# --- reading ----------------------------------------------------------------------------------------------


def _is_file_name(text: str) -> bool:
    return text.lower().endswith((".json", ".yaml", ".yml")) and "\n" not in text


def _read(path: Path, place: _Place) -> Any:
    if not _is_file_name(path.name):
        raise place.error("a graph file's name must end in .json, .yaml or .yml.")
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise place.error(f"the file cannot be read: {error}.") from error
    return _parse_json(text, place) if path.suffix.lower() == ".json" else _parse_yaml(text, place)


def _parse_json(text: str, place: _Place) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except ValueError as error:
        raise place.error(f"this is not JSON: {error}.") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"an object has a key twice (its keys are {', '.join(key for key, _ in pairs)})")
    return found


def _parse_yaml(text: str, place: _Place) -> Any:
    try:
        import yaml  # only those who write YAML need it
    except ModuleNotFoundError:
        raise ConfigurationError(
            f"{place}: YAML needs PyYAML, which is not installed. Install oris-temporal[yaml], or write the "
            "graph as JSON."
        ) from None
    try:
        return yaml.load(text, _yaml_loader())
    except yaml.YAMLError as error:
        raise place.error(
            f"this is not YAML (quote values that start with a special character: op: '>='): {error}"
        ) from None


@functools.cache
def _yaml_loader() -> Any:
    """A loader for JSON's kinds of data: ``yes`` and ``2030-01-01`` are text. No key may be there twice."""
    import yaml

    class JsonLoader(yaml.SafeLoader):
        yaml_implicit_resolvers = {}  # noqa: RUF012 - in place of those of YAML 1.1

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            if len(set(keys)) < len(keys):
                raise yaml.MarkedYAMLError(problem="a key is there twice", problem_mark=node.start_mark)
            return super().construct_mapping(node, deep)

    number = r"-?(?:0|[1-9][0-9]*)"
    for tag, pattern in {
        "null": r"null|~|",
        "bool": r"true|false",
        "int": number,
        "float": number + r"(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?",
        "merge": r"<<",
    }.items():
        JsonLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"(?:{pattern})\Z"), None)
    return JsonLoader
