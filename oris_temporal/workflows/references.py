"""State as activities get it: small fields inline, large ones by reference, so that history does not repeat them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oris_temporal.graph.state import StateValues
from oris_temporal.graph.wire import wire_size

from .protocol import INLINE_LIMIT, TAIL_LIMIT


class StateReferences:
    """Decides what goes by reference, and remembers what was passed before."""

    def __init__(self) -> None:
        self._passed: dict[tuple[str, str], tuple[int, int]] = {}

    def split(
        self, values: StateValues, names: Sequence[str], namespace: str
    ) -> tuple[dict[str, Any] | None, dict[str, list[Any]] | None]:
        """Fields to pass inline and fields to pass by reference: the largest go by reference until the rest is small."""
        present = [name for name in names if name in values.data]
        inline = sum(values.encoded(name).size for name in present)
        refs: dict[str, list[Any]] = {}
        for name in sorted(present, key=lambda name: (-values.encoded(name).size, name)):
            if inline <= INLINE_LIMIT:
                break
            encoded = values.encoded(name)
            inline -= encoded.size
            refs[name] = self._reference(values, namespace, name, encoded.wire)
        state = {name: values.encoded(name).wire for name in present if name not in refs}
        return state or None, refs or None

    def _reference(self, values: StateValues, namespace: str, name: str, wire: Any) -> list[Any]:
        """A field by reference. What a list got since it was last passed goes along, which spares the worker a query."""
        generation = values.generations.get(name, 0)
        if not isinstance(wire, list):
            return [namespace, generation, None]
        known, passed = self._passed.get((namespace, name), (generation, 0))
        self._passed[namespace, name] = generation, len(wire)
        tail = wire[passed:] if known == generation else []
        if not tail or wire_size(tail) > TAIL_LIMIT:
            return [namespace, generation, len(wire)]
        return [namespace, generation, len(wire), tail]
