"""State schemas of the conformance kit. At module level, where type hints are resolved."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import Annotated, Any, NotRequired, TypedDict

from pydantic import BaseModel, Field

from oris_temporal import Message, add_messages


class Log(TypedDict):
    """A log that grows, and values that are replaced."""

    log: Annotated[list[str], operator.add]
    n: NotRequired[int]
    answer: NotRequired[Any]


def merge_counts(present: dict[str, int], update: dict[str, int]) -> dict[str, int]:
    """Reducer: add counts by key."""
    return {**present, **{key: present.get(key, 0) + count for key, count in update.items()}}


class Walk(TypedDict):
    """State of random graphs: a log, how often each node ran, and a field that two writers clash on."""

    log: Annotated[list[str], operator.add]
    visits: Annotated[dict[str, int], merge_counts]
    last: NotRequired[str]


@dataclass
class Basket:
    """Dataclass state with defaults."""

    items: Annotated[list[str], operator.add] = field(default_factory=list)
    limit: int = 3
    note: str | None = None


class Item(BaseModel):
    """A model inside a state."""

    name: str
    price: float = 1.0


class Order(BaseModel):
    """Pydantic state with defaults and nested models."""

    items: Annotated[list[Item], operator.add] = Field(default_factory=list)
    total: float = 0.0
    paid: bool = False


class Child(TypedDict):
    """State of a subgraph that shares no field with `Log`."""

    text: str
    words: NotRequired[list[str]]


class ChildLog(TypedDict):
    """State of a subgraph that shares ``log`` with `Log` and has a field of its own."""

    log: Annotated[list[str], operator.add]
    scratch: NotRequired[str]


class Thread(TypedDict):
    """Messages that can be replaced and removed by id."""

    messages: Annotated[list[Message], add_messages]
