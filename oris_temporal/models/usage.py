"""What model calls used."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one model call, or of several.

    Attributes:
        prompt: Tokens read, those from a cache included.
        completion: Tokens written, reasoning included.
        cached: Of the tokens read, those that came from the provider's cache.
        cache_writes: Of the tokens read, those that the provider put into its cache.
        reasoning: Of the tokens written, those that nobody is shown.
        calls: Model calls.
        cost: US dollars, where the price is known.
        unpriced: Of the calls, those whose price is not known.
    """

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    cache_writes: int = 0
    reasoning: int = 0
    calls: int = 0
    cost: float = 0.0
    unpriced: int = 0

    @property
    def total(self) -> int:
        """Tokens read and written."""
        return self.prompt + self.completion

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(getattr(self, item.name) + getattr(other, item.name) for item in fields(self)))

    def __str__(self) -> str:
        calls = f"{self.calls:,} call{'' if self.calls == 1 else 's'}"
        cost = f", ${self.cost:.4f}" if self.cost else ""
        return f"{calls}, {self.prompt:,} tokens read, {self.completion:,} written{cost}"

    def to_wire(self) -> dict[str, int | float]:
        """JSON form: what is not zero."""
        return {item.name: count for item in fields(self) if (count := getattr(self, item.name))}

    @classmethod
    def from_wire(cls, wire: Any) -> Self:
        """Read the JSON form; what it does not have is zero."""
        known = wire if isinstance(wire, dict) else {}
        return cls(**{item.name: known[item.name] for item in fields(cls) if known.get(item.name)})
