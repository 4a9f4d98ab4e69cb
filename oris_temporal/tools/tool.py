"""`Tool` and `@tool`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any, Literal, overload

from oris_temporal.graph.duration import Duration, to_timedelta
from oris_temporal.graph.errors import GraphCompileError, ToolError
from oris_temporal.graph.execution import in_thread
from oris_temporal.graph.node import is_async_callable
from oris_temporal.graph.options import RetryPolicy
from oris_temporal.models import ToolSpec

from .arguments import Arguments, ArgumentsError, ModelArguments
from .output import ToolOutput
from .runtime import Runtime
from .signature import arguments_model, read_docstring

RunToolAs = Literal["activity", "local", "workflow"]

Evict = Callable[[ToolOutput, str, Runtime], Awaitable[ToolOutput]]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, eq=False, repr=False)
class Tool:
    """A function that models may call, made by `tool`.

    Attributes:
        name: Its name; the Temporal activity type is ``tool.<name>``.
        description: What models are told about it.
        fn: The function.
        arguments: What it takes.
        runtime: The parameter that takes a `Runtime`, or ``None``.
        run_as: Where it runs: ``activity``, ``local`` (a local activity, for short work) or ``workflow`` (deterministic code).
        timeout: Longest time for one attempt; of those that run in the workflow nobody keeps the time, and they are tried once.
        heartbeat: Longest silence of its worker before the call is made elsewhere; not for local activities.
        retry: Retry policy.
        task_queue: Task queue of its workers; ``None`` is the run's own.
        strict: Whether providers are to make sure that arguments fit.
        source: Held open, as a context manager, while the tool may be called; ``None`` if it needs nothing.
        evict: Takes large results out of the conversation, see `ToolResultEviction`; ``None`` leaves them in.
        reads: State fields that its runtime has, as a dict; ``None`` is the whole state, as the graph's schema.
        detached: Whether its runtime has nothing of the graph - no state, store or context - so that workers without the graph may
            call it.
        here: Says by the arguments which calls run in the workflow although others do not; ``None`` is none.
        in_order: Whether the calls of one turn are made one after the other. Those in the workflow always are.
    """

    name: str
    description: str
    fn: Callable[..., Any]
    arguments: Arguments
    runtime: str | None = None
    run_as: RunToolAs = "activity"
    timeout: Duration = "2m"
    heartbeat: Duration = "30s"
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    task_queue: str | None = None
    strict: bool = False
    source: AbstractAsyncContextManager[Any] | None = None
    evict: Evict | None = None
    reads: tuple[str, ...] | None = None
    detached: bool = False
    here: Callable[[Mapping[str, Any]], bool] | None = None
    in_order: bool = False

    def __repr__(self) -> str:
        return f"<Tool {self.name}({', '.join(self.arguments.schema.get('properties', ()))})>"

    @cached_property
    def spec(self) -> ToolSpec:
        """The tool as models see it."""
        return ToolSpec(self.name, self.description, self.arguments.schema, self.strict)

    @cached_property
    def activity_type(self) -> str:
        """Its Temporal activity type."""
        return f"tool.{self.name}"

    @property
    def wants_run(self) -> bool:
        """Whether its runtime has something of the run that calls it."""
        return (self.runtime is not None or self.evict is not None) and not self.detached

    def runs_here(self, args: Mapping[str, Any]) -> bool:
        """Whether a call runs in the workflow.

        Args:
            args: Its arguments as JSON data.
        """
        return self.run_as == "workflow" or (self.here is not None and self.here(args))

    def waits(self, args: Mapping[str, Any]) -> bool:
        """Whether a call waits for those before it in its turn, rather than being made beside them.

        Args:
            args: Its arguments as JSON data.
        """
        return self.in_order or self.runs_here(args)

    def check(self, args: Any) -> dict[str, Any]:
        """Arguments as JSON data, as they were given.

        Raises:
            ToolError: They do not fit (kind ``invalid_input``); the message is for the model.
        """
        try:
            return self.arguments.check(args)
        except ArgumentsError as error:
            raise ToolError(
                f"The arguments of tool {self.name} do not fit: {error}.", tool=self.name, kind="invalid_input"
            ) from None

    async def call(self, args: Mapping[str, Any], runtime: Runtime, executor: Executor | None = None) -> ToolOutput:
        """Call the function.

        Args:
            args: Its arguments as JSON data.
            runtime: Given to it if it wants one.
            executor: Threads for plain functions; ``None`` is the event loop's own.

        Raises:
            Exception: Whatever the function raises.
            SerializationError: What it returned has no JSON form.
        """
        given = self.arguments.read(args)
        if self.runtime is not None:
            given[self.runtime] = runtime
        if is_async_callable(self.fn):
            returned = await self.fn(**given)
        elif self.run_as == "workflow":
            returned = self.fn(**given)
        else:
            returned = await in_thread(executor, lambda: self.fn(**given))
        output = ToolOutput.of(returned, self.name)
        return output if self.evict is None else await self.evict(output, self.name, runtime)

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself, as if it were no tool."""
        returned = self.fn(*args, **kwargs)
        return await returned if asyncio.iscoroutine(returned) else returned


