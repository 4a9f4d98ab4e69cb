"""What nodes of the conformance kit really did, as opposed to what the state says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

ran: Counter[tuple[str, str]] = Counter()
"""How often a node's body ran, by thread and node."""


def note(config: Mapping[str, Any], node: str) -> None:
    """Count a call of a node."""
    ran[str(config["configurable"]["thread_id"]), node] += 1
