"""Interrupts: a node hands a value to a person and waits for one in return.

`InterruptDesk` keeps what one run asked, what was answered and by whom. It is pure bookkeeping: both hosts wait on its
futures with their own timers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import TypeAdapter

from .answer_types import check_answer
from .control import MISSING
from .duration import Duration
from .errors import (
    AmbiguousResumeError,
    InterruptConflictError,
    InterruptNotFoundError,
    InterruptOutsideRunError,
    InvalidAnswerError,
    NotInterruptedError,
)
from .requests import check_answers
from .wire import to_wire, wire_size

if TYPE_CHECKING:
    from oris_temporal.tools import Tool

InterruptKind = Literal["interrupt", "before", "after"]
InterruptStatus = Literal["pending", "resumed", "rejected"]

Order = tuple[int, ...]
"""Place of a question: positions of the tasks that lead to it, and of the call within its task."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a node asks, before it has an id; JSON-ready.

    Attributes:
        value: The payload for the person.
        timeout: Seconds until the deadline, or ``None``.
        default: Answer at the deadline; `MISSING` lets the node fail with `InterruptTimeoutError`.
        escalate_after: Seconds until the interrupt is marked as escalated, or ``None``.
        answer_type: The type that an answer must fit, as `answer_type` writes it, or ``None``.
        tool: Name of the tool that asks, or ``None``.
        tool_call_id: Id of the model's call of that tool, or ``None``.
    """

    value: Any
    timeout: float | None = None
    default: Any = MISSING
    escalate_after: float | None = None
    answer_type: Any = None
    tool: str | None = None
    tool_call_id: str | None = None

    def to_wire(self) -> dict[str, Any]:
        """JSON form without the fields that are not set."""
        wire: dict[str, Any] = {"value": self.value}
        for name in ("timeout", "escalate_after", "answer_type", "tool", "tool_call_id"):
            if getattr(self, name) is not None:
                wire[name] = getattr(self, name)
        if self.default is not MISSING:
            wire["default"] = self.default
        return wire

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Ask:
        """Read the JSON form."""
        return cls(**wire)


@dataclass(slots=True)
class Interrupt:
    """One question a run asks.

    Attributes:
        id: ``int-<thread_id>-<n>``, n counting per thread.
        thread_id: The thread that asks.
        node: Node that asks, without the graph's name.
        namespace: Namespace of the subgraph it is in; empty at the top.
        value: The payload for the person.
        kind: ``interrupt``, or ``before``/``after`` for a static breakpoint.
        created_at: When it was asked.
        deadline: When the default is taken or the node fails, or ``None``.
        answer_schema: JSON schema an answer must fit, or ``None``.
        answer_type: The type the schema describes, as `answer_type` writes it, or ``None``.
        tool: Name of the tool that asks, or ``None`` if the node itself does.
        tool_call_id: Id of the model's call of that tool, or ``None``.
        escalated: Whether it waited longer than its escalation time.
        status: ``pending``, ``resumed`` or ``rejected``; the last also, with `answered_at` ``None``, when nobody can answer it any
            more: its deadline passed without a default, its node or the run ended, or the run went on elsewhere.
        answer: The answer it got (at the deadline its default), or the reason of its rejection.
        author: Who answered, if known.
        answered_at: When.
        key: The call that asks; the same when a run is carried over to another history.
    """

    id: str
    thread_id: str
    node: str
    value: Any
    created_at: datetime
    namespace: str = ""
    kind: InterruptKind = "interrupt"
    deadline: datetime | None = None
    answer_schema: dict[str, Any] | None = None
    answer_type: Any = None
    tool: str | None = None
    tool_call_id: str | None = None
    escalated: bool = False
    status: InterruptStatus = "pending"
    answer: Any = None
    author: str | None = None
    answered_at: datetime | None = None
    key: str = ""

    @property
    def asker(self) -> str:
        """Who asks, for people: the node, and the tool that it calls."""
        if self.tool is None:
            return self.node
        return f"{self.node}: {self.tool}" + (f" ({self.tool_call_id})" if self.tool_call_id else "")

    def to_wire(self) -> dict[str, Any]:
        """JSON form, without what its id says or its run alone needs, and without fields at their default."""
        wire: dict[str, Any] = to_wire(self, f"interrupt {self.id}")
        del wire["thread_id"], wire["key"]
        keep = ("id", "node", "value", "created_at")
        return {name: value for name, value in wire.items() if name in keep or value != _WIRE_DEFAULTS.get(name)}

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Interrupt:
        """Read an interrupt's JSON form."""
        return _INTERRUPT.validate_python({**wire, "thread_id": thread_of(str(wire["id"]))})


