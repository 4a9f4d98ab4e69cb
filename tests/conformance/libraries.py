"""One way to write a graph for both libraries.

A test graph is a function of a `Library`: ``def build(lib): ... lib.StateGraph(State) ... return graph.compile(name=...)``.
Given `Oris` it makes one of ours, given `LangGraph` the same graph there. A node that asks a person writes
``await lib.interrupt(value)``, or takes a `Context` and writes ``await ctx.interrupt(value)``; both work in both.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import langgraph.config
import langgraph.graph
import langgraph.types

import oris_temporal
from oris_temporal.graph.options import RunAs


class Library(Protocol):
    """What test graphs are written against."""

    def StateGraph(self, schema: type) -> Any:  # noqa: N802 - the name it stands for
        """A new graph."""

    def Send(self, node: str, payload: Any) -> Any:  # noqa: N802
        """A task with an input of its own."""

    def Command(self, **kwargs: Any) -> Any:  # noqa: N802
        """An update with a destination."""

    async def interrupt(self, value: Any) -> Any:
        """Ask a person."""


# --- ours ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Oris:
    """Our library.

    Attributes:
        run_as: Where nodes run that do not say so themselves.
    """

    run_as: RunAs = "activity"

    def StateGraph(self, schema: type) -> Any:  # noqa: N802
        return _OrisGraph(schema, self.run_as)

    def Send(self, node: str, payload: Any) -> Any:  # noqa: N802
        return oris_temporal.Send(node, payload)

    def Command(self, **kwargs: Any) -> Any:  # noqa: N802
        return oris_temporal.Command(**kwargs)

    async def interrupt(self, value: Any) -> Any:
        return await oris_temporal.interrupt(value)


class _OrisGraph(oris_temporal.StateGraph):
    def __init__(self, schema: type, run_as: RunAs) -> None:
        super().__init__(schema)
        self._run_as = run_as

    def add_node(self, name: Any, fn: Any = None, **options: Any) -> Any:
        if not isinstance(fn, oris_temporal.CompiledGraph) and "ctx" not in inspect.signature(fn).parameters:
            options.setdefault("run_as", self._run_as)
        return super().add_node(name, fn, **options)


# --- the oracle ----------------------------------------------------------------------------------------------------


class LangGraph:
    """LangGraph under our names. What it has no notion of, such as where a node runs, is dropped."""

    def StateGraph(self, schema: type) -> Any:  # noqa: N802
        return _LangGraphGraph(schema)

    def Send(self, node: str, payload: Any) -> Any:  # noqa: N802
        return langgraph.types.Send(node, payload)

    def Command(self, **kwargs: Any) -> Any:  # noqa: N802
        return langgraph.types.Command(**kwargs)

    async def interrupt(self, value: Any) -> Any:
        return langgraph.types.interrupt(value)


class _LangGraphGraph:
    def __init__(self, schema: type) -> None:
        self._graph: Any = langgraph.graph.StateGraph(schema)
        self._routers = 0

    def add_node(self, name: str, fn: Any, **_: Any) -> _LangGraphGraph:
        is_graph = isinstance(fn, langgraph.pregel.Pregel)
        self._graph.add_node(name, fn if is_graph else _langgraph_node(fn))
        return self

    def add_subgraph(
        self, name: str, graph: Any, *, input: Callable[[Any], Any], output: Callable[[Any], Any], **_: Any
    ) -> _LangGraphGraph:
        async def call(state: Any) -> Any:
            return output(await graph.ainvoke(input(state)))

        self._graph.add_node(name, call)
        return self

    def add_edge(self, source: str | list[str], target: str) -> _LangGraphGraph:
        self._graph.add_edge(source, target)
        return self

    def add_conditional_edges(self, source: str, router: Callable[[Any], Any], mapping: Any = None) -> _LangGraphGraph:
        self._graph.add_conditional_edges(source, self._named_anew(router), mapping)
        return self

    def _named_anew(self, router: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The router under a name of its own: LangGraph takes no two of one name at a node."""
        self._routers += 1

        @functools.wraps(router)
        def named(state: Any) -> Any:
            return router(state)

        @functools.wraps(router)
        async def named_async(state: Any) -> Any:
            return await router(state)

        renamed = named_async if inspect.iscoroutinefunction(router) else named
        renamed.__name__ = f"router_{self._routers}"
        return renamed

    def compile(
        self,
        *,
        name: str,
        interrupt_before: Collection[str] = (),
        interrupt_after: Collection[str] = (),
        **_: Any,
    ) -> Any:
        return self._graph.compile(
            name=name, interrupt_before=list(interrupt_before), interrupt_after=list(interrupt_after)
        )


@dataclass
class _LangGraphContext:
    """Stands in for our `Context`, as far as graphs with an oracle use it."""

    config: Mapping[str, Any]

    async def interrupt(self, value: Any) -> Any:
        return langgraph.types.interrupt(value)


def _langgraph_node(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A node of ours with what it takes besides the state filled in."""
    wanted = list(inspect.signature(fn).parameters)[1:]

    async def call(state, config):  # type: ignore[no-untyped-def] # LangGraph reads annotations: it shall see none
        extras = {"config": config, "ctx": _LangGraphContext(config), "writer": None}
        returned = fn(state, **{name: extras[name] for name in wanted})
        return await returned if inspect.isawaitable(returned) else returned

    return call
