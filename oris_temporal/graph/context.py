"""`Context`: what a workflow-side node may do besides computing."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

from .config import RunnableConfig
from .control import MISSING
from .duration import Duration
from .options import RetryPolicy

if TYPE_CHECKING:
    from oris_temporal.models import ChatModel, ToolSpec
    from oris_temporal.store.base import Store
    from oris_temporal.tools import Tool, ToolOutput

    from .compiled import CompiledGraph
    from .messages import Message


class Context(ABC):
    """Durable operations of a node that runs inside the workflow.

    A node gets one by taking a parameter annotated ``Context`` (or called ``ctx``). Such a node must be deterministic: clock,
    random numbers, waiting and effects go through here, and then cost nothing to replay.

    Attributes:
        thread_id: The thread.
        graph: Name of the graph.
        node: Name of the node.
        task_id: Id of the task, unique in the run and the same on every replay.
        step: Checkpoint number the task started from.
        config: The run's configuration.
    """

    thread_id: str
    graph: str
    node: str
    task_id: str
    step: int
    config: RunnableConfig

    @abstractmethod
    async def interrupt(
        self,
        value: Any,
        *,
        timeout: Duration | None = None,
        default: Any = MISSING,
        escalate_after: Duration | None = None,
        schema: Any = None,
    ) -> Any:
        """Hand `value` to a person and wait for the answer. See `oris_temporal.interrupt`."""

    @abstractmethod
    async def activity(
        self,
        activity: str | Callable[..., Any],
        *args: Any,
        timeout: Duration | None = None,
        heartbeat: Duration | None = None,
        retry: RetryPolicy | None = None,
        task_queue: str | None = None,
        summary: str | None = None,
    ) -> Any:
        """Run a function with effects as a Temporal activity and return its result as JSON data.

        Args:
            activity: A function given to ``StateGraph.add_activity``, or its name; any other name is the type of an activity
                of your own worker.
            args: JSON-ready arguments.
            timeout: Longest time for one attempt; default that of ``add_activity``, else 10 minutes.
            heartbeat: Longest silence of its worker; default 30 seconds for functions of ``add_activity``.
            retry: Retry policy; default that of ``add_activity``.
            task_queue: Task queue of its workers; default the run's own.
            summary: Text for the Web UI.

        Raises:
            NodeError: The activity failed for good.
        """

    @abstractmethod
    async def llm(
        self,
        model: str | ChatModel,
        messages: Sequence[Any],
        *,
        tools: Sequence[Tool | ToolSpec] = (),
        response_format: Any = None,
        task_queue: str | None = None,
        summary: str | None = None,
        held: bool = False,
        **options: Any,
    ) -> Message:
        """Call a model as a Temporal activity (type ``llm``) and return its answer.

        The conversation is passed by reference: history keeps every message once. What the model writes reaches watchers of the
        stream mode ``messages`` as it is written.

        Args:
            model: ``provider:model``, a model's name alone, or a `ChatModel`; see `init_chat_model`.
            messages: The conversation, oldest first; anything `Message` understands.
            tools: Tools it may call. To make the calls is for the node, or another one.
            response_format: The JSON it must answer: a type (Pydantic model, dataclass or TypedDict), which the text of the answer is
                checked against - the model may try again twice - or a `ResponseFormat`, which only the provider is told.
            task_queue: Task queue of the workers that call models; default the worker's ``model_task_queue``, else the run's own.
            summary: Text for the Web UI; default ``provider:model - n messages``.
            held: Whether watchers see nothing of it, neither while it is written nor when it is complete; see `show`.
            options: Options of this call, see `ModelOptions`.

        Raises:
            ConfigurationError: The model's name, a tool or an option is wrong.
            InvalidUpdateError: One of the messages is none.
            ModelError: The provider refused, or failed until the attempts were used up.
            StructuredOutputError: The model gave no answer of the type.
        """

    @abstractmethod
    async def tool(
        self,
        tool: Tool | str,
        args: Mapping[str, Any],
        *,
        call_id: str = "",
        summary: str | None = None,
        after: Sequence[Mapping[str, Any]] = (),
    ) -> ToolOutput:
        """Call a tool, as a Temporal activity (type ``tool.<name>``) unless the tool says otherwise, and return its output.

        Args:
            tool: A tool given to ``StateGraph.add_tools``, or its name.
            args: Its arguments; they are checked before anything is called.
            call_id: Id of the model's call that asks for it.
            summary: Text for the Web UI.
            after: Updates that the node is going to return, such as those of other tools. A tool that runs in the workflow sees them
                in its ``runtime.state``.

        Raises:
            InvalidUpdateError: The graph has no such tool.
            ToolError: The arguments do not fit, or the tool failed for good.
        """

    @property
    @abstractmethod
    def context(self) -> Any:
        """The context of the run, as the graph's ``context_schema``; without one the JSON object that was given, or ``None``.

        Raises:
            InvalidUpdateError: In a subgraph: it does not fit its schema.
        """

    @property
    @abstractmethod
    def store(self) -> Store:
        """The store of the graph, shared by threads. Each operation is a Temporal activity (type ``store``).

        Raises:
            GraphError: Neither the graph nor one around it was compiled with a store.
        """

    @abstractmethod
    async def call_graph(self, graph: CompiledGraph | str, input: Any) -> Any:
        """Run another graph to its end, as part of this run, and return its final state.

        Its nodes are shown under a namespace of their own; what it asks people is asked on this thread.

        Args:
            graph: A graph given to ``StateGraph.add_graphs``, or its name.
            input: Its input.

        Raises:
            InvalidUpdateError: It was not given to this graph, or the input does not fit.
            GraphError: It failed.
        """

    @abstractmethod
    async def sleep(self, duration: Duration, *, summary: str | None = None) -> None:
        """Wait on a durable timer."""

    @abstractmethod
    async def wait_signal(self, name: str, *, timeout: Duration | None = None) -> Any:
        """Wait for a signal sent by ``OrisClient.signal`` and return its JSON value.

        Signals that came before the call are kept and received in order, each once.

        Raises:
            SignalTimeoutError: It did not come in time.
        """

    @abstractmethod
    def branch(self, name: str) -> Context:
        """A context for one of several coroutines that the node runs side by side, such as those of ``asyncio.gather``.

        A node that goes on in another history is given the results it had, in the order in which it asks for them. Coroutines that
        call several things each may then ask in another order; with a context of its own each gets its own results.

        Args:
            name: Its name; unique among the branches of this context, and the same on every replay.
        """

    @abstractmethod
    def show(self, message: Message) -> None:
        """Show a complete message to watchers of the stream mode ``messages``, such as an answer that was held."""

    @abstractmethod
    def write(self, data: Any) -> None:
        """Send JSON-ready data to watchers as a ``custom`` stream event. It is not stored in history."""

    @abstractmethod
    def log(self, message: str, *, level: int = logging.INFO, logger: logging.Logger | None = None) -> None:
        """Log once: a replay does not repeat it. The record has ``thread_id``, ``graph`` and ``node`` as extra attributes.

        Args:
            message: The text.
            level: Level of `logging`.
            logger: Default: the logger ``oris_temporal.nodes``.
        """

    @abstractmethod
    def now(self) -> datetime:
        """The present time (UTC), the same on every replay."""

    @abstractmethod
    def random(self) -> Random:
        """Random numbers that are the same on every replay; one generator per task."""

    @abstractmethod
    def uuid4(self) -> UUID:
        """A random UUID that is the same on every replay."""
