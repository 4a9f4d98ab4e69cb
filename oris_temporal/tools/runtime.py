"""`Runtime`: what a tool may know of the run that calls it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from oris_temporal.graph.config import RunnableConfig
from oris_temporal.store.base import Store


@dataclass(frozen=True, slots=True)
class Runtime:
    """Given to a tool that has a parameter annotated ``Runtime``; models do not see that parameter.

    Attributes:
        state: The state of the graph as of the call, as the graph's schema. Changing it has no effect; return a `Command`.
        config: The run's configuration.
        tool_call_id: Id of the model's call; empty if it was not a model that called.
        thread_id: The thread.
        write: Sends JSON-ready data to watchers as a ``custom`` stream event.
        store: The store that the graph, or one around it, was compiled with; ``None`` if there is none.
    """

    state: Any
    config: RunnableConfig
    tool_call_id: str
    thread_id: str
    write: Callable[[Any], None]
    store: Store | None = None
