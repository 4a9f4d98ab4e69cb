"""Running the body of an activity-side node: from its JSON input to its JSON result.

A Temporal activity and the in-process host both call `execute_node`, so a node sees the same values under either.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from oris_temporal.store.base import Store

from .answer_types import answer_type, check_answer
from .config import RunnableConfig
from .control import MISSING
from .duration import Duration, to_timedelta
from .errors import GraphError, StoreError
from .interrupts import Ask, asking_through
from .node import Node, StreamWriter
from .records import Outcome
from .wire import to_wire


@dataclass(slots=True)
class NodeCall:
    """Input of an activity-side node.

    Attributes:
        state: State fields it declares, in JSON form; unused when `sent`.
        config: The run's configuration.
        sent: Whether `payload` (of a `Send`) takes the place of the state.
        payload: That payload.
        answers: Answers to the interrupts the node raised in earlier attempts, in order.
    """

    state: dict[str, Any] = field(default_factory=dict)
    config: RunnableConfig = field(default_factory=lambda: RunnableConfig(configurable={}))
    sent: bool = False
    payload: Any = None
    answers: list[Any] = field(default_factory=list)


@dataclass(slots=True)
class NodeResult:
    """Result of an activity-side node: an outcome, or a question. `custom` holds what it wrote with its ``writer``."""

    outcome: Outcome | None = None
    ask: Ask | None = None
    custom: list[Any] = field(default_factory=list)


class NodeInterrupt(BaseException):
    """Ends the attempt of an activity-side node, or of a tool, that asks a person.

    Not an `Exception`, so that ``except Exception`` in the node does not swallow it.
    """

    def __init__(self, ask: Ask) -> None:
        super().__init__("a person is asked")
        self.ask = ask


@dataclass
class ReplayedAnswers:
    """Hands out the answers so far; the first call without one ends the attempt."""

    answers: list[Any]
    position: int = 0

    async def interrupt(
        self,
        value: Any,
        *,
        timeout: Duration | None,
        default: Any,
        escalate_after: Duration | None,
        schema: Any,
    ) -> Any:
        """Answer, or end the attempt. See `oris_temporal.interrupt`."""
        position, self.position = self.position, self.position + 1
        if position < len(self.answers):
            answer = self.answers[position]
            if schema is None:
                return answer
            return check_answer(answer_type(schema), answer, "in this attempt", to_wire(value, "interrupt payload"))
        raise NodeInterrupt(make_ask(value, timeout, default, escalate_after, schema))


def make_ask(value: Any, timeout: Duration | None, default: Any, escalate_after: Duration | None, schema: Any) -> Ask:
    """The JSON-ready form of an ``interrupt(...)`` call."""
    declared = None if schema is None else answer_type(schema)
    asked = to_wire(value, "interrupt payload")
    if schema is not None and default is not MISSING:
        check_answer(declared, to_wire(default, "interrupt default"), "by default", asked)
    return Ask(
        value=asked,
        timeout=None if timeout is None else to_timedelta(timeout).total_seconds(),
        default=MISSING if default is MISSING else to_wire(default, "interrupt default"),
        escalate_after=None if escalate_after is None else to_timedelta(escalate_after).total_seconds(),
        answer_type=declared,
    )


async def execute_node(
    node: Node,
    call: NodeCall,
    *,
    writer: StreamWriter,
    store: Store | None = None,
    executor: Executor | None = None,
) -> NodeResult:
    """Run an activity-side node.

    Args:
        node: The node.
        call: Its input.
        writer: Receives every piece of custom stream data at once.
        store: For a node that takes one.
        executor: Threads for plain functions; ``None`` is the event loop's own.

    Raises:
        Exception: Whatever the node raises.
        GraphError: It takes a store, and there is none.
        InvalidUpdateError: It returned something that is no update of the state.
    """
    custom: list[Any] = []

    def write(data: Any) -> None:
        custom.append(to_wire(data, f"custom stream data of {node.full_name}"))
        writer(custom[-1])

    extras: dict[str, Any] = {"config": call.config, "writer": write, "store": store}
    if node.wants_store and store is None:
        raise no_store(node.full_name)
    args, kwargs = node.arguments(_state_argument(node, call), extras)
    try:
        with asking_through(ReplayedAnswers(call.answers)):
            if node.is_async:
                returned = await node.fn(*args, **kwargs)
            else:
                returned = await in_thread(executor, lambda: node.fn(*args, **kwargs))
    except NodeInterrupt as interrupted:
        return NodeResult(ask=interrupted.ask, custom=custom)
    except StoreError as error:
        raise located(error, node.full_name) from error
    return NodeResult(outcome=node.outcome(returned), custom=custom)


def located(error: StoreError, owner: str) -> StoreError:
    """The same error, naming the node that let it pass."""
    return StoreError(f"{owner}: {error.message}", **error.details)


def no_store(owner: str) -> GraphError:
    """The error of code that wants a store where there is none."""
    return GraphError(
        f"{owner} wants a store, but neither its graph nor one around it has one. Compile one of them with store=...."
    )


def _state_argument(node: Node, call: NodeCall) -> Any:
    if call.sent:
        return node.payload_for(call.payload)
    return node.state_for(node.schema.decode(call.state, node.full_name))


async def in_thread(executor: Executor | None, fn: Callable[[], Any]) -> Any:
    """Run a plain function in a thread, with the context variables of the caller."""
    context = contextvars.copy_context()

    def call() -> Any:
        try:
            return context.run(fn)
        except StopIteration as error:  # a future cannot carry it: the caller would wait for ever
            raise RuntimeError(f"StopIteration raised by a node: {error}") from error

    return await asyncio.get_running_loop().run_in_executor(executor, call)
