"""Whether, when and how often a request is retried."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.http.rate_limit.response_headers import MAX_PAUSE, retry_after
from harvest_dagster.http.rate_limit.retry import RetryPolicy

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30.0),
        (" 30 ", 30.0),
        ("1.5", 1.5),
        ("0", 0.0),
        ("-5", 0.0),
        ("86400", MAX_PAUSE),
        ("9" * 5000, MAX_PAUSE),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        ("Sunday, 01-Mar-26 12:01:30 GMT", 90.0),  # RFC 850, which RFC 9110 still allows
        ("Sun, 01 Mar 2026 13:01:30 +0100", 90.0),
        ("Sun, 01 Mar 2026 12:01:30", 90.0),
        ("Sun, 01 Mar 2026 12:01:30 -0000", 90.0),
        ("Mon, 01 Jan 1990 00:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_PAUSE),
    ],
)
def test_every_form_of_retry_after_is_understood(value, seconds):
    """A harvester crashed on an HTTP date (docs/failures.md#retry-after)."""
    assert retry_after(503, value, NOW) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value", [None, "", "soon", "1h", "nan", "inf", "1e9", "Sun, 99 Foo 2026", "0x10", "\u0663", "Mon,"]
)
def test_an_invalid_retry_after_counts_as_absent(value):
    """It must not end the harvest; the backoff applies (docs/failures.md#retry-after)."""
    assert retry_after(429, value, NOW) is None


@pytest.mark.parametrize("status", [200, 301, 404, 422, 500, 502])
def test_retry_after_counts_with_429_and_503_only(status):
    """Zenodo sends it with every response, 200 included. A harvest would sleep after each page."""
    assert retry_after(status, "60", NOW) is None


@given(st.text())
def test_no_header_crashes_the_parser(value):
    """The source controls the header."""
    seconds = retry_after(503, value, NOW)
    assert seconds is None or 0 <= seconds <= MAX_PAUSE


@given(st.integers(1, 60), st.floats(0, 1, exclude_max=True))
def test_a_backoff_is_between_the_minimum_and_the_maximum(attempt, draw):
    """Without a minimum, `Retry-After: 0` uses up all attempts at once. Without a maximum, the waits grow forever."""
    policy = RetryPolicy()
    assert policy.min_backoff <= policy.backoff(attempt, draw) <= policy.max_backoff


def test_the_backoff_doubles_up_to_the_maximum():
    """An overloaded source gets more time before each attempt."""
    policy = RetryPolicy(base=2, max_backoff=60)
    assert [policy.backoff(attempt, 1.0) for attempt in range(1, 8)] == [2, 4, 8, 16, 32, 60, 60]


def test_attempts_are_limited_in_number_and_in_time():
    """A harvester retried 503 forever (docs/failures.md#retry-after)."""
    policy = RetryPolicy(attempts=5, max_seconds=900)
    assert policy.allows(4, elapsed=0, pause=900)
    assert not policy.allows(5, elapsed=0, pause=0)
    assert not policy.allows(1, elapsed=1, pause=900)
