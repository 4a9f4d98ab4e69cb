"""What callers ask of a run, checked on every host before anything happens."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from .errors import (
    InvalidAnswerError,
    InvalidOptionError,
    InvalidThreadIdError,
    InvalidUpdateError,
    NodeNotFoundError,
)

if TYPE_CHECKING:
    from .compiled import CompiledGraph

THREAD_ID_BYTES = 1_000
"""Longest thread id: Temporal takes workflow ids of so many bytes (docs: self-hosted defaults, ``limit.maxIDLength``)."""


def check_thread_id(thread_id: Any, prefix: str = "") -> str:
    """A thread id that every host takes.

    Args:
        thread_id: The id.
        prefix: What is put before it to make a workflow id.

    Raises:
        InvalidThreadIdError: It is empty, too long, or no text that every database keeps.
    """
    if not isinstance(thread_id, str):
        raise InvalidThreadIdError(f"A thread id is text, not {type(thread_id).__name__}.")
    if not thread_id.strip():
        raise InvalidThreadIdError("A thread id must not be empty.")
    if "\0" in thread_id:
        raise InvalidThreadIdError(f"The thread id {thread_id[:40]!r} has a NUL character, which databases refuse.")
    try:
        size = len(f"{prefix}{thread_id}".encode())
    except UnicodeEncodeError:
        raise InvalidThreadIdError(
            f"The thread id {thread_id[:40]!r} has characters that UTF-8 cannot write."
        ) from None
    if size > THREAD_ID_BYTES:
        raise InvalidThreadIdError(
            f"A thread id may have {THREAD_ID_BYTES - len(prefix.encode()):,} bytes; {thread_id[:40]!r}... makes {size:,}."
        )
    return thread_id


def check_update(update: Any, what: str) -> None:
    """Refuse an update, or an input, that is no object.

    Args:
        update: An object with state fields, an instance of a dataclass or model, or ``None``.
        what: What it is, for the error.

    Raises:
        InvalidUpdateError: It is something else.
    """
    is_instance = dataclasses.is_dataclass(update) and not isinstance(update, type)
    if update is not None and not is_instance and not isinstance(update, Mapping | BaseModel):
        raise InvalidUpdateError(
            f"The {what} must be an object with state fields, not {type(update).__name__}: {update!r:.100}."
        )


def check_answers(answers: Any) -> Mapping[str, Any]:
    """Answers by interrupt id.

    Raises:
        InvalidAnswerError: It is no object, or there are none.
    """
    if not isinstance(answers, Mapping) or not answers:
        raise InvalidAnswerError("Resuming by id takes an object of interrupt id to answer.")
    return answers


def check_breakpoints(graph: CompiledGraph, names: Collection[str] | None, option: str) -> None:
    """Refuse static breakpoints at nodes that are not there.

    Args:
        graph: The graph.
        names: Names of nodes.
        option: The option that has them.

    Raises:
        InvalidOptionError: They are no list.
        NodeNotFoundError: The graph has no such node.
    """
    if names is not None and (isinstance(names, str) or not isinstance(names, Collection)):
        raise InvalidOptionError(f"{option}={names!r} must be a list of node names.")
    if unknown := [name for name in names or () if name not in graph.nodes]:
        raise NodeNotFoundError(
            f"{option} names {unknown[0]!r}, which is no node of graph {graph.name} (it has {', '.join(graph.nodes)}).",
            node=unknown[0],
        )


def checkpoint_place(checkpoint_id: Any, option: str) -> tuple[int, int]:
    """Run and step of a checkpoint id, by which the checkpoints of a thread are in order.

    Args:
        checkpoint_id: The id.
        option: The option that has it.

    Raises:
        InvalidOptionError: It is none.
    """
    run, _, step = checkpoint_id.partition("-") if isinstance(checkpoint_id, str) else ("", "", "")
    if not (run.isdecimal() and step.isdecimal()):
        raise InvalidOptionError(
            f"{option}={checkpoint_id!r:.100} must be the id of a checkpoint, such as '0001-000002'."
        )
    return int(run), int(step)
