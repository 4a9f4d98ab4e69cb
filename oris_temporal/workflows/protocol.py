"""The wire between clients, the graph workflow and node activities: names, and the shapes of arguments and results.

Everything is plain JSON, so any Temporal SDK, the `temporal` CLI and the Web UI can start, answer and read runs:

- The workflow type is the graph's name; its arguments are the input, and optionally an options object (`RunOptions`).
- Signals: ``resume`` (answer, options), and any other name, which reaches ``ctx.wait_signal(name)``.
- Updates: ``resume``, ``reject``, ``update_state``, and ``wait``, which returns when the run settles.
- Queries: ``state``, ``history``, ``interrupts``, ``timeline``, ``graph``, ``checkpoint``, ``seed``, ``check_input``, ``events``,
  ``field``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from functools import cache
from hashlib import sha256
from typing import Any, Self, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError

from oris_temporal.graph.control import MISSING, Command, Send
from oris_temporal.graph.duration import Duration, to_timedelta
from oris_temporal.graph.errors import SerializationError
from oris_temporal.graph.node import Node

RESUME = "resume"
REJECT = "reject"
UPDATE_STATE = "update_state"
WAIT = "wait"

QUERY_STATE = "state"
QUERY_HISTORY = "history"
QUERY_INTERRUPTS = "interrupts"
QUERY_TIMELINE = "timeline"
QUERY_GRAPH = "graph"
QUERY_CHECKPOINT = "checkpoint"
QUERY_SEED = "seed"
QUERY_INPUT = "check_input"
QUERY_EVENTS = "events"
QUERY_FIELD = "field"

FIRST_CHECKPOINT = "first"
"""Stands for the checkpoint a run started with."""

CHILD_WAITS = "oris_child_waits"
"""Signal by which a child workflow tells its parent what it waits for."""

MEMO = "oris"
"""Memo key under which a run keeps what listing, and the thread's next run, need: its ordinal, its interrupts, the run before it, the
keys of its callers."""

KEPT_KEYS = 50
"""Keys of callers that a thread remembers: of starts, and of answers."""

LLM = "llm"
"""Activity type of model calls."""

CANCEL_RUN = "oris.cancel_run"
"""Activity type by which a run whose question was rejected has itself cancelled."""

BREATHE = "oris.breathe"
"""Type of the local activity by which a run that works for long lets go of its thread."""

IS_SET_UP = "oris.is_set_up"
"""Type of the local activity that tells a run which somebody else's code started whether it may set search attributes."""

STORE = "store"
"""Activity type of what workflow-side nodes ask of a store."""

REMOTE_HEARTBEAT = timedelta(seconds=60)
"""Silence of all facades after which a remote node is given to the next that comes up. Workers may be silent for as long as their leases
let them."""

PAYLOAD_LIMIT = 2_000_000
"""Bytes of JSON accepted for one payload; Temporal's own limit is 2 MiB (docs: self-hosted defaults, ``limit.blobSize.error``)."""

CARRIED_LIMIT = 2_080_000
"""Bytes of JSON that continue-as-new carries over: a state of `PAYLOAD_LIMIT`, and a little beside it."""

INLINE_LIMIT = 16_000
"""Bytes of state an activity gets inline; larger fields are passed by reference and pulled by query, at no cost in history."""

TAIL_LIMIT = 64_000
"""Bytes of new list items that go along with a field passed by reference; more are pulled by query."""

INLINE_RESULT_LIMIT = 8_000
"""Bytes of state that a waiting run reports inline; a larger state is read by query."""

INLINE_FINAL_LIMIT = 1_000
"""Bytes of state that a completed run reports inline; a larger state is read from the workflow's result."""


def remote_queue(task_queue: str) -> str:
    """Task queue on which the facades take over the remote nodes of runs of another one."""
    return f"{task_queue}-remote"


def key_digest(key: str) -> str:
    """A caller's key as the memo has it."""
    return sha256(key.encode(errors="backslashreplace")).hexdigest()[:16]


def taken_by(memo: Mapping[str, Any], key: str) -> int | None:
    """Ordinal of the run that took an answer under a key, as far as the memo of a thread's latest run knows."""
    answered: list[list[Any]] = memo.get("answered", [])
    return next((int(ordinal) for digest, ordinal in answered if digest == key_digest(key)), None)


BY_HAND = ConfigDict(extra="forbid")
"""For what people write as well: a name that is misspelt is refused."""


