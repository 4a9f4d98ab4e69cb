"""Budgets of a run: what its model calls may use, and how long it may take."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from oris_temporal.models.usage import Usage

from .duration import to_timedelta
from .errors import BudgetExceededError, InvalidUpdateError


def _seconds(value: Any) -> Any:
    return None if value is None else to_timedelta(value).total_seconds()


class Limits(BaseModel):
    """What a run may use. It is checked before each model call and each superstep; what already runs is not cut off.

    Attributes:
        max_tokens: Most tokens read and written by all model calls together.
        max_cost: Most US dollars. A model whose price is not known ends the run, for nobody can tell.
        max_turns: Most model calls.
        max_time: Longest time since the run began, waiting for people included. A duration such as ``"2h"``; kept in seconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_tokens: int | None = Field(default=None, gt=0)
    max_cost: float | None = Field(default=None, gt=0)
    max_turns: int | None = Field(default=None, gt=0)
    max_time: Annotated[float | None, BeforeValidator(_seconds)] = None

    @classmethod
    def read(cls, given: Limits | Mapping[str, Any], owner: str) -> Limits:
        """Read limits given as an object.

        Raises:
            InvalidUpdateError: A limit does not exist or is not positive.
        """
        if isinstance(given, cls):
            return given
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = ".".join(map(str, first["loc"])) or "limits"
            raise InvalidUpdateError(f"{owner}: {name}: {first['msg'].removeprefix('Value error, ')}.") from None

    def to_wire(self) -> dict[str, Any]:
        """JSON form: the limits that are set."""
        return self.model_dump(exclude_none=True)

    def check(self, graph: str, used: Usage, began: datetime, now: datetime) -> None:
        """Refuse to go on where something is used up.

        Args:
            graph: Name of the graph, for the error.
            used: What all model calls used.
            began: When the run began.
            now: The present time.

        Raises:
            BudgetExceededError: It is.
        """
        if self.max_cost is not None and used.unpriced:
            raise BudgetExceededError(
                f"Graph {graph}: the run may cost {self.max_cost:g} US dollars, and the price of {used.unpriced} of its model calls is "
                "not known. Use models of the price table (package genai-prices), or limit tokens instead.",
                limit="max_cost",
                budget=self.max_cost,
                unpriced=used.unpriced,
            )
        found = {
            "max_tokens": used.total,
            "max_cost": used.cost,
            "max_turns": used.calls,
            "max_time": (now - began) / timedelta(seconds=1),
        }
        for name, value in found.items():
            limit = getattr(self, name)
            if limit is not None and value >= limit:
                raise BudgetExceededError(
                    f"Graph {graph}: the run has used up its budget: {name} is {limit:g}, and it is at {value:g}. "
                    "Raise the limit, or let it do less.",
                    limit=name,
                    budget=limit,
                    used=value,
                )
