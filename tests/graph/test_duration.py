"""Durations are written as people write them, and anything doubtful is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from oris_temporal.graph.duration import Duration, to_timedelta, to_timedelta_or_none


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2m", timedelta(minutes=2)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("250ms", timedelta(milliseconds=250)),
        ("24h", timedelta(hours=24)),
        ("7d", timedelta(days=7)),
        ("1.5s", timedelta(seconds=1.5)),
        ("1d2h3m4s5ms", timedelta(days=1, hours=2, minutes=3, seconds=4, milliseconds=5)),
        ("1m500ms", timedelta(minutes=1, milliseconds=500)),
        (timedelta(minutes=2), timedelta(minutes=2)),
        (90, timedelta(seconds=90)),
        (0.25, timedelta(milliseconds=250)),
    ],
)
def test_a_duration_means_what_it_says(written: Duration, meant: timedelta) -> None:
    assert to_timedelta(written) == meant


@pytest.mark.parametrize(
    "garbage",
    [
        *(
            "",
            " ",
            "soon",
            "90",
            "5 minutes",
            "1H",
            "1w",
            "-5s",
            "1.s",
            ".5s",
            "30m1h",
            "1m1m",
            "2m\n",
            "\u0662m",
        ),
        *(True, None, [], float("nan"), float("inf"), 1e300, "9999999999d"),
    ],
)
def test_garbage_is_refused_with_an_example_of_what_to_write(garbage: Any) -> None:
    with pytest.raises(ValueError, match=r'is not a duration\. Write text such as "1h30m".*\.$'):
        to_timedelta(garbage)


@pytest.mark.parametrize("nothing", [0, -1, -0.5, "0s", "0h0m", "0.0001ms", timedelta(0), timedelta(seconds=-1)])
def test_zero_and_less_are_refused(nothing: Duration) -> None:
    with pytest.raises(ValueError, match=r"is not longer than zero\. Give a positive length of time\.$"):
        to_timedelta(nothing)


def test_an_optional_duration_may_be_none() -> None:
    assert to_timedelta_or_none(None) is None
    assert to_timedelta_or_none("2m") == timedelta(minutes=2)


def test_an_optional_duration_is_checked_when_given() -> None:
    with pytest.raises(ValueError, match="is not longer than zero"):
        to_timedelta_or_none(0)
