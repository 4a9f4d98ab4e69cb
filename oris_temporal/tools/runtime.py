"""`Runtime`: what a tool may know of the run that calls it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

from typing_extensions import TypeVar

from oris_temporal.graph.config import RunnableConfig
from oris_temporal.store.base import Store

ContextT = TypeVar("ContextT", default=Any)


@dataclass(frozen=True, slots=True)
class Runtime(Generic[ContextT]):
    """Given to a tool that has a parameter annotated ``Runtime``; models do not see that parameter.

    ``Runtime[User]`` tells type checkers that the context is a ``User``.

    Attributes:
        state: The state of the graph as of the call, as the graph's schema. Changing it has no effect; return a `Command`.
        config: The run's configuration.
        tool_call_id: Id of the model's call; empty if it was not a model that called.
        thread_id: The thread.
        write: Sends JSON-ready data to watchers as a ``custom`` stream event.
        store: The store that the graph, or one around it, was compiled with; ``None`` if there is none.
        context: The context of the run, as the graph's ``context_schema``; without one the JSON object that was given, or ``None``.
    """

    state: Any
    config: RunnableConfig
    tool_call_id: str
    thread_id: str
    write: Callable[[Any], None]
    store: Store | None = None
    context: ContextT = None  # type: ignore[assignment]
