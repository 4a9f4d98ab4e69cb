"""The configuration that travels with a run and reaches every node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from .errors import InvalidUpdateError
from .limits import Limits
from .wire import to_wire


class RunnableConfig(TypedDict, total=False):
    """Configuration of one run, in Oris's shape.

    Attributes:
        configurable: ``thread_id``, ``checkpoint_id``, ``checkpoint_ns``, ``user_id`` and any keys of your own.
        recursion_limit: Most supersteps the run may take.
        context: Facts about this run for its nodes and tools, such as who asks: a JSON object, which fits the ``context_schema`` of the
            graph if it has one.
        limits: What the run may use (`Limits`): ``max_tokens``, ``max_cost``, ``max_turns``, ``max_time``.
        tags: Labels of your own.
        metadata: Data of your own.
    """

    configurable: dict[str, Any]
    recursion_limit: int
    context: Any
    limits: dict[str, Any]
    tags: list[str]
    metadata: dict[str, Any]


def with_context(config: Mapping[str, Any] | None, context: Any) -> Mapping[str, Any] | None:
    """A configuration with another context, unless that is ``None``."""
    return config if context is None else {**(config or {}), "context": context}


def read_config(config: Mapping[str, Any] | None) -> RunnableConfig:
    """Check a configuration and copy it as JSON data.

    Raises:
        InvalidUpdateError: A key is unknown, ``configurable`` or ``context`` is not an object, or a limit is none.
        SerializationError: A value has no JSON form.
    """
    if config is not None and not isinstance(config, Mapping):
        raise InvalidUpdateError(f"Run configuration must be an object, not {type(config).__name__}: {config!r:.100}.")
    read = to_wire(dict(config or {}), "run configuration")
    if unknown := set(read) - set(RunnableConfig.__annotations__):
        raise InvalidUpdateError(
            f"Run configuration has unknown keys {sorted(unknown)}. Put keys of your own under 'configurable'."
        )
    if not isinstance(read.setdefault("configurable", {}), dict):
        raise InvalidUpdateError("Run configuration: 'configurable' must be an object.")
    if not isinstance(read.get("context", {}), dict):
        raise InvalidUpdateError("Run configuration: 'context' must be an object.")
    limit = read.get("recursion_limit", 1)
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise InvalidUpdateError(f"Run configuration: recursion_limit={limit!r} must be a whole number, at least 1.")
    if (limits := read.get("limits")) is not None:
        read["limits"] = Limits.read(limits, "Run configuration").to_wire()
    return read  # type: ignore[no-any-return]


def merged(config: Mapping[str, Any] | None, given: Mapping[str, Any] | None) -> RunnableConfig:
    """The configuration of a run that starts from another one's checkpoint: that one's, with what is given in its place.

    Args:
        config: Configuration of the earlier run.
        given: What the new run is given; the thread and checkpoint in it say where to start, and are no part of the result.
    """
    before, after = read_config(config), read_config(given)
    own = {name: value for name, value in after["configurable"].items() if name not in _PLACE}
    return {**before, **after, "configurable": {**before["configurable"], **own}}


_PLACE = ("thread_id", "checkpoint_id", "checkpoint_ns")
