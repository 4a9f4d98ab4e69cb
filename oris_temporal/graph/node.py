"""Nodes: what they are called with, where they run and what they return."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel
from typing_extensions import is_typeddict

from oris_temporal.store.base import Store

from .config import RunnableConfig
from .context import Context
from .control import END, MISSING, Command, Destination, Send
from .errors import GraphCompileError, GraphError, InvalidUpdateError
from .field_type import FieldType
from .options import NodeOptions, RunAs
from .records import Outcome
from .state import Field, StateSchema, Values, payload_type
from .wire import to_wire

Side = RunAs
StreamWriter = Callable[[Any], None]
"""Type of a ``writer`` parameter: call it with JSON-ready data to send a ``custom`` stream event."""

_INJECTED = {"config": RunnableConfig, "writer": StreamWriter, "ctx": Context, "store": Store}


@dataclass(frozen=True)
class Node:
    """A function node, ready to run.

    Attributes:
        name: Its name in the graph.
        full_name: ``graph.node``; for activity nodes also the Temporal activity type.
        fn: The function or callable object.
        options: Its options, checked.
        side: Where it runs: its ``run_as``, or what its signature says.
        injected: Names of the parameters, besides the state, that it takes.
        reads: State fields it sees; ``None`` is all.
    """

    name: str
    full_name: str
    fn: Callable[..., Any]
    options: NodeOptions
    side: Side
    schema: StateSchema
    injected: frozenset[str]
    reads: tuple[str, ...] | None
    own_schema: StateSchema | None
    annotation: Any

    @functools.cached_property
    def is_async(self) -> bool:
        """Whether calling it makes a coroutine."""
        return is_async_callable(self.fn)

    @functools.cached_property
    def command_targets(self) -> tuple[str, ...] | None:
        """Where its Commands may lead, as its annotation says; ``None`` is anywhere, none that it returns no `Command`."""
        returned = _hints(self.fn).get("return")
        is_union = typing.get_origin(returned) in (typing.Union, types.UnionType)
        commands = [part for part in (typing.get_args(returned) if is_union else [returned]) if "Command" in str(part)]
        named = [target for command in commands for target in typing.get_args(command)]
        if len(named) < len(commands) or any(typing.get_origin(target) is not Literal for target in named):
            return None
        return tuple(dict.fromkeys(name for target in named for name in typing.get_args(target)))

    @functools.cached_property
    def _payload_type(self) -> FieldType | None:
        return payload_type(self.annotation, f"{self.full_name}: Send payload")

    @functools.cached_property
    def _payload_fields(self) -> Mapping[str, Field] | None:
        """Fields of a payload that is a TypedDict."""
        return (self.own_schema or self.schema).fields if is_typeddict(self.annotation) else None

    def state_for(self, values: Values) -> Any:
        """The state argument, made from field values."""
        schema = self.own_schema or self.schema
        return schema.view(values, self.reads)

    def payload_for(self, payload: Any) -> Any:
        """The state argument, made from the payload of a `Send`."""
        if self._payload_type is not None:
            return self._payload_type.read(
                payload, f"{self.full_name}: the Send payload does not fit {self.annotation.__name__}: "
            )
        fields = self._payload_fields
        if fields is not None and isinstance(payload, Mapping):
            return {
                name: fields[name].decode(value, f"{self.full_name}: Send payload") if name in fields else value
                for name, value in payload.items()
            }
        return payload

    def arguments(self, state: Any, extras: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments of a call."""
        return (state,), {name: extras[name] for name in self.injected}

    @property
    def wants_store(self) -> bool:
        """Whether it takes a `Store`."""
        return "store" in self.injected

    def outcome(self, returned: Any) -> Outcome:
        """Read what the node returned.

        Raises:
            InvalidUpdateError: It is no update, or names an unknown field.
            SerializationError: It has no JSON form.
        """
        outcome = Outcome()
        results = returned if isinstance(returned, list | tuple) else [returned]
        for result in results:
            update = result
            if isinstance(result, Command):
                if result.resume is not MISSING:
                    raise InvalidUpdateError(
                        f"{self.full_name} returned Command(resume=...); only a caller from outside can answer an interrupt."
                    )
                update = result.update
                outcome.goto += [destination_wire(item, self.full_name) for item in result.destinations]
            elif isinstance(result, Send | str):
                raise InvalidUpdateError(
                    f"{self.full_name} returned {result!r}; a node returns updates. Wrap a destination in Command(goto=...)."
                )
            if wire := self.schema.update_wire(update, self.full_name):
                outcome.updates.append(wire)
        return outcome