@overload
def tool(fn: Callable[..., Any], /) -> Tool: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    run_as: RunToolAs = "activity",
    timeout: Duration = "2m",
    heartbeat: Duration = "30s",
    retry: RetryPolicy | None = None,
    task_queue: str | None = None,
    strict: bool = False,
) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    run_as: RunToolAs = "activity",
    timeout: Duration = "2m",
    heartbeat: Duration = "30s",
    retry: RetryPolicy | None = None,
    task_queue: str | None = None,
    strict: bool = False,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a function a tool: its name, type hints and docstring are what models are told.

    The docstring's summary is the description; its ``Args`` section describes the parameters. A parameter annotated `Runtime` is
    filled in and not shown to models. The function may be plain or async and return text, JSON data, images, or a `Command`. An async
    one may ask a person, see `interrupt`.

    Args:
        fn: The function, where the decorator is used without options.
        name: In place of the function's name.
        description: In place of the docstring's summary.
        run_as: ``activity``, ``local`` or ``workflow``; see `Tool`.
        timeout: Longest time for one attempt.
        heartbeat: Longest silence of its worker before the call is made elsewhere. Beats are sent for the tool.
        retry: Retry policy. Default: 3 attempts, not for programming mistakes and `ToolError`.
        task_queue: Task queue of its workers.
        strict: Whether providers are to make sure that arguments fit, where they can.

    Raises:
        GraphCompileError: The name, a parameter or an option cannot work, or there is no description.

    Example:
        >>> @tool
        ... async def weather(city: str, days: int = 1) -> str:
        ...     '''The weather forecast.
        ...
        ...     Args:
        ...         city: Name of the city.
        ...         days: How many days ahead.
        ...     '''
    """

    def make(function: Callable[..., Any]) -> Tool:
        called = name or str(getattr(function, "__name__", type(function).__name__))
        check_tool_name(called)
        summary, meanings = read_docstring(function)
        if not (description or summary):
            raise GraphCompileError(f"Tool {called} needs a docstring: it is how models know what the tool does.")
        arguments, runtime = arguments_model(called, function, meanings)
        return Tool(
            name=called,
            description=description or summary,
            fn=function,
            arguments=ModelArguments(arguments),
            runtime=runtime,
            run_as=run_as,
            timeout=_limit(called, "timeout", timeout),
            heartbeat=_limit(called, "heartbeat", heartbeat),
            retry=retry or RetryPolicy(),
            task_queue=task_queue,
            strict=strict,
        )

    return make if fn is None else make(fn)


def check_tool_name(name: str) -> None:
    """Check a tool's name.

    Raises:
        GraphCompileError: Providers do not take it.
    """
    if not _NAME.fullmatch(name):
        raise GraphCompileError(
            f"{name!r} is no tool name: providers take 1 to 64 letters, digits, '_' and '-'. Pass name=...."
        )


def _limit(tool: str, option: str, value: Duration) -> timedelta:
    try:
        return to_timedelta(value)
    except ValueError as error:
        raise GraphCompileError(f"Tool {tool}: {option}: {error}") from None


@asynccontextmanager
async def open_sources(tools: Iterable[Tool]) -> AsyncIterator[None]:
    """Hold the sources of tools open, each once, for as long as the tools may be called."""
    async with AsyncExitStack() as stack:
        for source in dict.fromkeys(tool.source for tool in tools if tool.source is not None):
            await stack.enter_async_context(source)
        yield
