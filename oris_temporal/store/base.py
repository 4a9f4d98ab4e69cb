"""`Store`: what threads share, and what goes into one."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from oris_temporal.graph.clock import current_clock
from oris_temporal.graph.duration import Duration, to_timedelta
from oris_temporal.graph.errors import StoreError
from oris_temporal.graph.wire import to_wire

Namespace = tuple[str, ...]
"""A place for items, from the general to the special: ``("users", "ada")``."""

NAME_BYTES = 1_000
"""Bytes of UTF-8 that a namespace, with its escapes, and a key may each have: what indexes of PostgreSQL take."""

MOST = 2**31 - 1
"""Largest ``limit`` and ``offset``."""

LONGEST_LIFE = timedelta(days=365_000)


@dataclass(frozen=True, slots=True)
class StoreItem:
    """An item of a store.

    Attributes:
        namespace: Where it is.
        key: Its name there.
        value: JSON data. It is the caller's own copy.
        created_at: When the key was first put; putting it again does not change that.
        updated_at: When it was last put.
        expires_at: When it ceases to be, if it does.
    """

    namespace: Namespace
    key: str
    value: Any
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None

    def to_wire(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "namespace": list(self.namespace),
            "key": self.key,
            "value": self.value,
            "created_at": self.created_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
            "expires_at": None if self.expires_at is None else self.expires_at.isoformat(),
        }

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> StoreItem:
        """Read the JSON form."""
        expires = wire["expires_at"]
        return cls(
            namespace=tuple(wire["namespace"]),
            key=wire["key"],
            value=wire["value"],
            created_at=datetime.fromisoformat(wire["created_at"]),
            updated_at=datetime.fromisoformat(wire["updated_at"]),
            expires_at=None if expires is None else datetime.fromisoformat(expires),
        )


class Store(ABC):
    """Memory that outlives runs and is shared by threads: JSON values by namespace and key.

    A namespace is a list of names, such as ``("users", "ada")``; ``("a:b",)`` and ``("a", "b")`` are different ones. Every method is
    atomic, and a later `put` wins. Nodes, tools and workflow-side nodes get the store that their graph was compiled with; `InMemoryStore`,
    `SQLiteStore` and `PostgresStore` are ready to use.
    """

    @abstractmethod
    async def put(self, namespace: Sequence[str], key: str, value: Any, *, ttl: Duration | None = None) -> None:
        """Keep a value, in place of what the key had before.

        Args:
            namespace: Where.
            key: Its name there.
            value: Anything with a JSON form; mostly an object.
            ttl: How long to keep it. Default: until it is deleted.

        Raises:
            StoreError: The namespace, the key or the time to live is none.
            SerializationError: The value has no JSON form.
        """

    @abstractmethod
    async def get(self, namespace: Sequence[str], key: str) -> StoreItem | None:
        """The item of a key, unless there is none or its time is over.

        Raises:
            StoreError: The namespace or the key is none.
        """

    @abstractmethod
    async def delete(self, namespace: Sequence[str], key: str) -> None:
        """Forget a key; it need not be there.

        Raises:
            StoreError: The namespace or the key is none.
        """

    @abstractmethod
    async def search(
        self,
        prefix: Sequence[str] = (),
        *,
        query: str | None = None,
        filter: Mapping[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
    ) -> list[StoreItem]:
        """Items of a namespace and of all beneath it, those put last first.

        Args:
            prefix: The namespace; empty is the whole store.
            query: Words that must all be part of the texts and numbers in the value, whatever their case and order. It is text search:
                no word stands for another of like meaning.
            filter: What top-level fields of the value must be: ``{"city": "Bern"}``, or with operators
                ``{"age": {"$gte": 18, "$lt": 65}}``. There are ``$eq``, ``$ne``, ``$gt``, ``$gte``, ``$lt``, ``$lte`` and ``$in``;
                the ordering ones hold between two numbers or two texts, and a field that is not there only ever fits ``$ne``.
            limit: Most items to return, at least 1.
            offset: Items to leave out at the beginning.

        Raises:
            StoreError: An argument cannot work.
        """

    @abstractmethod
    async def list_namespaces(
        self, prefix: Sequence[str] = (), *, max_depth: int | None = None, limit: int = 100, offset: int = 0
    ) -> list[Namespace]:
        """Namespaces that have items, sorted.

        Args:
            prefix: Only this namespace and those beneath it.
            max_depth: Cut longer ones to so many names; each is then listed once.
            limit: Most namespaces to return, at least 1.
            offset: Namespaces to leave out at the beginning.

        Raises:
            StoreError: An argument cannot work.
        """

    async def close(self) -> None:  # noqa: B027 - many a store has nothing to close
        """Let go of connections and files. The store is of no use afterwards."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


