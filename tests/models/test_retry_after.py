"""How long providers ask to wait, in whatever form they do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oris_temporal.models.retry_after import LONGEST_WAIT, retry_after

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "0.5"}, 0.0005),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "", "retry-after": "7"}, 7.0),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after-ms": "nan", "retry-after": "7"}, 7.0),
        ({"retry-after": "Tue, 01 Jan 2030 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Tue, 01 Jan 2030 13:00:30 +0100"}, 30.0),
        ({"retry-after": "Tue, 01 Jan 2030 12:00:30 -0000"}, 30.0),
        ({"retry-after": "Tuesday, 01-Jan-30 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Tue Jan  1 12:00:30 2030"}, 30.0),
        ({"retry-after": "Tue, 01 Jan 2030 11:59:00 GMT"}, 0.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
    ],
)
def test_a_wait_is_read(headers: dict[str, str], seconds: float) -> None:
    assert retry_after(headers, NOW) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["3601", "1e300", "1e999", "inf", "9" * 400, "Wed, 01 Jan 2031 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"],
)
def test_nobody_waits_longer_than_the_longest_wait(text: str) -> None:
    assert retry_after({"retry-after": text}, NOW) == LONGEST_WAIT


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "nan",
        "-NaN",
        "soon",
        "5 minutes",
        "7s",
        "Tue, 99 Jan 2030 12:00:00 GMT",
        "Tue, 01 Jan 99999 12:00:00 GMT",
        "Tue, 01 Jan 2030 12:00:00 +999999999999999",
        "2030-01-01T12:00:30Z",
        ",",
        "Jan",
    ],
)
def test_what_is_not_understood_says_nothing(text: str) -> None:
    assert retry_after({"retry-after": text}, NOW) is None


def test_no_header_says_nothing() -> None:
    assert retry_after({"content-type": "text/plain"}) is None


def test_a_date_is_compared_with_the_clock() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 60 < (retry_after({"retry-after": later}) or 0) <= 100


@given(
    st.text(max_size=40)
    | st.from_regex(r"Mon, \d{1,3} (Jan|Feb|Xyz) \d{1,9} \d{1,2}:\d{1,9}(:\d{1,9})? ([+-]\d{1,20}|[A-Z]{1,4})")
)
def test_no_header_is_a_surprise(text: str) -> None:
    wait = retry_after({"retry-after-ms": text, "retry-after": text}, NOW)
    assert wait is None or 0 <= wait <= LONGEST_WAIT