def thread_of(interrupt_id: str) -> str | None:
    """Thread of an interrupt id; ``None`` if it is no such id."""
    thread_id, _, number = interrupt_id.removeprefix("int-").rpartition("-")
    well_formed = interrupt_id.startswith("int-") and thread_id and number.isascii() and number.isdigit()
    return thread_id if well_formed else None


_INTERRUPT: TypeAdapter[Interrupt] = TypeAdapter(Interrupt)
_WIRE_DEFAULTS = {"namespace": "", "kind": "interrupt", "escalated": False, "status": "pending"}


def number_of(interrupt_id: str) -> int:
    """Number of an interrupt within its thread."""
    return int(interrupt_id.rpartition("-")[2])


CARRIED_BYTES = 100_000
"""Bytes of settled interrupts that a run keeps when it continues as new."""


@dataclass(slots=True)
class _Open:
    interrupt: Interrupt
    order: Order
    future: asyncio.Future[Any]


@dataclass
class InterruptDesk:
    """All interrupts of one run.

    Args:
        thread_id: The thread.
        count: Interrupts the thread has asked so far, over all its runs.
        tools_of: Tools of the graph that asks something, by name, as far as they are known.
        asked: Interrupts this run has asked, by id.
    """

    thread_id: str
    count: int = 0
    tools_of: Callable[[Interrupt], Mapping[str, Tool]] = lambda _: {}
    asked: dict[str, Interrupt] = field(default_factory=dict)
    _open: dict[str, _Open] = field(default_factory=dict)

    @property
    def pending(self) -> list[Interrupt]:
        """Unanswered interrupts, ordered by task and by call within the task."""
        return [interrupt for interrupt, _ in self.waiting]

    @property
    def waiting(self) -> list[tuple[Interrupt, Order]]:
        """Unanswered interrupts with what they are ordered by."""
        entries = sorted(self._open.values(), key=lambda entry: entry.order)
        return [(entry.interrupt, entry.order) for entry in entries]

    def carry_settled(self) -> list[dict[str, Any]]:
        """The settled interrupts that a run keeps when it continues as new: the latest; earlier histories have them all."""
        carried: list[dict[str, Any]] = []
        size = 0
        for item in reversed(self.asked.values()):
            if item.status == "pending":
                continue
            wire = item.to_wire()
            size += wire_size(wire)
            if size > CARRIED_BYTES:
                break
            carried.append(wire)
        return carried

    def restore(self, settled: Sequence[Mapping[str, Any]], pending: Iterable[Interrupt]) -> None:
        """Take over what `carry_settled` returned, and what waits for answers."""
        asked = [*map(Interrupt.from_wire, settled), *pending]
        self.asked = {item.id: item for item in sorted(asked, key=lambda item: number_of(item.id))}

    def open(self, interrupt: Interrupt, order: Order) -> asyncio.Future[Any]:
        """Register a question; the future gets the answer's JSON value."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.asked[interrupt.id] = interrupt
        self._open[interrupt.id] = _Open(interrupt, order, future)
        return future

    def next_id(self) -> str:
        """A fresh interrupt id."""
        self.count += 1
        return f"int-{self.thread_id}-{self.count - 1}"

    def withdraw(self, interrupt_id: str) -> None:
        """Take a question back, if it is still unanswered; a static breakpoint lets go."""
        entry = self._open.pop(interrupt_id, None)
        if entry is None:
            return
        if entry.interrupt.status == "pending":
            entry.interrupt.status, entry.interrupt.answer = "rejected", "nobody waits for the answer any more"
        if entry.interrupt.kind != "interrupt" and not entry.future.done():
            entry.future.set_result(None)

    def plan(self, value: Any, *, by_id: bool = False, interrupt_id: str | None = None) -> dict[str, Any]:
        """Work out which interrupts an answer is for, changing nothing.

        Args:
            value: The answer, or with ``by_id`` an object of interrupt id to answer.
            by_id: Whether `value` answers by id.
            interrupt_id: The one interrupt that `value` answers.

        Returns:
            Interrupt id to answer; ids whose same answer is already recorded are left out.

        Raises:
            NotInterruptedError: Nothing is pending.
            AmbiguousResumeError: One value for several pending interrupts.
            InterruptNotFoundError: An id this run never asked.
            InterruptConflictError: An id already answered differently, or rejected.
            InvalidAnswerError: An answer that does not fit the declared schema.
        """
        if by_id:
            answers = dict(check_answers(value))
        elif interrupt_id is not None:
            answers = {interrupt_id: value}
        else:
            answers = {self._only("Answer by id: resume(thread_id, {interrupt_id: value}, by_id=True)."): value}
        return {id: answer for id, answer in answers.items() if not self._is_repeat(id, answer)}

    def answer(self, answers: Mapping[str, Any], *, author: str | None, at: datetime) -> None:
        """Record answers that `plan` returned and wake the nodes that wait for them."""
        for id, value in answers.items():
            entry = self._open.pop(id)
            entry.interrupt.status, entry.interrupt.answer = "resumed", value
            entry.interrupt.author, entry.interrupt.answered_at = author, at
            if not entry.future.done():
                entry.future.set_result(value)

    def settle(self, interrupt_id: str, item: Interrupt, *, at: datetime | None) -> None:
        """Record what became of a question elsewhere, as `item` has it. Nobody waits for it here any more."""
        self._open.pop(interrupt_id, None)
        known = self.asked[interrupt_id]
        known.status, known.answer, known.author, known.answered_at = item.status, item.answer, item.author, at

    def breakpoints(self, interrupt_id: str | None = None) -> list[str]:
        """Ids of the static breakpoints that may be let go without an answer: all, or the one with an id.

        Raises:
            NotInterruptedError: Nothing is pending.
            InterruptNotFoundError: An id this run never asked.
            InvalidAnswerError: The id is that of a question.
        """
        if interrupt_id is not None:
            if self._known(interrupt_id).kind == "interrupt":
                raise InvalidAnswerError(f"Interrupt {interrupt_id!r} is a question; it takes an answer.")
            return list(self.plan(None, interrupt_id=interrupt_id))
        if not self._open:
            raise NotInterruptedError(f"Thread {self.thread_id!r} is not waiting for an answer.")
        return [item.id for item in self.pending if item.kind != "interrupt"]

    def check_reject(self, interrupt_id: str | None) -> str:
        """The id of the interrupt that may be rejected, changing nothing.

        Raises:
            NotInterruptedError: Nothing is pending.
            AmbiguousResumeError: Several are pending and no id was given.
            InterruptNotFoundError: An id this run never asked.
            InterruptConflictError: It was already answered or rejected.
        """
        id = interrupt_id or self._only("Say which is rejected: reject(thread_id, interrupt_id).")
        known = self._known(id)
        if known.status != "pending":
            raise InterruptConflictError(
                f"Interrupt {id!r} is already {known.status}.", interrupt_id=id, status=known.status
            )
        return id

    def reject(self, interrupt_id: str | None, reason: str, *, author: str | None, at: datetime) -> str:
        """Refuse to answer; the node never resumes. Returns the interrupt's id. For the errors see `check_reject`."""
        known = self.asked[self.check_reject(interrupt_id)]
        known.status, known.answer, known.author, known.answered_at = "rejected", reason, author, at
        return known.id

    def _only(self, remedy: str) -> str:
        """The one interrupt that is pending."""
        if not self._open:
            raise NotInterruptedError(f"Thread {self.thread_id!r} is not waiting for an answer.")
        if len(self._open) > 1:
            raise AmbiguousResumeError(
                f"Thread {self.thread_id!r} waits for {len(self._open)} answers ({', '.join(self._open)}). {remedy}",
                pending=list(self._open),
            )
        return next(iter(self._open))

    def _known(self, id: str) -> Interrupt:
        if id not in self.asked:
            raise InterruptNotFoundError(f"Thread {self.thread_id!r} has no interrupt {id!r}.", interrupt_id=id)
        return self.asked[id]

    def _is_repeat(self, id: str, value: Any) -> bool:
        known = self._known(id)
        if known.status == "resumed" and same_json(known.answer, value):
            return True
        if known.status != "pending" or id not in self._open:
            how = "resumed with a different value" if known.status == "resumed" else known.status
            raise InterruptConflictError(f"Interrupt {id!r} is already {how}.", interrupt_id=id, status=known.status)
        if known.answer_type is not None:
            check_answer(known.answer_type, value, id, known.value, self.tools_of(known))
        return False