def utc_now() -> datetime:
    """The time that stores go by: the real one, or where a test put another clock in its place, that one's."""
    return current_clock.get().now()


Clock = Callable[[], datetime]


# --- checking arguments --------------------------------------------------------------------------------------------


def check_namespace(given: Any, *, may_be_empty: bool = False) -> Namespace:
    """A namespace as a tuple.

    Raises:
        StoreError: It is none.
    """
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise _invalid(f"The namespace {given!r} is not a list of names. Write ({given!r},)", namespace=given)
    namespace = tuple(given)
    if not namespace and not may_be_empty:
        raise _invalid("The namespace is empty; it needs at least one name")
    for name in namespace:
        _check_name(f"The namespace {list(namespace)!r}: the name {name!r}", name)
    if len(encode_namespace(namespace).encode()) > NAME_BYTES:
        raise _invalid(f"The namespace {str(list(namespace))[:80]}... has more than {NAME_BYTES:,} bytes")
    return namespace


def check_key(given: Any) -> str:
    """A key.

    Raises:
        StoreError: It is none.
    """
    _check_name(f"The key {given!r}", given)
    if len(given.encode()) > NAME_BYTES:
        raise _invalid(f"The key {given[:80]!r}... has more than {NAME_BYTES:,} bytes")
    return str(given)


def check_ttl(given: Duration | None) -> timedelta | None:
    """A time to live.

    Raises:
        StoreError: It is none.
    """
    if given is None:
        return None
    try:
        lives = to_timedelta(given)
    except ValueError as error:
        raise _invalid(f"ttl: {str(error).rstrip('.')}") from None
    if lives > LONGEST_LIFE:
        raise _invalid(f"ttl={given!r} is longer than {LONGEST_LIFE.days:,} days. Leave it out for what is to stay")
    return lives


def value_json(value: Any, namespace: Namespace, key: str) -> str:
    """The JSON text of a value.

    Raises:
        SerializationError: It has none.
    """
    where = f"value of {key!r} in {list(namespace)} of the store"
    return json.dumps(to_wire(value, where, finite=True), ensure_ascii=False)


def check_page(limit: Any, offset: Any) -> None:
    """Check a page.

    Raises:
        StoreError: It is none.
    """
    if not _is_count(limit) or limit < 1:
        raise _invalid(f"limit={limit!r} must be a whole number from 1 to {MOST:,}")
    if not _is_count(offset):
        raise _invalid(f"offset={offset!r} must be a whole number from 0 to {MOST:,}")


def check_depth(max_depth: Any) -> None:
    """Check how long listed namespaces may be.

    Raises:
        StoreError: It is no length.
    """
    if max_depth is not None and (not _is_count(max_depth) or max_depth < 1):
        raise _invalid(f"max_depth={max_depth!r} must be a whole number, at least 1")


def check_query(query: Any) -> str | None:
    """Check the text to search for.

    Raises:
        StoreError: It is none.
    """
    if query is not None and not isinstance(query, str):
        raise _invalid(f"query={query!r} must be text")
    return query


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST


def _check_name(what: str, name: Any) -> None:
    if not isinstance(name, str) or not name:
        raise _invalid(f"{what} must be text, and not empty")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise _invalid(f"{what} has characters that UTF-8 cannot write") from None
    if "\0" in name:
        raise _invalid(f"{what} has a NUL character, which databases do not take")


def _invalid(message: str, **details: Any) -> StoreError:
    return StoreError(f"{message}.", kind="invalid_input", **details)


# --- namespaces as text --------------------------------------------------------------------------------------------


def encode_namespace(namespace: Namespace) -> str:
    """A namespace as text. One beneath another begins with the other's text, and no two have the same."""
    return "".join(f"{name.replace('%', '%25').replace('/', '%2F')}/" for name in namespace)


def decode_namespace(text: str) -> Namespace:
    """The namespace that `encode_namespace` wrote."""
    return tuple(name.replace("%2F", "/").replace("%25", "%") for name in text.split("/")[:-1])


def show_namespace(namespace: Namespace) -> str:
    """A namespace for people: ``users/ada``."""
    return encode_namespace(namespace).removesuffix("/")
