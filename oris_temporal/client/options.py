"""What callers may say about a run: the options, and the one place where they are checked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any, Literal, TypedDict, cast, get_args

from oris_temporal.graph.builder import StateGraph
from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.config import read_config, with_context
from oris_temporal.graph.duration import Duration, to_timedelta
from oris_temporal.graph.errors import InvalidOptionError

OnConflict = Literal["fail", "replace"]
OnTimeout = Literal["failed", "cancelled"]
Order = Literal["oldest", "newest"]

TENANT_BYTES = 255
"""Longest tenant: visibility on an SQL database keeps so many characters of a search attribute."""


class StartOptions(TypedDict, total=False):
    """How a run is started: the keyword arguments of `OrisClient.run` and `OrisClient.start`.

    Attributes:
        config: Run configuration, see `RunnableConfig`.
        context: Its ``context``: an object, or an instance of the graph's ``context_schema``.
        from_last_state: Start from the thread's last state instead of a fresh one; the input may then be left out. Default: as the
            graph says, which agents do.
        on_conflict: What to do if the thread is actively running: ``fail`` (default) or ``replace``.
        idempotency_key: A second call with the same key joins the run that the first started, and gets what that got. A thread
            remembers the keys of its last 50 runs; without a thread id the key names the thread.
        tenant: Fairness key of everything the run schedules, and search attribute; at most 255 bytes.
        priority: 1 (first) to 5 (last).
        task_queue: Task queue of the workers, in place of the client's.
        execution_timeout: Longest time the run may take. Default: no limit.
        on_timeout: Status of the run if it takes longer: ``failed`` (default) or ``cancelled``.
        interrupt_before: Nodes to stop before, in place of the graph's own.
        interrupt_after: Nodes to stop after, in place of the graph's own.
        continue_as_new_after: History events after which the run continues as new, from 1. Default: when the server suggests it.
    """

    config: Mapping[str, Any] | None
    context: Any
    from_last_state: bool | None
    on_conflict: OnConflict
    idempotency_key: str | None
    tenant: str | None
    priority: int | None
    task_queue: str | None
    execution_timeout: Duration | None
    on_timeout: OnTimeout
    interrupt_before: Collection[str] | None
    interrupt_after: Collection[str] | None
    continue_as_new_after: int | None


def read_options(options: Mapping[str, Any]) -> StartOptions:
    """Check the options of a run.

    Returns:
        Those that were given, with durations, names of nodes and the configuration (`context` in it) read.

    Raises:
        InvalidOptionError: There is no such option, or it may not be that.
        InvalidUpdateError: The configuration is none.
    """
    if unknown := [name for name in options if name not in _READERS]:
        raise InvalidOptionError(
            f"There is no option {unknown[0]!r}; there are {', '.join(_READERS)}.", option=unknown[0]
        )
    read = {name: _READERS[name](name, value) for name, value in options.items()}
    config = with_context(read.get("config"), read.pop("context", None))
    return cast("StartOptions", {**read, "config": read_config(config) if config else None})


def read_graph(graph: Any) -> tuple[str, CompiledGraph | None]:
    """Name of a graph, and the graph itself where that was given.

    Raises:
        InvalidOptionError: It is neither.
    """
    if isinstance(graph, CompiledGraph):
        return graph.name, graph
    if isinstance(graph, StateGraph):
        raise InvalidOptionError("graph is a StateGraph that is not compiled. Call its compile(name=...) first.")
    if not isinstance(graph, str) or not graph.strip():
        raise refusal("graph", graph, "the name of a graph, or a CompiledGraph")
    return graph, None


def check_place(config: Mapping[str, Any] | None, **place: str | None) -> None:
    """Refuse a thread, or checkpoint, that is not the one that the configuration names, if it names one.

    Raises:
        InvalidOptionError: It is another one.
        InvalidUpdateError: The configuration is none.
    """
    configurable = read_config(config)["configurable"]
    for name, value in place.items():
        named = configurable.get(name)
        if None not in (named, value) and named != value:
            raise refusal(name, value, f"the one that config names, {named!r}, or one of them be left out")


def read_wait(wait: Duration | None) -> timedelta | None:
    """The longest wait; ``None`` has no end."""
    return cast("timedelta | None", optional(duration)("wait", wait))


def read_texts(**options: str | None) -> None:
    """Check options that are text, or left out."""
    for name, value in options.items():
        optional(text())(name, value)


def refusal(name: str, value: Any, what: str) -> InvalidOptionError:
    """The error for a value that an option may not have, which says what it may be."""
    shown = repr(value)
    shown = shown if len(shown) <= 100 else f"{shown[:100]}..."
    return InvalidOptionError(f"{name}={shown} must be {what}.", option=name)


# --- readers: name and value of an option, to the value as it is used ------------------------------------------------

Reader = Callable[[str, Any], Any]


def optional(reader: Reader) -> Reader:
    """A reader that takes ``None`` as well."""
    return lambda name, value: None if value is None else reader(name, value)


def one_of(kind: Any) -> Reader:
    """Reads one of the words of a `Literal`."""
    words = get_args(kind)

    def read(name: str, value: Any) -> Any:
        if value not in words:
            raise refusal(name, value, " or ".join(map(repr, words)))
        return value

    return read


def text(most: int | None = None, *, least: int = 1) -> Reader:
    """Reads text of so many bytes."""
    what = "text" if most is None else f"text of {least} to {most} bytes"

    def read(name: str, value: Any) -> str:
        try:
            size = len(value.encode())
        except (AttributeError, TypeError, UnicodeEncodeError):
            size = -1
        if not isinstance(value, str) or size < least or (most is not None and size > most):
            raise refusal(name, value, what)
        return value

    return read


def whole_number(least: int, most: int | None = None, what: str = "") -> Reader:
    """Reads a whole number within bounds."""

    def read(name: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < least or (most and value > most):
            raise refusal(name, value, what or f"a whole number from {least}")
        return value

    return read


def duration(name: str, value: Any) -> timedelta:
    """Reads a length of time."""
    try:
        return to_timedelta(value)
    except ValueError as error:
        raise InvalidOptionError(f"{name}={value!r}: {error}", option=name) from None


def _truth(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise refusal(name, value, "True or False")
    return value


def _object(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise refusal(name, value, "an object")
    return value


def _nodes(name: str, value: Any) -> list[str]:
    names = value if isinstance(value, Collection) and not isinstance(value, str) else [None]
    if not all(isinstance(item, str) for item in names):
        raise refusal(name, value, "a list of node names")
    return sorted(names)


_READERS: dict[str, Reader] = {
    "config": optional(_object),
    "context": lambda _, value: value,
    "from_last_state": optional(_truth),
    "on_conflict": one_of(OnConflict),
    "idempotency_key": optional(text()),
    "tenant": optional(text(TENANT_BYTES)),
    "priority": optional(whole_number(1, 5, "1 (first) to 5 (last)")),
    "task_queue": optional(text()),
    "execution_timeout": optional(duration),
    "on_timeout": one_of(OnTimeout),
    "interrupt_before": optional(_nodes),
    "interrupt_after": optional(_nodes),
    "continue_as_new_after": optional(whole_number(1)),
}
