"""The rate limit headers of sources, in all forms in use."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from harvest_dagster.http.rate_limit.response_headers import (
    MAX_PAUSE,
    RateLimitHeaders,
    parse_rate_limit_headers,
)
from harvest_dagster.rate_limits import Limit
from harvest_dagster_tests.recorded import recordings, requires_recorded

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)
SOON = int(NOW.timestamp()) + 40


def parsed(**headers: str) -> RateLimitHeaders:
    """Parse some headers. `X_RateLimit_Reset="5"` sets the header X-RateLimit-Reset."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return parse_rate_limit_headers(CaseInsensitiveDict(named), NOW)


@pytest.mark.parametrize(
    ("headers", "limits", "pause"),
    [
        # Separate fields, up to version 6 of the draft.
        ({"RateLimit_Limit": "100", "RateLimit_Remaining": "0", "RateLimit_Reset": "40"}, [], 40),
        ({"RateLimit_Limit": "100, 100;w=60", "RateLimit_Remaining": "7"}, [Limit(100, 60)], 0),
        (
            {"RateLimit_Limit": "10, 10;w=1, 30;w=60", "RateLimit_Remaining": "0"},
            [Limit(10, 1), Limit(30, 60)],
            0,
        ),
        # Version 7.
        (
            {"RateLimit": "limit=100, remaining=0, reset=40", "RateLimit_Policy": "100;w=60"},
            [Limit(100, 60)],
            40,
        ),
        ({"RateLimit": "limit=100, remaining=2, reset=40"}, [], 0),
        # Version 8 and later.
        (
            {"RateLimit": '"default";r=0;t=40', "RateLimit_Policy": '"default";q=100;w=60'},
            [Limit(100, 60)],
            40,
        ),
        ({"RateLimit": '"burst";r=3;t=1, "daily";r=0;t=40'}, [], 40),
        (
            {"RateLimit_Policy": '"burst";q=10;w=1;pk=:c2Vl:, "hour";q=1000;w=3600'},
            [Limit(10, 1), Limit(1000, 3600)],
            0,
        ),
        ({"RateLimit": '"default";r=0'}, [], 0),
        # Headers outside the draft.
        ({"X_RateLimit_Limit": "60", "X_RateLimit_Remaining": "0", "X_RateLimit_Reset": str(SOON)}, [], 40),
        ({"X_Rate_Limit_Remaining": "0", "X_Rate_Limit_Reset": f"{SOON}000"}, [], 40),
        ({"X_Rate_Limit_Remaining": " 0 ", "X_Rate_Limit_Reset": "40"}, [], 40),
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "Sun, 01 Mar 2026 12:00:40 GMT"}, [], 40),
        ({"X_Rate_Limit_Limit": "50", "X_Rate_Limit_Interval": "1s"}, [Limit(50, 1)], 0),
        ({"X_RateLimit_Limit": "5", "X_RateLimit_Interval": "2m"}, [Limit(5, 120)], 0),
        # Several families together.
        (
            {"X_RateLimit_Limit": "5", "X_RateLimit_Interval": "10", "RateLimit_Policy": "5;w=1"},
            [Limit(5, 10), Limit(5, 1)],
            0,
        ),
    ],
)
def test_every_form_of_the_headers_is_understood(headers, limits, pause):
    """Each form is used by a source that bans harvesters which ignore it."""
    assert parsed(**headers) == RateLimitHeaders(frozenset(limits), pause)


@pytest.mark.parametrize(
    "value", ["", "-1", "many", "nan", "inf", "1e3", "0x10", "\u0663", "9" * 5000, "0", "1;w", ";;=,,;=", '"']
)
@pytest.mark.parametrize("name", ["RateLimit_Limit", "RateLimit_Policy", "RateLimit", "X_Rate_Limit_Limit"])
def test_an_invalid_header_counts_as_absent(name, value):
    """A header that a proxy adds must not end a harvest."""
    given = {name: value, "X_Rate_Limit_Interval": "1s", "RateLimit_Reset": "40"}
    assert parsed(**given) == RateLimitHeaders()


