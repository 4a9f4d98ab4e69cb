"""What every store does, on all of them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from store_support import HandClock

from oris_temporal.graph.errors import SerializationError, StoreError
from oris_temporal.store import InMemoryStore, Store, StoreItem
from oris_temporal.testing import FakeClock

START = datetime(2030, 1, 1, tzinfo=UTC)
ADA = ("users", "ada")


async def keys(store: Store, prefix: tuple[str, ...] = (), **options: Any) -> list[str]:
    return [item.key for item in await store.search(prefix, **options)]


# --- put, get, delete ----------------------------------------------------------------------------------------------


async def test_what_is_put_can_be_got(store: Store) -> None:
    await store.put(ADA, "profile", {"city": "Bern"})
    assert await store.get(ADA, "profile") == StoreItem(ADA, "profile", {"city": "Bern"}, START, START)


async def test_what_was_never_put_is_none(store: Store) -> None:
    assert await store.get(ADA, "profile") is None


async def test_putting_again_keeps_when_it_was_first_put(store: Store, clock: HandClock) -> None:
    await store.put(ADA, "profile", {"city": "Bern"})
    clock.advance(seconds=5)
    await store.put(ADA, "profile", {"city": "Basel"})
    later = START + timedelta(seconds=5)
    assert await store.get(ADA, "profile") == StoreItem(ADA, "profile", {"city": "Basel"}, START, later)


async def test_a_deleted_key_is_gone(store: Store) -> None:
    await store.put(ADA, "profile", 1)
    await store.delete(ADA, "profile")
    await store.delete(ADA, "profile")  # it need not be there
    assert await store.get(ADA, "profile") is None


@pytest.mark.parametrize(
    "value",
    [
        {"z": 1, "a": [1, 2.5, True, None, {"deep": "x"}]},
        [],
        "text",
        "Zürich 🗻 \0 \x7f \u2028 \"'\\ %s ? :x",
        0,
        2**70,
        0.1 + 0.2,
        None,
        False,
    ],
)
async def test_any_json_comes_back_as_it_was(store: Store, value: Any) -> None:
    await store.put(ADA, "value", value)
    found = await store.get(ADA, "value")
    assert found is not None
    assert found.value == value
    assert type(found.value) is type(value)
    if isinstance(value, dict):
        assert list(found.value) == list(value)


async def test_nobody_shares_a_value(store: Store) -> None:
    value = {"tags": ["a"]}
    await store.put(ADA, "value", value)
    value["tags"].append("mine")
    first = await store.get(ADA, "value")
    assert first is not None
    first.value["tags"].append("mine")
    second = await store.get(ADA, "value")
    assert second is not None
    assert second.value == {"tags": ["a"]}


async def test_python_values_are_written_as_json(store: Store) -> None:
    await store.put(ADA, "value", {"at": START, "set": {"b", "a"}, "tuple": (1, 2)})
    found = await store.get(ADA, "value")
    assert found is not None
    assert found.value == {"at": "2030-01-01T00:00:00Z", "set": ["a", "b"], "tuple": [1, 2]}


# --- namespaces ----------------------------------------------------------------------------------------------------


async def test_b44_names_are_not_joined(store: Store) -> None:
    places = [("a:b",), ("a", "b"), ("a/b",), ("a%2Fb",), ("a", "b", "c"), ("a/b", "c"), ("a",), ("a%",), (" ",)]
    for place in places:
        await store.put(place, "k", list(place))
    for place in places:
        found = await store.get(place, "k")
        assert found is not None
        assert (found.namespace, found.value) == (place, list(place))
    assert sorted(item.namespace for item in await store.search(("a",))) == [("a",), ("a", "b"), ("a", "b", "c")]


async def test_a_list_is_a_namespace_too(store: Store) -> None:
    await store.put(["users", "ada"], "k", 1)
    found = await store.get(ADA, "k")
    assert found is not None
    assert found.namespace == ADA


async def test_namespaces_are_listed_sorted_and_each_once(store: Store) -> None:
    for place in [("b",), ("a", "z"), ("a", "y"), ("a",), ("é",), ("ab",), ("a!",)]:
        await store.put(place, "one", 1)
        await store.put(place, "two", 2)
    assert await store.list_namespaces() == [("a",), ("a", "y"), ("a", "z"), ("a!",), ("ab",), ("b",), ("é",)]
    assert await store.list_namespaces(("a",)) == [("a",), ("a", "y"), ("a", "z")]
    assert await store.list_namespaces(max_depth=1, limit=2, offset=1) == [("a!",), ("ab",)]


async def test_a_namespace_without_items_is_none(store: Store) -> None:
    await store.put(ADA, "k", 1)
    await store.delete(ADA, "k")
    assert await store.list_namespaces() == []


# --- search --------------------------------------------------------------------------------------------------------


async def test_the_latest_comes_first_and_pages_follow_each_other(store: Store, clock: HandClock) -> None:
    for number in range(25):
        await store.put(("n", str(number % 3)), f"k{number:02}", number)
        clock.advance(seconds=1)
    await store.put(("n", "0"), "k03", "again")
    expected = ["k03", *(f"k{number:02}" for number in range(24, -1, -1) if number != 3)]
    assert await keys(store) == expected[:10]
    assert [key for page in (0, 10, 20) for key in await keys(store, ("n",), offset=page)] == expected
    assert await keys(store, ("n", "1"), limit=2) == ["k22", "k19"]


async def test_those_of_one_moment_come_by_namespace_and_key(store: Store) -> None:
    for place, key in [(("b",), "a"), (("a",), "é"), (("a",), "z"), (("a",), "Z"), (("a", "c"), "a")]:
        await store.put(place, key, 1)
    assert [(item.namespace, item.key) for item in await store.search()] == [
        (("a",), "Z"),
        (("a",), "z"),
        (("a",), "é"),
        (("a", "c"), "a"),
        (("b",), "a"),
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("bern", ["ada"]),
        ("BERN likes", ["ada"]),
        ("straße", ["bob"]),
        ("STRASSE", ["bob"]),
        ("30", ["ada"]),
        ("bern bob", []),
        ("city", []),  # names of fields are no text
        ("100%", ["bob"]),
        ("_", []),
        ("  ", ["ada", "bob", "text"]),
        ("plain", ["text"]),
    ],
)
async def test_a_query_finds_all_of_its_words_in_any_case(store: Store, query: str, found: list[str]) -> None:
    await store.put(("people",), "ada", {"city": "Bern", "about": {"likes": ["Likes chess"]}, "age": 30})
    await store.put(("people",), "bob", {"city": "Lange Straße", "sure": "100%"})
    await store.put(("people",), "text", "just plain text")
    assert await keys(store, query=query) == found


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        ({"age": 30}, ["ada"]),
        ({"age": 30.0}, ["ada"]),
        ({"age": {"$eq": 30}}, ["ada"]),
        ({"age": {"$ne": 30}}, ["bob", "cy", "text"]),
        ({"age": {"$gt": 30}}, ["bob"]),
        ({"age": {"$gte": 30, "$lt": 40}}, ["ada"]),
        ({"age": {"$lte": 30}}, ["ada"]),
        ({"age": {"$in": [30, 40]}}, ["ada", "bob"]),
        ({"age": {"$in": []}}, []),
        ({"city": {"$gt": "Bern"}}, ["bob"]),
        ({"city": {"$gt": 1}}, []),  # no order between a text and a number
        ({"city": "Bern", "age": 40}, []),
        ({"tags": ["a", "b"]}, ["ada"]),
        ({"more": {"x": 1}}, ["ada"]),
        ({"active": True}, ["ada"]),
        ({"active": 1}, ["bob"]),  # 1 is not true
        ({"age": None}, ["cy"]),
        ({"nobody": {"$ne": 1}}, ["ada", "bob", "cy", "text"]),
        ({}, ["ada", "bob", "cy", "text"]),
    ],
)
async def test_a_filter_looks_at_the_fields_of_the_value(
    store: Store, filter: dict[str, Any], found: list[str]
) -> None:
    await store.put(("p",), "ada", {"age": 30, "city": "Bern", "tags": ["a", "b"], "more": {"x": 1}, "active": True})
    await store.put(("p",), "bob", {"age": 40, "city": "Chur", "tags": ["a"], "active": 1})
    await store.put(("p",), "cy", {"age": None})
    await store.put(("p",), "text", "no object")
    assert await keys(store, filter=filter) == found


async def test_pages_count_what_is_found(store: Store, clock: HandClock) -> None:
    for number in range(1_000):
        await store.put(("n",), str(number), {"even": number % 2 == 0, "text": f"number {number}"})
        clock.advance(seconds=1)
    assert await keys(store, filter={"even": True}, limit=3, offset=2) == ["994", "992", "990"]
    assert await keys(store, query="number 1", filter={"even": False}, limit=2, offset=300) == []


# --- time to live --------------------------------------------------------------------------------------------------


async def test_an_item_ends_when_its_time_is_over(store: Store, clock: HandClock) -> None:
    await store.put(ADA, "short", 1, ttl="10s")
    await store.put(ADA, "long", 2)
    clock.advance(seconds=10, microseconds=-1)
    found = await store.get(ADA, "short")
    assert found is not None
    assert found.expires_at == START + timedelta(seconds=10)
    clock.advance(microseconds=1)
    assert await store.get(ADA, "short") is None
    assert await keys(store) == ["long"]
    assert await keys(store, query="1") == []


async def test_a_namespace_whose_items_are_over_is_not_listed(store: Store, clock: HandClock) -> None:
    await store.put(ADA, "short", 1, ttl="10s")
    clock.advance(seconds=10)
    assert await store.list_namespaces() == []


async def test_putting_again_gives_a_new_time_or_none(store: Store, clock: HandClock) -> None:
    await store.put(ADA, "one", 1, ttl="10s")
    await store.put(ADA, "two", 2, ttl="10s")
    clock.advance(seconds=5)
    await store.put(ADA, "one", 1, ttl=timedelta(seconds=10))
    await store.put(ADA, "two", 2)
    clock.advance(seconds=9)
    assert await keys(store) == ["one", "two"]
    clock.advance(days=1)
    assert await keys(store) == ["two"]


async def test_what_is_put_after_its_time_is_new(store: Store, clock: HandClock) -> None:
    await store.put(ADA, "k", 1, ttl="10s")
    clock.advance(seconds=10)
    await store.put(ADA, "k", 2)
    found = await store.get(ADA, "k")
    assert found is not None
    assert found.created_at == START + timedelta(seconds=10)


async def test_a_sweep_gives_their_room_back(store: Store, clock: HandClock) -> None:
    for number in range(5):
        await store.put(ADA, str(number), number, ttl="10s")
    clock.advance(minutes=2)
    await store.put(ADA, "new", 1)
    clock.advance(minutes=-2)  # back to when they lived
    assert await keys(store) == ["new"]


async def test_a_graph_on_a_fake_clock_takes_its_store_along() -> None:
    store = InMemoryStore()
    with FakeClock() as fake:
        await store.put(ADA, "k", 1, ttl="1d")
        await fake.advance("23h")
        assert await store.get(ADA, "k") is not None
        await fake.advance("1h")
        assert await store.get(ADA, "k") is None


# --- what it refuses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("namespace", "said"),
    [
        ("users", "not a list of names"),
        (7, "not a list of names"),
        ((), "empty"),
        (("users", ""), "must be text, and not empty"),
        (("users", 7), "must be text, and not empty"),
        (("users", "a\0"), "NUL"),
        (("users", "\ud800"), "UTF-8"),
        (("x" * 1_001,), "more than 1,000 bytes"),
    ],
)
async def test_what_is_no_namespace(store: Store, namespace: Any, said: str) -> None:
    with pytest.raises(StoreError, match=said) as refused:
        await store.put(namespace, "k", 1)
    assert refused.value.kind == "invalid_input"
    assert not refused.value.is_retryable


@pytest.mark.parametrize(
    ("key", "said"), [("", "must be text"), (7, "must be text"), ("a\0", "NUL"), ("é" * 501, "1,000")]
)
async def test_what_is_no_key(store: Store, key: Any, said: str) -> None:
    with pytest.raises(StoreError, match=said):
        await store.get(ADA, key)


async def test_the_longest_names_are_kept(store: Store) -> None:
    await store.put(("x" * 999,), "é" * 500, 1)
    assert await store.get(("x" * 999,), "é" * 500) is not None


@pytest.mark.parametrize("value", [object(), {"x": float("nan")}, [float("inf")], "\ud800"])
async def test_a_value_without_a_json_form(store: Store, value: Any) -> None:
    with pytest.raises(SerializationError, match=r"value of 'k' in \['users', 'ada'\]"):
        await store.put(ADA, "k", value)


@pytest.mark.parametrize(
    "options",
    [
        {"limit": 0},
        {"limit": True},
        {"limit": 2**70},
        {"offset": 2**70},
        {"offset": -1},
        {"query": 7},
        {"filter": "x"},
        {"filter": {"age": {"$near": 1}}},
        {"filter": {"age": {"$in": 1}}},
    ],
)
async def test_a_search_that_cannot_be(store: Store, options: dict[str, Any]) -> None:
    with pytest.raises(StoreError) as refused:
        await store.search(**options)
    assert refused.value.kind == "invalid_input"


@pytest.mark.parametrize("ttl", [0, "soon", timedelta(0), timedelta.max])
async def test_a_time_to_live_that_cannot_be(store: Store, ttl: Any) -> None:
    with pytest.raises(StoreError, match="ttl"):
        await store.put(ADA, "k", 1, ttl=ttl)


async def test_depths_that_cannot_be(store: Store) -> None:
    with pytest.raises(StoreError, match="max_depth=0"):
        await store.list_namespaces(max_depth=0)


# --- at the same time ----------------------------------------------------------------------------------------------


async def test_many_at_once_lose_nothing(store: Store) -> None:
    await asyncio.gather(*(store.put(("n", str(number % 7)), str(number), number) for number in range(200)))
    found = await asyncio.gather(*(store.get(("n", str(number % 7)), str(number)) for number in range(200)))
    assert [item.value for item in found if item] == list(range(200))
    assert len(await store.search(limit=1_000)) == 200


async def test_many_at_one_key_leave_one_whole_value(store: Store) -> None:
    await asyncio.gather(*(store.put(ADA, "k", [number] * 50) for number in range(50)))
    [item] = await store.search()
    assert len(set(item.value)) == 1


async def test_one_store_serves_several_event_loops(store: Store) -> None:
    await store.put(ADA, "k", 1)
    found = await asyncio.to_thread(lambda: asyncio.run(store.get(ADA, "k")))
    assert found is not None
