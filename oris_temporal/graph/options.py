"""Options of nodes: retries, time limits and where they run."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import Any, Literal, cast, get_args

from .duration import Duration, to_timedelta
from .errors import GraphCompileError, OrisError

RunAs = Literal["activity", "local", "workflow", "remote"]
"""Where a node runs: a Temporal activity, a local activity, inside the workflow, or with workers that poll over HTTP."""

MISTAKES: tuple[type[BaseException], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    NotImplementedError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""Errors that another attempt cannot cure; a default `RetryPolicy` does not retry them."""


def _duration(what: str, value: Duration) -> timedelta:
    try:
        return to_timedelta(value)
    except ValueError as error:
        raise GraphCompileError(f"{what}: {error}") from None


def _optional(what: str, value: Duration | None) -> timedelta | None:
    return None if value is None else _duration(what, value)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how fast a failing node is tried again. Temporal does the retrying; it costs no history.

    Args:
        maximum_attempts: Attempts in all, at least 1; ``0`` means no limit.
        initial_interval: Wait before the second attempt.
        backoff_coefficient: Factor from one wait to the next, at least 1.
        maximum_interval: Longest wait.
        retry_on: Error classes worth another attempt; none of them means never. ``None``: everything but programming mistakes
            (`MISTAKES`: ``ValueError``, ``TypeError``, ``KeyError`` and the like) and those errors of this package that say so
            (`OrisError.is_retryable`).

    Raises:
        GraphCompileError: A number is out of range, an interval is not a duration, or `retry_on` has something else than errors.
    """

    maximum_attempts: int = 3
    initial_interval: Duration = "1s"
    backoff_coefficient: float = 2.0
    maximum_interval: Duration = "1m"
    retry_on: Sequence[type[BaseException]] | None = None

    def __post_init__(self) -> None:
        if self.retry_on is not None:
            object.__setattr__(self, "retry_on", _error_classes(self.retry_on))
        if self.maximum_attempts < 0 or self.backoff_coefficient < 1:
            raise GraphCompileError(
                f"RetryPolicy: maximum_attempts={self.maximum_attempts} must not be negative and "
                f"backoff_coefficient={self.backoff_coefficient} must be at least 1."
            )
        _duration("RetryPolicy.initial_interval", self.initial_interval)
        _duration("RetryPolicy.maximum_interval", self.maximum_interval)

    def retries(self, error: BaseException) -> bool:
        """Whether `error` is worth another attempt."""
        if self.retry_on is not None:
            return isinstance(error, cast("tuple[type[BaseException], ...]", self.retry_on))
        if isinstance(error, OrisError):
            return error.is_retryable
        return isinstance(error, Exception) and not isinstance(error, MISTAKES)

    def wait_before(self, attempt: int) -> timedelta | None:
        """Wait before `attempt` (2 is the first retry), or ``None`` if the attempts are used up."""
        if self.maximum_attempts and attempt > self.maximum_attempts:
            return None
        longest = to_timedelta(self.maximum_interval)
        try:
            return min(to_timedelta(self.initial_interval) * self.backoff_coefficient ** (attempt - 2), longest)
        except OverflowError:
            return longest

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> RetryPolicy:
        """Read a policy from plain data, as in a graph file; ``retry_on`` names built-in exceptions.

        Raises:
            GraphCompileError: An option or an exception does not exist.
        """
        known = [item.name for item in fields(cls)]
        if unknown := [name for name in data if name not in known]:
            raise GraphCompileError(f"retry has no option {unknown[0]!r}; there are {', '.join(known)}.")
        named = dict(data)
        if (names := named.pop("retry_on", None)) is not None:
            named["retry_on"] = [_exception(name) for name in names]
        return cls(**named)


def _error_classes(given: Any) -> tuple[type[BaseException], ...]:
    classes = (given,) if isinstance(given, type) else tuple(given)
    for item in classes:
        if not (isinstance(item, type) and issubclass(item, BaseException)):
            raise GraphCompileError(f"RetryPolicy: retry_on takes error classes, not {item!r}.")
    return classes


def _exception(name: str) -> type[BaseException]:
    found = getattr(builtins, name, None)
    if not (isinstance(found, type) and issubclass(found, BaseException)):
        raise GraphCompileError(f"retry_on: {name!r} is no built-in exception.")
    return found


NO_RETRY = RetryPolicy(maximum_attempts=1)
"""One attempt only."""


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """Options of one node; the same words as a Temporal activity's options.

    Attributes:
        run_as: Where it runs; ``None`` lets the signature decide (a `Context` parameter means the workflow).
        retry: Retry policy of an activity node.
        timeout: Longest time for one attempt (start to close).
        total_timeout: Longest time with all attempts (schedule to close); ``None`` is no limit.
        schedule_to_start: Longest wait for a free worker; ``None`` is no limit.
        heartbeat: A worker silent for this long counts as lost and the node is tried elsewhere. Beats are sent for the node.
        task_queue: Task queue of its workers; ``None`` is the run's own.
        priority: 1 (first) to 5 (last); ``None`` inherits the run's.
        fuse: Run in one activity with the node before it, when that is its only predecessor.
        reads: State fields the node needs; ``None`` lets the annotation of its state parameter decide, else all.
        summary: Text for the Web UI in place of the default.
        given: Names of the options that were given; the others are at their default.
    """

    run_as: RunAs | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeout: Duration = "10m"
    total_timeout: Duration | None = None
    schedule_to_start: Duration | None = None
    heartbeat: Duration = "30s"
    task_queue: str | None = None
    priority: int | None = None
    fuse: bool = False
    reads: tuple[str, ...] | None = None
    summary: str | None = None
    given: frozenset[str] = frozenset()

    @classmethod
    def of(cls, **options: Any) -> NodeOptions:
        """Options as given; ``None`` and ``False`` leave one at its default."""
        given = {name: value for name, value in options.items() if value is not None and value is not False}
        return cls(**given, given=frozenset(given))

    def checked(self, owner: str) -> NodeOptions:
        """These options with durations parsed, or a `GraphCompileError` that names `owner` and the option."""
        if self.run_as is not None and self.run_as not in get_args(RunAs):
            raise GraphCompileError(f"{owner}: run_as={self.run_as!r} must be one of {', '.join(get_args(RunAs))}.")
        if self.priority is not None and self.priority not in range(1, 6):
            raise GraphCompileError(f"{owner}: priority={self.priority!r} must be 1 (first) to 5 (last).")
        for option in ("task_queue", "summary"):
            value = getattr(self, option)
            if value is not None and (not isinstance(value, str) or not value):
                raise GraphCompileError(f"{owner}: {option}={value!r} must be text.")
        if isinstance(self.reads, str):
            raise GraphCompileError(f"{owner}: reads={self.reads!r} must be a list of state fields.")
        if not isinstance(self.retry, RetryPolicy):
            raise GraphCompileError(f"{owner}: retry must be a RetryPolicy, not {type(self.retry).__name__}.")
        return replace(
            self,
            timeout=_duration(f"{owner}: timeout", self.timeout),
            total_timeout=_optional(f"{owner}: total_timeout", self.total_timeout),
            schedule_to_start=_optional(f"{owner}: schedule_to_start", self.schedule_to_start),
            heartbeat=_duration(f"{owner}: heartbeat", self.heartbeat),
        )

    def check_effect(self, owner: str, side: str) -> None:
        """Refuse an option that would change nothing.

        Args:
            owner: The node, for the error.
            side: Where it runs: ``activity``, ``local``, ``workflow``, or for a graph ``inline`` or ``child_workflow``.

        Raises:
            GraphCompileError: There is one; the message says where it has an effect.
        """
        what, effective, remedy = _EFFECTIVE[side]
        if idle := [item.name for item in fields(self) if item.name in self.given - effective]:
            raise GraphCompileError(f"{owner}: {idle[0]}= has no effect on {what}. {remedy}")


_EVERYWHERE = frozenset({"run_as", "reads", "fuse"})  # where two nodes cannot be fused is told elsewhere
_ALL = frozenset(item.name for item in fields(NodeOptions))
_NO_ATTEMPTS = "time limits, retries, heartbeats, queues, priorities and summaries are those of"
_EFFECTIVE: dict[str, tuple[str, frozenset[str], str]] = {
    "activity": ("an activity", _ALL, ""),
    "local": (
        "a local activity, which runs at once in the worker that has the workflow",
        _EVERYWHERE | {"retry", "timeout", "schedule_to_start", "summary"},
        "Drop it, or use run_as='activity'.",
    ),
    "remote": (
        "a node for HTTP workers",
        _ALL - {"heartbeat"},
        "Their leases take its place.",
    ),
    "workflow": (
        "a node that runs inside the workflow",
        _EVERYWHERE,
        f"There, {_NO_ATTEMPTS} what it calls: give them to ctx.activity(...) and the like, or let the node be an activity.",
    ),
    "inline": (
        "a graph that runs in its parent's workflow",
        frozenset(),
        f"There, {_NO_ATTEMPTS} its nodes; task_queue has an effect with add_subgraph(..., run_as='child_workflow').",
    ),
    "child_workflow": (
        "a graph with a workflow of its own",
        frozenset({"task_queue"}),
        f"There, {_NO_ATTEMPTS} its nodes.",
    ),
}