class Wire:
    """A dataclass whose JSON form leaves out fields at their default, which keeps history small."""

    def to_wire(self) -> dict[str, Any]:
        """JSON form."""
        return {name: value for name, default in self._defaults().items() if (value := getattr(self, name)) != default}

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any] | None) -> Self:
        """Read the JSON form; unknown keys, of a newer version, are left aside."""
        known = cls._defaults()
        return cls(**{name: value for name, value in (wire or {}).items() if name in known})

    @classmethod
    def read(cls, wire: Any) -> Self:
        """Read a JSON form that may have been written by hand.

        Raises:
            SerializationError: It is none.
        """
        try:
            return cast("Self", cls._adapter().validate_python({} if wire is None else wire))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "all of it"
            raise SerializationError(
                f"{cls.__name__} are an object of {', '.join(cls._defaults())}. {place}: {first['msg']}."
            ) from None

    @classmethod
    @cache
    def _adapter(cls) -> TypeAdapter[Any]:
        return TypeAdapter(cls)

    @classmethod
    @cache
    def _defaults(cls) -> dict[str, Any]:
        return {field.name: field.default for field in fields(cls)}  # type: ignore[arg-type]


@dataclass(slots=True)
class RunOptions(Wire):
    """Second argument of a graph workflow.

    Attributes:
        config: Run configuration (`RunnableConfig`).
        thread_id: The thread; ``None`` means the workflow id.
        run: Ordinal of the run within the thread.
        interrupts: Interrupts the thread asked in earlier runs.
        interrupt_before: Static breakpoints in place of the graph's own.
        interrupt_after: Likewise.
        values: State fields to start from, beneath the input.
        seed: State of a checkpoint to start from, in place of an input.
        parent: Checkpoint id the seed was taken from.
        edit: Change to make to the seed first: ``update``, ``as_node``, ``goto``, ``hold``.
        carried: What continue-as-new hands over.
        history_limit: Events after which the run continues as new, in place of the server's suggestion.
        child_task: In a subgraph with its own workflow, the parent's task.
        store: Likewise, the graph around it whose store it uses.
    """

    __pydantic_config__ = BY_HAND

    config: dict[str, Any] | None = None
    thread_id: str | None = None
    run: int = 1
    interrupts: int = 0
    interrupt_before: list[str] | None = None
    interrupt_after: list[str] | None = None
    values: dict[str, Any] | None = None
    seed: dict[str, Any] | None = None
    parent: str | None = None
    edit: dict[str, Any] | None = None
    carried: dict[str, Any] | None = None
    history_limit: int | None = None
    child_task: str | None = None
    store: str | None = None


@dataclass(slots=True)
class ResumeOptions(Wire):
    """Second argument of ``resume``.

    Attributes:
        interrupt_id: The interrupt that is answered, if several are pending.
        by_id: The answer is an object of interrupt id to answer.
        author: Who answers.
        no_value: There is no answer; without `update` and `goto`, static breakpoints are let go.
        keyed: Whether the update's id is a caller's key; the same id again, in whatever run of the thread, changes nothing.
        update: State update to merge first.
        goto: Destinations that replace what runs next; with an answer, what comes after it. A `Send` is ``{"node", "payload"}``.
    """

    __pydantic_config__ = BY_HAND

    interrupt_id: str | None = None
    by_id: bool = False
    author: str | None = None
    no_value: bool = False
    keyed: bool = False
    update: dict[str, Any] | None = None
    goto: list[str | dict[str, Any]] | None = None

    @property
    def names_question(self) -> bool:
        """Whether the answer says by id what it answers."""
        return self.by_id or self.interrupt_id is not None

    @property
    def edits(self) -> bool:
        """Whether they change the state, or what runs next."""
        return self.update is not None or bool(self.goto)

    def command(self, value: Any) -> Command:
        """The answer and these options as a command."""
        goto = [
            item if isinstance(item, str) else Send(str(item.get("node")), item.get("payload"))
            for item in self.goto or ()
        ]
        return Command(update=self.update, goto=goto, resume=MISSING if self.no_value else value)


@dataclass(slots=True)
class ChildWaits(Wire):
    """What a child workflow waits for, as it tells its parent.

    Attributes:
        settled: Whether all of it waits for people.
        pending: Its unanswered interrupts, each with the ``order`` of its place.
        signals: Signals that its nodes wait for, oldest first: ids of the waits, and names.
        asked: Interrupts it told of before that were settled since.
    """

    settled: bool = False
    pending: list[dict[str, Any]] | None = None
    signals: list[tuple[str, str]] | None = None
    asked: list[dict[str, Any]] | None = None


@dataclass(slots=True)
class RunReport(Wire):
    """How far a run got: the result of ``wait`` and ``resume``, and of the query ``state``.

    Attributes:
        status: ``running``, ``interrupted``, ``completed``, ``failed`` or ``cancelled``.
        checkpoint_id: Latest checkpoint.
        values: The state, unless it is large (see `INLINE_RESULT_LIMIT` and `INLINE_FINAL_LIMIT`).
        fields: For a state too large for one answer to the query, names of its fields, to be asked for by ``field``.
        next: Nodes that run next, or are running, if there are any.
        interrupts: What the run waits for, if it waits.
        error: For a failed run: ``code``, ``message``, ``details``.
        continued: The run continued as new; ask its successor.
        usage: What its model calls used, by model (`Usage.to_wire`), if it made any.
        repeats: Ordinal of the earlier run of the thread that took the answer; this one did not take it again.
    """

    status: str
    checkpoint_id: str | None = None
    values: dict[str, Any] | None = None
    fields: list[str] | None = None
    next: list[str] | None = None
    interrupts: list[dict[str, Any]] | None = None
    error: dict[str, Any] | None = None
    continued: bool = False
    usage: dict[str, dict[str, Any]] | None = None
    repeats: int | None = None


