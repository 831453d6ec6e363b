"""What is tried again, when, and how often."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.http.retry import LONGEST_PAUSE, RetryPolicy, retry_after

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30.0),
        (" 30 ", 30.0),
        ("1.5", 1.5),
        ("0", 0.0),
        ("-5", 0.0),
        ("86400", LONGEST_PAUSE),
        ("9" * 5000, LONGEST_PAUSE),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        ("Sunday, 01-Mar-26 12:01:30 GMT", 90.0),  # RFC 850, which RFC 9110 still allows
        ("Sun, 01 Mar 2026 13:01:30 +0100", 90.0),
        ("Sun, 01 Mar 2026 12:01:30", 90.0),
        ("Sun, 01 Mar 2026 12:01:30 -0000", 90.0),
        ("Mon, 01 Jan 1990 00:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_PAUSE),
    ],
)
def test_retry_after_is_understood_in_every_form(value, seconds):
    """Lesson 20: as an HTTP date it crashed."""
    assert retry_after(503, value, NOW) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value", [None, "", "soon", "1h", "nan", "inf", "1e9", "Sun, 99 Foo 2026", "0x10", "\u0663", "Mon,"]
)
def test_what_is_no_time_counts_as_absent(value):
    """Lesson 20: a header that cannot be read must not end the harvest; the backoff holds."""
    assert retry_after(429, value, NOW) is None


@pytest.mark.parametrize("status", [200, 301, 404, 422, 500, 502])
def test_retry_after_is_obeyed_on_429_and_503_only(status):
    """Zenodo sends it with every response, 200 included: a harvest would sleep after each page."""
    assert retry_after(status, "60", NOW) is None


@given(st.text())
def test_no_header_ever_crashes_the_parser(value):
    """The source writes the header, not we."""
    seconds = retry_after(503, value, NOW)
    assert seconds is None or 0 <= seconds <= LONGEST_PAUSE


@given(st.integers(1, 60), st.floats(0, 1, exclude_max=True))
def test_a_backoff_is_never_shorter_than_the_least_nor_longer_than_the_ceiling(attempt, draw):
    """Without the least, `Retry-After: 0` burns all attempts at once; without a ceiling none would come."""
    policy = RetryPolicy()
    assert policy.shortest <= policy.backoff(attempt, draw) <= policy.ceiling


def test_the_backoff_doubles():
    """A source that is overloaded is left in peace longer each time."""
    policy = RetryPolicy(base=2, ceiling=60)
    assert [policy.backoff(attempt, 1.0) for attempt in range(1, 8)] == [2, 4, 8, 16, 32, 60, 60]


def test_attempts_are_bounded_in_number_and_in_time():
    """Lesson 20: the 503 loop had no end."""
    policy = RetryPolicy(attempts=5, total=900)
    assert policy.allows(4, elapsed=0, pause=900)
    assert not policy.allows(5, elapsed=0, pause=0)
    assert not policy.allows(1, elapsed=1, pause=900)
