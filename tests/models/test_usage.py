"""Token counts: their sums and their JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from oris_temporal.models import Usage
from oris_temporal.models.prices import priced

FULL = Usage(prompt=10, completion=5, cached=4, cache_writes=3, reasoning=2, calls=1)


def test_the_total_counts_no_token_twice() -> None:
    assert FULL.total == 15


def test_usages_add_up() -> None:
    assert Usage(20, 10, 8, 6, 4, 2) == FULL + FULL


def test_usages_sum_up() -> None:
    assert sum([FULL, FULL, Usage()], Usage()).calls == 2


def test_json_has_the_counts_that_are_not_zero() -> None:
    assert Usage(prompt=3, calls=1).to_wire() == {"prompt": 3, "calls": 1}


@pytest.mark.parametrize("usage", [Usage(), Usage(prompt=3), FULL])
def test_json_round_trip(usage: Usage) -> None:
    assert Usage.from_wire(json.loads(json.dumps(usage.to_wire()))) == usage


@pytest.mark.parametrize("wire", [None, {}, [], "text", {"prompt": None}, {"tokens": 7}])
def test_what_json_does_not_have_is_zero(wire: Any) -> None:
    assert Usage.from_wire(wire) == Usage()


def test_counts_that_contradict_each_other_have_no_price() -> None:
    used = Usage(prompt=10, cached=20, completion=5, calls=1)
    assert priced(used, "openai", "gpt-4o") == replace(used, unpriced=1)
    assert priced(replace(used, cached=5), "openai", "gpt-4o").cost > 0