def for_http_workers(full_name: str) -> Callable[..., Any]:
    """What stands for the function of a remote node that has none: only on Temporal is there somebody to do it."""

    async def not_here(state: Any) -> None:
        raise GraphError(
            f"Node {full_name} is for HTTP workers, which a run in this process has none of. Give add_node a function that stands in "
            "for them, or run the graph on Temporal."
        )

    return not_here


def make_node(graph: str, name: str, fn: Callable[..., Any], options: NodeOptions, schema: StateSchema) -> Node:
    """Read a function's signature and options and make a `Node`.

    Args:
        graph: Name of the graph, for errors and the activity type.
        name: Node name.
        fn: Function, async function or callable object. Its first parameter is the state; ``config``, ``writer``, a `Store` and
            a `Context` may follow, told by name or annotation.
        options: Options as given to ``add_node``.
        schema: The graph's state schema.

    Raises:
        GraphCompileError: The signature or an option cannot work.
    """
    full_name = f"{graph}.{name}"
    where = f"{full_name} ({place_of(fn)})"
    options = options.checked(where)
    annotation, injected = _read_signature(fn, where)
    wants_context = "ctx" in injected.values()
    if wants_context and options.run_as not in (None, "workflow"):
        raise GraphCompileError(
            f"{where} takes a Context, which exists only inside the workflow, but run_as={options.run_as!r}. "
            "Drop the parameter or the option."
        )
    side: Side = "workflow" if wants_context else options.run_as or "activity"
    options.check_effect(where, side)
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise GraphCompileError(f"{where} is a generator; a node returns its update. Use writer(...) to stream.")
    if "store" in injected.values() and not is_async_callable(fn):
        raise GraphCompileError(f"{where} takes a store, whose methods must be awaited. Make it async.")
    own_schema = StateSchema(annotation) if _is_other_schema(annotation, schema) else None
    reads = options.reads or (tuple(own_schema.fields) if own_schema else None)
    if unknown := [item for item in reads or () if item not in schema.fields]:
        raise GraphCompileError(
            f"{where} reads fields {unknown}, which state {schema.name} does not have (it has {', '.join(schema.fields)})."
        )
    return Node(
        name=name,
        full_name=full_name,
        fn=_rename_parameters(fn, injected),
        options=options,
        side=side,
        schema=schema,
        injected=frozenset(injected.values()),
        reads=reads,
        own_schema=own_schema,
        annotation=annotation,
    )


def destination_wire(destination: Destination, owner: str) -> str | dict[str, Any]:
    """JSON form of a destination.

    Raises:
        InvalidUpdateError: It is neither a node name nor a `Send`.
        SerializationError: The payload of a `Send` has no JSON form.
    """
    if isinstance(destination, str):
        return destination
    if isinstance(destination, Send):
        return {"node": destination.node, "payload": to_wire(destination.payload, f"Send payload of {owner}")}
    raise InvalidUpdateError(f"{owner}: goto={destination!r} is neither a node name nor a Send.")


def goes_on(destinations: Sequence[str | dict[str, Any]]) -> bool:
    """Whether any destination is a node."""
    return any(destination != END for destination in destinations)


def check_state_function(fn: Any, what: str) -> None:
    """Refuse what cannot be called with the state alone: a router, or what maps the state of a subgraph.

    Args:
        fn: The function.
        what: What it is, for the error.

    Raises:
        GraphCompileError: It cannot.
    """
    if not callable(fn):
        raise GraphCompileError(f"{what} is no function of the state.")
    where = f"({place_of(fn)})"
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise GraphCompileError(
            f"{what} is a generator {where}. Return what it is to choose, in a list if there is more."
        )
    try:
        inspect.signature(fn).bind(None)
    except TypeError:
        raise GraphCompileError(
            f"{what} takes the state, and nothing else {where}. What it needs besides belongs in the state."
        ) from None
    except ValueError:
        return  # a builtin, which does not tell