@dataclass(slots=True)
class NodeInput(Wire):
    """Argument of a node activity.

    Attributes:
        state: State fields the node reads, in JSON form.
        refs: Fields passed by reference: name -> ``[namespace, generation, length]``, and for a list that grew since it was last
            passed the items it got.
        payload: In a list of one, the payload of a `Send`, which takes the place of the state.
        config: Run configuration, where it says more than the thread id.
        answers: Answers to the interrupts the node raised so far.
        store: For a node that takes a store, the graph whose store it is, if that is another.
        remote: For a remote node, what the facade is told (`RemoteNode`).
    """

    state: dict[str, Any] | None = None
    refs: dict[str, list[Any]] | None = None
    payload: list[Any] | None = None
    config: dict[str, Any] | None = None
    answers: list[Any] | None = None
    store: str | None = None
    remote: dict[str, Any] | None = None


@dataclass(slots=True)
class RemoteNode(Wire):
    """What the facade that takes a remote node over is told of it.

    Attributes:
        graph: Name of its graph.
        node: Its name there.
        timeout_ms: Milliseconds that an attempt may take.
        maximum_attempts: Attempts in all; ``0`` means no limit.
        backoff_ms: Milliseconds before the second attempt.
        multiplier: Factor from one such wait to the next.
        max_backoff_ms: Longest of them, in milliseconds.
    """

    graph: str
    node: str
    timeout_ms: int
    maximum_attempts: int
    backoff_ms: int
    multiplier: float
    max_backoff_ms: int

    @classmethod
    def of(cls, graph: str, node: Node) -> RemoteNode:
        """A node of a graph, by its options."""
        retry = node.options.retry
        return cls(
            graph=graph,
            node=node.name,
            timeout_ms=_millis(node.options.timeout),
            maximum_attempts=retry.maximum_attempts,
            backoff_ms=max(_millis(retry.initial_interval), 1),
            multiplier=retry.backoff_coefficient,
            max_backoff_ms=max(_millis(retry.maximum_interval), 1),
        )


def _millis(duration: Duration) -> int:
    return round(to_timedelta(duration).total_seconds() * 1_000)


@dataclass(slots=True)
class ModelInput(Wire):
    """Argument of the activity ``llm``.

    Attributes:
        model: The model with its options (`ChatModel.to_wire`).
        messages: The conversation: ``[log, length]``, or ``[log, length, tail]`` with its last messages.
        form: Name of its tools and response format, where it has any.
        held: Whether watchers see nothing of it.
    """

    model: dict[str, Any]
    messages: list[Any]
    form: str | None = None
    held: bool = False


@dataclass(slots=True)
class ToolInput(Wire):
    """Argument of a tool activity.

    Attributes:
        args: Arguments as JSON data.
        call_id: Id of the model's call.
        graph: The graph that calls it; tools of other graphs may have the same name.
        state: For a tool that wants a `Runtime`, as in `NodeInput`.
        refs: Likewise.
        config: Likewise.
        store: Likewise, the graph whose store it gets, if that is another.
        answers: Answers to the questions it asked so far.
    """

    args: dict[str, Any]
    call_id: str = ""
    answers: list[Any] | None = None
    graph: str | None = None
    state: dict[str, Any] | None = None
    refs: dict[str, list[Any]] | None = None
    config: dict[str, Any] | None = None
    store: str | None = None


@dataclass(slots=True)
class StoreInput(Wire):
    """Argument of the activity ``store``.

    Attributes:
        graph: The graph whose store it is.
        request: What is asked of it (`RemoteStore`).
    """

    graph: str
    request: dict[str, Any]


@dataclass(slots=True)
class NodeOutput(Wire):
    """Result of a node activity.

    Attributes:
        update: Its partial update, if there is one.
        updates: Its partial updates, if there are several.
        goto: Destinations of its `Command`.
        ask: The interrupt it raised, in place of a result.
        custom: What it wrote to the custom stream.
        later: In a fused chain, the outputs of the nodes after the first.
        failed: In a fused chain, how the node after those failed: ``type``, ``message``, ``details``, and whether it is ``final``.
    """

    update: dict[str, Any] | None = None
    updates: list[dict[str, Any]] | None = None
    goto: list[Any] | None = None
    ask: dict[str, Any] | None = None
    custom: list[Any] | None = None
    later: list[dict[str, Any]] | None = None
    failed: dict[str, Any] | None = None
