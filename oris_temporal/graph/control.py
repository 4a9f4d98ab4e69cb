"""The words a graph uses to direct control: START, END, `Send` and `Command`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Generic, Self, TypeAlias, cast

from typing_extensions import TypeVar

START: Final = "__start__"
"""Pseudo-node whose outgoing edges name the first tasks of a run."""

END: Final = "__end__"
"""Pseudo-node that ends the branch which reaches it."""


class Missing(Enum):
    """Type of `MISSING`, which tells an absent value from ``None``."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING


@dataclass(frozen=True, slots=True)
class Send:
    """One task for a node with an input of its own: map over data known only while the graph runs.

    Args:
        node: Name of the node to run in the next superstep.
        payload: JSON-ready value the node receives in place of the state.
    """

    node: str
    payload: Any


Destination: TypeAlias = str | Send
"""Where a router or a `Command` may lead: a node, `END`, or a `Send`."""


TargetT = TypeVar("TargetT", bound=str, default=str)
"""Where a node's `Command` may lead, as a ``Literal`` of names."""


@dataclass(frozen=True, slots=True)
class Command(Generic[TargetT]):
    """A state update combined with a destination, or the answer to an interrupt.

    Returned by a node: ``update`` is merged like any update and ``goto`` adds tasks to the next superstep, beside those of
    the node's own edges. Given to ``invoke``: ``resume`` answers the pending interrupt (or several, as
    ``{interrupt_id: value}``), ``update`` edits the state first, ``goto`` replaces what runs next.

    A node annotated ``-> Command`` may lead anywhere, one annotated ``-> Command[Literal["a", "b"]]`` to these nodes, which
    ``compile`` checks and ``to_mermaid`` draws.

    Args:
        update: Partial state update.
        goto: One destination or several.
        resume: Answer for what the run waits for; ``None`` is an answer.
    """

    update: Any = None
    goto: Destination | Sequence[Destination] = ()
    resume: Any = MISSING

    @property
    def destinations(self) -> list[Destination]:
        """``goto`` as a list."""
        several = isinstance(self.goto, Iterable) and not isinstance(self.goto, str)
        return list(cast("Iterable[Destination]", self.goto)) if several else [cast("Destination", self.goto)]

    @classmethod
    def parse(cls, wire: Mapping[str, Any]) -> Self:
        """Read a command's JSON form, flat or in Oris's nested form (``{"resume": {"resume": value}}``)."""
        resume: Any = wire.get("resume", MISSING)
        goto: Any = wire.get("goto") or ()
        if isinstance(resume, Mapping) and set(resume) == {"resume"}:
            resume = resume["resume"]
        if isinstance(goto, Mapping) and set(goto) == {"node"}:
            goto = goto["node"]
        return cls(update=wire.get("update"), goto=goto, resume=resume)