def place_of(fn: Callable[..., Any]) -> str:
    """``file:line`` of a function, or its type where there is no source."""
    target: Any = inspect.unwrap(fn)
    while isinstance(target, functools.partial):
        target = target.func
    code = getattr(target, "__code__", None) or getattr(_call_method(target), "__code__", None)
    return f"{code.co_filename.rpartition('/')[2]}:{code.co_firstlineno}" if code else type(target).__name__


def is_async_callable(fn: Callable[..., Any]) -> bool:
    """Whether a function or callable object is async."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(_call_method(fn))


def _call_method(obj: Any) -> Any:
    return inspect.getattr_static(type(obj), "__call__", None)


def _read_signature(fn: Callable[..., Any], where: str) -> tuple[Any, dict[str, str]]:
    """Annotation of the state parameter, and what each other parameter is to be given."""
    try:
        parameters = list(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError):
        raise GraphCompileError(f"{where}: {fn!r} is not callable with a state.") from None
    hints = _hints(fn)
    if not parameters or parameters[0].kind == parameters[0].KEYWORD_ONLY:
        raise GraphCompileError(f"{where} must take the state as its first parameter.")
    injected: dict[str, str] = {}
    for parameter in parameters[1:]:
        kind = _kind_of(parameter, hints.get(parameter.name))
        if kind is not None and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            injected[parameter.name] = kind
        elif parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        ):
            raise GraphCompileError(
                f"{where}: nothing is known to pass for parameter {parameter.name!r}. After the state a node may take "
                "config (RunnableConfig), writer (StreamWriter), store (Store) and ctx (Context)."
            )
    return hints.get(parameters[0].name), injected


def _hints(fn: Callable[..., Any]) -> dict[str, Any]:
    target: Any = fn
    while isinstance(target, functools.partial):
        target = target.func
    if not inspect.isroutine(target):
        target = type(target).__call__
    try:
        return typing.get_type_hints(target)
    except (NameError, TypeError):
        # Names that exist only for type checkers: fall back to what is written.
        return dict(getattr(target, "__annotations__", {}))


def _kind_of(parameter: inspect.Parameter, hint: Any) -> str | None:
    for kind in ("ctx", "config", "store"):
        cls: Any = _INJECTED[kind]
        if hint is cls or (isinstance(hint, str) and hint.rpartition(".")[2] == cls.__name__):
            return kind
    if parameter.name == "store" and parameter.default not in (parameter.empty, None):
        return None  # it has one of its own, such as functools.partial gives it
    return parameter.name if parameter.name in _INJECTED else None


def _rename_parameters(fn: Callable[..., Any], injected: Mapping[str, str]) -> Callable[..., Any]:
    """Let a function whose context is called, say, ``context`` be called with ``ctx=``."""
    renamed = {kind: parameter for parameter, kind in injected.items()}
    if all(kind == parameter for kind, parameter in renamed.items()):
        return fn

    def arguments(extras: Mapping[str, Any]) -> dict[str, Any]:
        return {renamed[kind]: value for kind, value in extras.items()}

    if is_async_callable(fn):

        @functools.wraps(fn)
        async def call_async(state: Any, **extras: Any) -> Any:
            return await fn(state, **arguments(extras))

        return call_async

    @functools.wraps(fn)
    def call(state: Any, **extras: Any) -> Any:
        return fn(state, **arguments(extras))

    return call


def _is_other_schema(annotation: Any, schema: StateSchema) -> bool:
    if annotation is schema.cls or not isinstance(annotation, type):
        return False
    is_schema = is_typeddict(annotation) or dataclasses.is_dataclass(annotation) or issubclass(annotation, BaseModel)
    return is_schema and set(typing.get_type_hints(annotation)) <= set(schema.fields)
