"""State fields passed by reference: pulled from the node's own workflow by query, at no cost in history.

A worker keeps what it pulled. A list that only grew since is pulled from where the worker's copy ends, so a message log crosses
the wire once per worker, however often nodes read it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from temporalio import activity

from oris_temporal.workflows.protocol import QUERY_FIELD

KEPT_FIELDS = 256
"""Fields a worker keeps, of the runs it worked for last."""


@dataclass
class _Copy:
    generation: int
    items: list[Any]


class FieldCache:
    """A worker's copies of large state fields."""

    def __init__(self) -> None:
        self._copies: OrderedDict[tuple[str, str, str], _Copy] = OrderedDict()

    async def resolve(self, refs: dict[str, list[Any]]) -> dict[str, Any]:
        """Values of fields passed by reference (see `NodeInput.refs`), for the running activity."""
        return {name: await self._resolve(name, *ref) for name, ref in refs.items()}

    async def _resolve(
        self, name: str, namespace: str, generation: int, length: int | None, tail: Sequence[Any] = ()
    ) -> Any:
        info = activity.info()
        if length is None:
            return (await _ask(namespace, name, 0))["value"]
        key = (info.workflow_run_id or "", namespace, name)
        copy = self._copies.get(key)
        if copy is None or copy.generation != generation:
            copy = self._copies[key] = _Copy(generation, [])
        self._copies.move_to_end(key)
        while len(self._copies) > KEPT_FIELDS:
            self._copies.popitem(last=False)
        if tail and len(copy.items) == length - len(tail):
            copy.items.extend(tail)
        while (have := len(copy.items)) < length:
            page = (await _ask(namespace, name, have))["items"]
            if have == len(copy.items):  # another task of this worker may have pulled it meanwhile
                copy.items.extend(page)
        return copy.items[:length]


async def _ask(namespace: str, name: str, start: int) -> dict[str, Any]:
    info = activity.info()
    handle = activity.client().get_workflow_handle(info.workflow_id or "", run_id=info.workflow_run_id)
    answer: dict[str, Any] = await handle.query(QUERY_FIELD, args=[namespace, name, start])
    return answer
