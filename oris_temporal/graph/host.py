"""What runs a graph's parts: the in-process host and Temporal each say how."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from .engine import Engine, maybe_await
from .node import Node
from .records import Outcome, Position, Task
from .state import Write

if TYPE_CHECKING:
    from oris_temporal.models import ModelRequest
    from oris_temporal.tools import Tool

    from .subgraph import Subgraph


class Host(ABC):
    """How a node, a timer or a subgraph with a workflow of its own is really executed."""

    @property
    def repeats(self) -> bool:
        """Whether code runs only to get back to where it was, so that it has been logged before."""
        return False

    @abstractmethod
    def now(self) -> datetime:
        """The present time, aware, in UTC."""

    @abstractmethod
    async def call(self, engine: Engine, task: Task, node: Node) -> Outcome:
        """Run an activity-side node to its end, asking its interrupts on the way."""

    @abstractmethod
    async def call_chain(self, engine: Engine, task: Task, chain: Sequence[Node]) -> list[Outcome]:
        """Run a fused chain; returns the outcomes of the nodes that ran, at least the first."""

    @abstractmethod
    async def call_child(self, engine: Engine, task: Task, node: Subgraph) -> Outcome:
        """Run a subgraph in a workflow of its own."""

    @abstractmethod
    async def call_function(
        self,
        task: Task,
        number: Position,
        name: str,
        fn: Callable[..., Any] | None,
        args: Sequence[Any],
        options: Mapping[str, Any],
    ) -> Any:
        """Run a function as an activity for a `Context`; returns its JSON result."""

    @abstractmethod
    async def call_model(
        self, engine: Engine, task: Task, number: Position, request: ModelRequest, task_queue: str | None, summary: str
    ) -> dict[str, Any]:
        """Call a model for a `Context`; returns its answer, a message as JSON data."""

    @abstractmethod
    async def call_tool(
        self,
        engine: Engine,
        task: Task,
        number: Position,
        tool: Tool,
        args: dict[str, Any],
        call_id: str,
        answers: Sequence[Any],
        summary: str,
    ) -> dict[str, Any]:
        """Call a tool as an activity for a `Context`; returns what `attempt_tool` does.

        Args:
            engine: Engine the node runs in.
            task: The task.
            number: Position of the call within the task.
            tool: The tool.
            args: Its arguments as JSON data.
            call_id: Id of the model's call.
            answers: Answers to the questions it asked so far.
            summary: Text for the Web UI.
        """

    @abstractmethod
    def has_store(self, engine: Engine) -> bool:
        """Whether there is a store for a (sub)graph."""

    @abstractmethod
    async def call_store(self, engine: Engine, task: Task, place: str, request: dict[str, Any], summary: str) -> Any:
        """Carry out what a `RemoteStore` asks; returns the JSON answer.

        Args:
            engine: Engine of the (sub)graph whose store it is.
            task: Task that asks.
            place: Names the operation within the task.
            request: What is asked.
            summary: The same for people.
        """

    @abstractmethod
    async def sleep(self, duration: timedelta, summary: str) -> None:
        """Wait."""

    @abstractmethod
    async def wait_until(self, condition: Callable[[], bool], timeout: timedelta | None, summary: str) -> bool:
        """Wait until a condition holds; False if the time ran out first."""

    @abstractmethod
    async def at_boundary(self, engine: Engine) -> None:
        """Called between supersteps: the place for edits and for continuing as new."""

    @abstractmethod
    async def before_operation(self, task: Task) -> None:
        """Called before a workflow-side node does something new: its journal has all it did, so it may continue as new here."""

    @abstractmethod
    def changed(self) -> None:
        """Called when something happened or `settled` may have changed, for hosts that wait for it."""

    @abstractmethod
    def check_state(self, writes: Sequence[Write]) -> None:
        """Called when updates were merged, before the state is replaced: the place to refuse one that the host cannot keep."""

    def task_scope(self, engine: Engine, task: Task) -> AbstractContextManager[None]:
        """Entered while a task runs, so that a host can mark what belongs to it."""
        return nullcontext()

    async def guarded(self, owner: str, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run user code on the workflow side (a router, a workflow-side node)."""
        return await maybe_await(fn(*args, **kwargs))
