"""Conversations as model activities get them: by reference, so that history never repeats them.

A run keeps what its model calls were given, as logs that only grow. A call that goes on where an earlier one ended adds its new
messages to that one's log; the activity gets the log's name and length and pulls what its worker does not have yet by query.
"""

from __future__ import annotations

import hashlib
import json
import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from oris_temporal.graph.messages import Message
from oris_temporal.graph.wire import to_wire, wire_size

LOGS = "@messages"
"""Namespace of the logs, for `protocol.QUERY_FIELD`."""

FORMS = "@forms"
"""Namespace of what else a request has: tools and the form of the answer."""

KEPT_LOGS = 32
"""Logs a run keeps beside those of calls that are under way, of the conversations it had last."""

TAIL_BYTES = 2_000
"""Bytes of new messages that go along with a reference; more are pulled by query, and so are in history once."""


@dataclass(slots=True)
class _Log:
    messages: list[Message] = field(default_factory=list)
    wires: list[Any] = field(default_factory=list)
    calls: int = 0  # that are under way: their activities may pull it


class MessageLogs:
    """The logs of one run."""

    def __init__(self) -> None:
        self._logs: dict[str, _Log] = {}
        self._forms: dict[str, list[Any]] = {}
        self._count = 0

    @contextmanager
    def reference(self, messages: Sequence[Message]) -> Iterator[list[Any]]:
        """A conversation as ``[log, length]``, or ``[log, length, tail]`` with new messages of a few bytes, for the time of a call."""
        log = self._logs[name := self._find(messages)]
        tail = [to_wire(message, "message") for message in messages[len(log.messages) :]]
        log.messages.extend(messages[len(log.messages) :])
        log.wires.extend(tail)
        log.calls += 1
        try:
            yield [name, len(log.wires), tail] if tail and wire_size(tail) <= TAIL_BYTES else [name, len(log.wires)]
        finally:
            log.calls -= 1
            self._drop()

    def form(self, form: dict[str, Any]) -> str:
        """Name under which workers can pull this; the same for the same content."""
        canonical = json.dumps(form, sort_keys=True, separators=(",", ":"))
        name = hashlib.sha256(canonical.encode()).hexdigest()[:16]
        self._forms[name] = [form]
        return name

    def items(self, namespace: str, name: str) -> list[Any]:
        """What a reference stands for."""
        return self._logs[name].wires if namespace == LOGS else self._forms[name]

    def _find(self, messages: Sequence[Message]) -> str:
        """The log that these messages go on from, else a new one."""
        for name in reversed(self._logs):
            log = self._logs[name]
            if len(log.messages) <= len(messages) and all(map(operator.is_, log.messages, messages)):
                self._logs[name] = self._logs.pop(name)  # the latest is the last to be dropped
                return name
        self._count += 1
        name = str(self._count)
        self._logs[name] = _Log()
        self._drop()
        return name

    def _drop(self) -> None:
        idle = [name for name, log in self._logs.items() if not log.calls]
        for name in idle[: max(0, len(idle) - KEPT_LOGS)]:
            del self._logs[name]
