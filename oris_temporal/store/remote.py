"""A store whose operations are carried out elsewhere: what is asked, and what is answered, is JSON data."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from oris_temporal.graph.duration import Duration
from oris_temporal.graph.errors import StoreError
from oris_temporal.graph.options import RetryPolicy

from .base import (
    Namespace,
    Store,
    StoreItem,
    check_depth,
    check_key,
    check_namespace,
    check_page,
    check_query,
    check_ttl,
    show_namespace,
    value_json,
)
from .matching import check_filter

STORE_RETRY = RetryPolicy(maximum_attempts=8, initial_interval="1s", maximum_interval="10s")
"""For operations of workflow-side nodes: a database that is restarted fails no run. Which errors are retried, `StoreError` says."""

Send = Callable[[dict[str, Any], str], Awaitable[Any]]
"""Carries a request out, given what it is for people, and returns the answer of `serve`."""


class RemoteStore(Store):
    """Stands for a store. Arguments are checked before anything is sent.

    Args:
        send: Carries requests out.
    """

    def __init__(self, send: Send) -> None:
        self._send = send

    async def put(self, namespace: Sequence[str], key: str, value: Any, *, ttl: Duration | None = None) -> None:
        """See `Store.put`."""
        place, name, lives = check_namespace(namespace), check_key(key), check_ttl(ttl)
        request = {"namespace": list(place), "key": name, "value": json.loads(value_json(value, place, name))}
        if lives is not None:
            request["ttl"] = lives.total_seconds()
        await self._ask("put", request, place, name)

    async def get(self, namespace: Sequence[str], key: str) -> StoreItem | None:
        """See `Store.get`."""
        place, name = check_namespace(namespace), check_key(key)
        found = await self._ask("get", {"namespace": list(place), "key": name}, place, name)
        return None if found is None else StoreItem.from_wire(found)

    async def delete(self, namespace: Sequence[str], key: str) -> None:
        """See `Store.delete`."""
        place, name = check_namespace(namespace), check_key(key)
        await self._ask("delete", {"namespace": list(place), "key": name}, place, name)

    async def search(
        self,
        prefix: Sequence[str] = (),
        *,
        query: str | None = None,
        filter: Mapping[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
    ) -> list[StoreItem]:
        """See `Store.search`."""
        place = check_namespace(prefix, may_be_empty=True)
        check_page(limit, offset)
        request = {"prefix": list(place), "limit": limit, "offset": offset}
        if check_query(query) is not None:
            request["query"] = query
        if (conditions := check_filter(filter)) is not None:
            request["filter"] = conditions
        return [StoreItem.from_wire(item) for item in await self._ask("search", request, place)]

    async def list_namespaces(
        self, prefix: Sequence[str] = (), *, max_depth: int | None = None, limit: int = 100, offset: int = 0
    ) -> list[Namespace]:
        """See `Store.list_namespaces`."""
        place = check_namespace(prefix, may_be_empty=True)
        check_depth(max_depth)
        check_page(limit, offset)
        request: dict[str, Any] = {"prefix": list(place), "limit": limit, "offset": offset}
        if max_depth is not None:
            request["max_depth"] = max_depth
        return [tuple(found) for found in await self._ask("list_namespaces", request, place)]

    async def _ask(self, verb: str, request: dict[str, Any], place: Namespace, key: str = "") -> Any:
        summary = " ".join(part for part in (verb, show_namespace(place), key) if part)
        return await self._send({"do": verb, **request}, summary)


async def serve(store: Store, request: Mapping[str, Any]) -> Any:
    """Carry out what a `RemoteStore` sent; the answer is JSON data.

    Raises:
        StoreError: See `Store`.
    """
    arguments = dict(request)
    match arguments.pop("do"):
        case "put":
            return await store.put(**arguments)
        case "get":
            found = await store.get(**arguments)
            return None if found is None else found.to_wire()
        case "delete":
            return await store.delete(**arguments)
        case "search":
            return [item.to_wire() for item in await store.search(**arguments)]
        case "list_namespaces":
            return [list(namespace) for namespace in await store.list_namespaces(**arguments)]
        case verb:
            raise StoreError(f"A store cannot do {verb!r}.", kind="invalid_input")
