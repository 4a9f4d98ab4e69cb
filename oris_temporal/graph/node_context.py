"""The `Context` both hosts give to workflow-side nodes.

Every operation has a position within the task. Its result is kept in the task's journal under that position, so a task that
has to start again - after continue-as-new, in a fork - gets the results instead of repeating the work.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from oris_temporal.models import ChatModel, ModelRequest, ResponseFormat, ToolSpec, init_chat_model
from oris_temporal.models.answer_type import ANSWER_RETRIES, AnswerError, AnswerType, answer_type, told_again
from oris_temporal.models.request import tool_specs
from oris_temporal.store.base import Store
from oris_temporal.store.remote import RemoteStore
from oris_temporal.tools.output import ToolOutput

from .answer_types import check_answer
from .context import Context
from .control import MISSING
from .duration import Duration, to_timedelta
from .errors import (
    GraphError,
    ModelError,
    NodeError,
    NodeTimeoutError,
    PayloadTooLargeError,
    SerializationError,
    SignalTimeoutError,
    StoreError,
    StructuredOutputError,
    ToolError,
    error_class,
)
from .execution import make_ask, no_store
from .messages import Message
from .options import RetryPolicy
from .records import EventKind, Position, Task
from .signals import check_signal
from .state import Write, isolate
from .tasks import being_cancelled, go_on_unless_cancelled
from .tool_calls import CallingTool
from .wire import to_wire

if TYPE_CHECKING:
    from oris_temporal.tools import Tool

    from .compiled import CompiledGraph
    from .engine import Engine
    from .run import Run


_LOGGER = logging.getLogger("oris_temporal.nodes")


class NodeContext(Context):
    """Context of one task.

    Args:
        run: The run.
        engine: Engine the task belongs to.
        task: The task.
        node: Name of its node.
    """

    def __init__(self, run: Run, engine: Engine, task: Task, node: str) -> None:
        self._run = run
        self._engine = engine
        self._task = task
        self._root = self
        self._branch = ""
        self._position = 0
        self._operating: dict[asyncio.Task[Any], None] = {}
        self._begun: list[Position] = []
        self._cleaning: list[Position] = []
        self._raised: list[_Raised] = []
        self._returned = False
        self._random: Random | None = None
        self.thread_id = run.thread_id
        self.graph = engine.graph.name
        self.node = node
        self.task_id = task.id
        self.step = engine.state.step
        self.config = run.config

    async def interrupt(
        self,
        value: Any,
        *,
        timeout: Duration | None = None,
        default: Any = MISSING,
        escalate_after: Duration | None = None,
        schema: Any = None,
    ) -> Any:
        """See `Context.interrupt`."""
        ask = make_ask(value, timeout, default, escalate_after, schema)
        go_on_unless_cancelled()
        answer = await self._journaled(lambda position: self._run.ask(self._engine, self._task, position, ask))
        return (
            answer
            if ask.answer_type is None
            else check_answer(ask.answer_type, answer, f"of {self.graph}.{self.node}", ask.value)
        )

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
        """See `Context.activity`."""
        name, fn, options = self._engine.graph.function(activity)
        given = {
            "timeout": timeout,
            "heartbeat": heartbeat,
            "retry": retry,
            "task_queue": task_queue,
            "summary": summary,
        }
        options.update({key: value for key, value in given.items() if value is not None})
        wire = [to_wire(arg, f"argument of activity {name} in {self.graph}.{self.node}") for arg in args]

        async def call(position: Position) -> Any:
            async with self._run.operating(self._task):
                return await self._run.call_function(self._task, position, name, fn, wire, options)

        return await self._journaled(call)

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
        """See `Context.llm`."""
        conversation = [Message.parse(message) for message in messages]
        wanted = answer_type(response_format)
        form: ResponseFormat | None = response_format if wanted is None else wanted.format
        request = ModelRequest(init_chat_model(model, **options), conversation, tool_specs(tools), form, held=held)

        async def ask(asked: ModelRequest, place: Position) -> dict[str, Any]:
            self._run.check_limits()
            count = f"{len(asked.messages)} message{'' if len(asked.messages) == 1 else 's'}"
            where = summary or f"{asked.model.name} - {count}"
            async with self._run.operating(self._task):
                return await self._run.call_model(self._engine, self._task, place, asked, task_queue, where)

        async def call(position: Position) -> dict[str, Any]:
            answer = await ask(request, position)
            return answer if wanted is None else await self._of_type(wanted, request, answer, ask, position)

        try:
            answer = Message.parse(await self._journaled(call))
        except ModelError as error:
            details = {**error.details, "node": f"{self.graph}.{self.node}"}
            raise ModelError(f"{self.graph}.{self.node}: {error.message}", **details) from error
        return answer

    async def _of_type(
        self,
        wanted: AnswerType,
        request: ModelRequest,
        answer: dict[str, Any],
        ask: Callable[[ModelRequest, Position], Awaitable[dict[str, Any]]],
        position: Position,
    ) -> dict[str, Any]:
        """An answer of the type; the model may try again, and is told what was wrong. Calls of tools are no answer yet."""
        for retry in range(1, 2 + ANSWER_RETRIES):
            message = Message.parse(answer)
            try:
                if not message.tool_calls:
                    wanted.read(message.content)
                return answer
            except AnswerError as error:
                problem = error
            if retry <= ANSWER_RETRIES:
                told = [*request.messages, message, Message.human(told_again(wanted.name, problem))]
                request = replace(request, messages=told)
                answer = await ask(request, f"{position}~{retry}")
        raise StructuredOutputError(
            f"{self.graph}.{self.node}: {request.model.name} gave no {wanted.name} in {1 + ANSWER_RETRIES} attempts. Last: {problem}."
        )

    async def tool(
        self,
        tool: Tool | str,
        args: Mapping[str, Any],
        *,
        call_id: str = "",
        summary: str | None = None,
        after: Sequence[Mapping[str, Any]] = (),
    ) -> ToolOutput:
        """See `Context.tool`."""
        found = self._engine.graph.tool(tool)
        checked = found.check(args)

        async def call(position: Position) -> Any:
            schema, values = self._engine.graph.schema, self._engine.values.data
            for update in after if found.runs_here(checked) else ():
                wire = schema.update_wire(update, f"{self.graph}.{self.node}")
                values = schema.apply(values, [Write(f"{self.graph}.{self.node}", wire)])
            calling = CallingTool(self._run, self._engine, self._task, position, found, call_id)
            return await calling.output(checked, summary or call_id, values)

        try:
            return ToolOutput.from_wire(await self._journaled(call))
        except NodeError as error:
            kind = "timeout" if isinstance(error, NodeTimeoutError) else "execution"
            text = f"Tool {found.name} failed: {error.message.partition(' failed: ')[2] or error.message}"
            raise ToolError(text, tool=found.name, kind=kind, cause_type=error.cause_type) from error
        except (StoreError, SerializationError, PayloadTooLargeError) as error:
            text = f"Tool {found.name} failed: {error.message}"
            raise ToolError(text, tool=found.name, cause_type=type(error).__name__) from error

    @property
    def context(self) -> Any:
        """See `Context.context`."""
        return self._engine.graph.context_of(self.config)

    @property
    def store(self) -> Store:
        """See `Context.store`."""
        if not self._run.has_store(self._engine):
            raise no_store(f"{self.graph}.{self.node}")
        return RemoteStore(self._ask_store)

    async def _ask_store(self, request: dict[str, Any], summary: str) -> Any:
        async def call(position: Position) -> Any:
            async with self._run.operating(self._task):
                return await self._run.call_store(self._engine, self._task, str(position), request, summary)

        return await self._journaled(call)

    async def call_graph(self, graph: CompiledGraph | str, input: Any) -> Any:
        """See `Context.call_graph`."""
        called = self._engine.graph.called(graph)
        wire = called.input_wire(input)
        values = await self._journaled(lambda number: self._engine.call_graph(self._task, number, called, wire))
        return called.schema.view(called.schema.decode(values, called.name))

    async def sleep(self, duration: Duration, *, summary: str | None = None) -> None:
        """See `Context.sleep`."""
        wait = to_timedelta(duration)

        async def pause(position: Position) -> None:
            async with self._run.operating(self._task, rests=True):
                await self._run.sleep(self._left(position, wait), summary or f"{self.graph}.{self.node} sleeps")

        await self._journaled(pause)

    async def wait_signal(self, name: str, *, timeout: Duration | None = None) -> Any:
        """See `Context.wait_signal`."""
        check_signal(name)
        go_on_unless_cancelled()
        return await self._journaled(lambda position: self._receive(position, name, timeout))

    async def _receive(self, position: Position, name: str, timeout: Duration | None) -> Any:
        limit = None if timeout is None else to_timedelta(timeout)
        left = None if limit is None else self._left(position, limit)
        async with self._run.operating(self._task, rests=True):
            came, value = await self._run.take_signal(
                f"{self._task.id}#{position}", name, left, f"{self.graph}.{self.node} waits for signal {name}"
            )
        if not came:
            raise SignalTimeoutError(
                f"{self.graph}.{self.node}: signal {name!r} did not come within {limit}.", signal=name
            )
        self._run.record("signal", self._engine, task=self._task, data={"name": name, "value": value})
        return value

    def branch(self, name: str) -> NodeContext:
        """See `Context.branch`."""
        made = copy(self)
        made._branch = f"{self._branch}{name}."
        made._position = 0
        made._random = None
        return made

    def show(self, message: Message) -> None:
        """See `Context.show`."""
        self._record_once("message", to_wire(message, f"message of {self.graph}.{self.node}"))

    def write(self, data: Any) -> None:
        """See `Context.write`."""
        self._record_once("custom", to_wire(data, f"custom stream data of {self.graph}.{self.node}"))

    def _record_once(self, kind: EventKind, data: Any) -> None:
        position = self._next()
        if position not in self._task.journal:
            self._task.journal[position] = None
            self._run.record(kind, self._engine, task=self._task, data=data)

    def log(self, message: str, *, level: int = logging.INFO, logger: logging.Logger | None = None) -> None:
        """See `Context.log`."""
        position = self._next()
        if position not in self._task.journal:
            self._task.journal[position] = None
            if not self._run.repeats:
                where = {"thread_id": self.thread_id, "graph": self.graph, "node": self.node}
                (logger or _LOGGER).log(level, "%s", message, extra=where)

    def now(self) -> datetime:
        """See `Context.now`."""
        position = self._next()
        if position not in self._task.journal:
            self._task.journal[position] = self._run.now().isoformat()
        return datetime.fromisoformat(self._task.journal[position])

    def random(self) -> Random:
        """See `Context.random`."""
        if self._random is None:
            branch = f"/{self._branch}" if self._branch else ""
            self._random = Random(f"{self.thread_id}/{self._run.ordinal}/{self.task_id}{branch}")
        return self._random

    def uuid4(self) -> UUID:
        """See `Context.uuid4`."""
        return UUID(int=self.random().getrandbits(128), version=4)

    async def close(self) -> None:
        """End with the node: what it left waiting or working in asyncio tasks of its own is cancelled."""
        self._returned = True
        left = [task for task in self._operating if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        if left:
            await asyncio.gather(*left, return_exceptions=True)

    # --- journal -------------------------------------------------------------------------------------------------

    def _next(self) -> Position:
        number, self._position = self._position, self._position + 1
        position: Position = f"{self._branch}{number}" if self._branch else number
        (self._cleaning if being_cancelled() else self._begun).append(position)
        return position

    async def _journaled(self, operation: Callable[[Position], Awaitable[Any]]) -> Any:
        """Result of an operation: from the journal, or by doing it and noting the result there."""
        position = self._next()
        entry = self._task.journal.get(position)
        if entry is not None and "until" not in entry:
            if "error" in entry:
                raise self._noted(_stored_error(entry["error"]), position)
            return isolate(entry["value"])
        if self._root._returned:
            raise GraphError(
                f"{self.graph}.{self.node} has returned, so what it left running can use its context no more. Await it in the node."
            )
        caller = cast("asyncio.Task[Any]", asyncio.current_task())
        self._operating[caller] = None
        try:
            await self._run.before_operation(self._task)
            value = await operation(position)
        except GraphError as error:
            self._task.journal[position] = {
                "error": {"type": type(error).__name__, "message": error.message, "details": error.details}
            }
            self._noted(error, position)
            raise
        finally:
            del self._operating[caller]
            self._run.progressed = True
        self._task.journal[position] = {"value": value}
        return isolate(value)

    def _noted(self, error: GraphError, position: Position) -> GraphError:
        self._raised.append(_Raised(error, position, len(self._begun)))
        return error

    def forget(self, error: BaseException) -> None:
        """Leave out of the journal what a retry of the run is to do again, when the node has ended with an error.

        That are the operations whose failure it ended with, with what it began after that, failures that it did nothing about, and what
        it did to clean up. What it did in other branches stays, and failures that it went on after: else what follows would not fit.
        """
        self._drop(self._cleaning)
        causes = list(_chain_of(error))
        for raised in self._raised:
            later = [position for position in self._begun[raised.begun :] if _follows(position, raised.position)]
            if later and not any(raised.error is cause for cause in causes):
                continue
            self._task.journal.pop(raised.position, None)
            self._drop(later)

    def _drop(self, positions: Sequence[Position]) -> None:
        """Leave out all of some operations: their results, the graphs they called and the answers that their tools got."""
        for position in positions:
            self._task.calls.pop(position, None)
            for entry in [entry for entry in self._task.journal if str(entry).partition("?")[0] == str(position)]:
                del self._task.journal[entry]

    def _left(self, position: Position, duration: timedelta) -> timedelta:
        """What is left of a wait, which may have begun in an earlier history."""
        entry = self._task.journal.setdefault(position, {"until": (self._run.now() + duration).isoformat()})
        return max(datetime.fromisoformat(entry["until"]) - self._run.now(), timedelta(0))


@dataclass(frozen=True, slots=True)
class _Raised:
    """The failure of an operation: its position, and how many had begun by then."""

    error: GraphError
    position: Position
    begun: int


def _follows(later: Position, position: Position) -> bool:
    """Whether an operation that began later may do so because of another: they are of the same branch, or one of a branch within it."""
    one, other = (str(item).rpartition(".")[0] + "." if "." in str(item) else "" for item in (later, position))
    return one.startswith(other) or other.startswith(one)


def _stored_error(stored: dict[str, Any]) -> GraphError:
    found = error_class(stored["type"])
    return (found if found is not None and issubclass(found, GraphError) else NodeError)(
        stored["message"], **stored["details"]
    )


def _chain_of(error: BaseException | None, *, known: tuple[BaseException, ...] = ()) -> Iterator[BaseException]:
    """An error, what it was raised from or while handling, and the members of groups among these."""
    while error is not None and error not in known:
        known = (*known, error)
        yield error
        for member in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
            yield from _chain_of(member, known=known)
        error = error.__cause__ or error.__context__