def same_json(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; ``1``, ``1.0`` and ``True`` differ."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same_json(item, other[key]) for key, item in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    return bool(one == other)


# --- interrupt() ---------------------------------------------------------------------------------------------------


class Asker(Protocol):
    """What `interrupt` needs from the node that is running."""

    async def interrupt(
        self,
        value: Any,
        *,
        timeout: Duration | None,
        default: Any,
        escalate_after: Duration | None,
        schema: Any,
    ) -> Any:
        """Ask and return the answer."""


_current_asker: ContextVar[Asker | None] = ContextVar("oris_current_asker", default=None)


class asking_through:  # noqa: N801 - it reads as what it does
    """Lets `interrupt` ask through `asker` while the block runs."""

    __slots__ = ("_asker", "_token")

    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    def __enter__(self) -> None:
        self._token = _current_asker.set(self._asker)

    def __exit__(self, *_: object) -> None:
        try:  # noqa: SIM105 - every node comes by here, and `suppress` costs more
            _current_asker.reset(self._token)
        except ValueError:  # a coroutine that was dropped is closed in the context of another
            pass


async def interrupt(
    value: Any,
    *,
    timeout: Duration | None = None,
    default: Any = MISSING,
    escalate_after: Duration | None = None,
    schema: Any = None,
) -> Any:
    """Pause the node or tool, hand `value` to a person and return the answer.

    In a node that takes a `Context` the coroutine simply waits. In an activity node the attempt ends, and when the answer is
    there the node runs again from its beginning with every answer so far, so what it does before the call must be safe to
    repeat. The same goes for tools: one that runs in the workflow waits in place, any other runs again; the question names the tool and
    the model's call, and the other calls of the turn are not made again.

    Args:
        value: JSON-ready payload shown to the person.
        timeout: Longest wait for the answer.
        default: Answer taken at the deadline. Without one the call raises `InterruptTimeoutError`.
        escalate_after: After this time without an answer the interrupt is marked as escalated.
        schema: Type that the answer must fit, and is returned as: a class at the top level of a module, or a type made of such
            (``list[int]``, ``Literal["yes", "no"]``, ``Decision | None``).

    Raises:
        InterruptOutsideRunError: No node or tool is running.
        InterruptTimeoutError: The deadline passed and there is no default.
    """
    asker = _current_asker.get()
    if asker is None:
        raise InterruptOutsideRunError("interrupt() works only inside a node or tool that a graph run is executing.")
    return await asker.interrupt(value, timeout=timeout, default=default, escalate_after=escalate_after, schema=schema)