@pytest.mark.parametrize("period", ["0", "-1", "0.0", "86400", "1d", "9" * 15])
def test_a_limit_over_an_absurd_period_counts_as_absent(period):
    """A daily quota, spread over the day, would stop a harvest of three pages. Its Remaining is obeyed."""
    assert parsed(RateLimit_Policy=f"100;w={period}") == RateLimitHeaders()


@pytest.mark.parametrize(
    ("reset", "pause"),
    [
        ("86400", MAX_PAUSE),
        (str(SOON + 10**8), MAX_PAUSE),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_PAUSE),
        (str(SOON - 1000), 0),
        ("Mon, 01 Jan 1990 00:00:00 GMT", 0),
        ("soon", 0),
        ("", 0),
    ],
)
def test_a_pause_is_one_hour_at_most(reset, pause):
    """A worker must not wait a year for a source. The source repeats the header after an hour."""
    assert parsed(X_RateLimit_Remaining="0", X_RateLimit_Reset=reset).pause == pause


def test_a_unix_time_is_compared_with_the_clock_of_the_source():
    """If its clock is an hour ahead, every pause would be an hour too long (docs/failures.md#clock-differs)."""
    ahead = NOW + timedelta(hours=1)
    there = {"Date": format_datetime(ahead, usegmt=True), "X_RateLimit_Remaining": "0"}
    assert parsed(**there, X_RateLimit_Reset=str(int(ahead.timestamp()) + 40)).pause == 40


@given(
    st.dictionaries(
        st.sampled_from(["RateLimit", "RateLimit-Policy", "RateLimit-Remaining", "Date"]), st.text()
    )
)
def test_no_header_crashes_the_parser(headers):
    """The source controls the header."""
    assert 0 <= parse_rate_limit_headers(headers, NOW).pause <= MAX_PAUSE


@pytest.mark.parametrize(
    ("config", "source", "stricter"),
    [
        (Limit(1, 3), Limit(50, 1), False),
        (Limit(50, 1), Limit(50, 1), False),
        (Limit(100, 1), Limit(50, 1), True),
        (Limit(10, 1), Limit(100, 60), True),
        (Limit(60, 60), Limit(2, 1), True),
        (Limit(1, 1), Limit(2, 1.5), False),
        (Limit(2, 1), Limit(3, 1.5), True),
    ],
)
def test_a_limit_is_stricter_if_it_forbids_what_the_other_allows(config, source, stricter):
    """60 in a minute are fewer than 2 in a second, but sent at once they exceed that limit."""
    assert bool(RateLimitHeaders(frozenset([source])).stricter_than(config)) is stricter


def test_headers_without_a_limit_are_not_stricter():
    """Most sources state no limit."""
    assert RateLimitHeaders().stricter_than(Limit(1, 1)) == []


@requires_recorded
def test_the_recorded_headers_of_crossref_state_one_limit():
    """Crossref states its limit twice, in two spellings, in every response."""
    recorded = [each.headers for each in recordings("crossref_rcrossref")]
    stated = [headers for headers in recorded if "x-rate-limit-limit" in headers]
    assert len(stated) > 100
    assert {parse_rate_limit_headers(CaseInsensitiveDict(headers), NOW) for headers in stated} == {
        RateLimitHeaders(frozenset([Limit(50, 1)]))
    }


@requires_recorded
def test_reset_in_the_recorded_headers_of_zenodo_is_a_unix_time_within_a_minute():
    """Zenodo sends Reset as a Unix time, at most a minute after the response. As seconds it would be 54 years."""
    recorded = [each.headers for each in recordings("scythe_zenodo_oai", "zenodo_rest_zenodomap")]
    stated = [headers for headers in recorded if "x-ratelimit-reset" in headers]
    assert len(stated) > 80
    used_up = [
        parse_rate_limit_headers(CaseInsensitiveDict({**headers, "x-ratelimit-remaining": "0"}), NOW)
        for headers in stated
    ]
    assert all(0 < exhausted.pause <= 61 for exhausted in used_up)
    assert {parse_rate_limit_headers(CaseInsensitiveDict(headers), NOW) for headers in stated} == {
        RateLimitHeaders()
    }
