"""What a run of agents may use if nobody says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oris_temporal.graph.limits import Limits

MAX_TURNS = 50
"""Model calls of a run if no limits are given."""


def run_limits(given: Limits | Mapping[str, Any] | None, turns: int = MAX_TURNS) -> Limits | Mapping[str, Any]:
    """The limits that were given, or the model calls that are allowed without."""
    return {"max_turns": turns} if given is None else given
