"""A source's own words on its limit, in all the forms in use."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from harvest_dagster.http.rate_headers import Notice, read
from harvest_dagster.http.retry import LONGEST_PAUSE
from harvest_dagster.limits import Limit
from harvest_dagster_tests.recorded import recordings, requires_recorded

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)
SOON = int(NOW.timestamp()) + 40


def notice(**headers: str) -> Notice:
    """`X_RateLimit_Reset="5"` is the header X-RateLimit-Reset."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return read(CaseInsensitiveDict(named), NOW)


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
        # The unofficial ones.
        ({"X_RateLimit_Limit": "60", "X_RateLimit_Remaining": "0", "X_RateLimit_Reset": str(SOON)}, [], 40),
        ({"X_Rate_Limit_Remaining": "0", "X_Rate_Limit_Reset": f"{SOON}000"}, [], 40),
        ({"X_Rate_Limit_Remaining": " 0 ", "X_Rate_Limit_Reset": "40"}, [], 40),
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "Sun, 01 Mar 2026 12:00:40 GMT"}, [], 40),
        ({"X_Rate_Limit_Limit": "50", "X_Rate_Limit_Interval": "1s"}, [Limit(50, 1)], 0),
        ({"X_RateLimit_Limit": "5", "X_RateLimit_Interval": "2m"}, [Limit(5, 120)], 0),
        # Several families at once.
        (
            {"X_RateLimit_Limit": "5", "X_RateLimit_Interval": "10", "RateLimit_Policy": "5;w=1"},
            [Limit(5, 10), Limit(5, 1)],
            0,
        ),
    ],
)
def test_what_a_source_says_is_understood_in_every_form(headers, limits, pause):
    """Each of them is sent by a source that bans who does not listen."""
    assert notice(**headers) == Notice(frozenset(limits), pause)


@pytest.mark.parametrize(
    "value", ["", "-1", "many", "nan", "inf", "1e3", "0x10", "\u0663", "9" * 5000, "0", "1;w", ";;=,,;=", '"']
)
@pytest.mark.parametrize("name", ["RateLimit_Limit", "RateLimit_Policy", "RateLimit", "X_Rate_Limit_Limit"])
def test_what_cannot_be_read_counts_as_absent(name, value):
    """A header that some proxy adds must not stop a harvest."""
    given = {name: value, "X_Rate_Limit_Interval": "1s", "RateLimit_Reset": "40"}
    assert notice(**given) == Notice()


@pytest.mark.parametrize("period", ["0", "-1", "0.0", "86400", "1d", "9" * 15])
def test_a_limit_over_an_absurd_period_counts_as_absent(period):
    """A day's quota is met by what remains of it; spread over the day it would stop a harvest of three pages."""
    assert notice(RateLimit_Policy=f"100;w={period}") == Notice()


@pytest.mark.parametrize(
    ("reset", "pause"),
    [
        ("86400", LONGEST_PAUSE),
        (str(SOON + 10**8), LONGEST_PAUSE),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_PAUSE),
        (str(SOON - 1000), 0),
        ("Mon, 01 Jan 1990 00:00:00 GMT", 0),
        ("soon", 0),
        ("", 0),
    ],
)
def test_a_pause_is_an_hour_at_most(reset, pause):
    """A source that asks for a year must not be waited for; after an hour it says so again."""
    assert notice(X_RateLimit_Remaining="0", X_RateLimit_Reset=reset).pause == pause


def test_an_epoch_is_of_the_clock_of_the_source():
    """Lesson 25: its clock an hour ahead of ours, every pause would be an hour too long."""
    ahead = NOW + timedelta(hours=1)
    there = {"Date": format_datetime(ahead, usegmt=True), "X_RateLimit_Remaining": "0"}
    assert notice(**there, X_RateLimit_Reset=str(int(ahead.timestamp()) + 40)).pause == 40


@given(
    st.dictionaries(
        st.sampled_from(["RateLimit", "RateLimit-Policy", "RateLimit-Remaining", "Date"]), st.text()
    )
)
def test_no_header_ever_crashes_the_parser(headers):
    """The source writes the header, not we."""
    assert 0 <= read(headers, NOW).pause <= LONGEST_PAUSE


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
def test_a_limit_is_stricter_where_it_forbids_what_the_other_allows(config, source, stricter):
    """60 in a minute are fewer than 2 in a second, and yet all of them at once break it."""
    assert bool(Notice(frozenset([source])).stricter_than(config)) is stricter


def test_no_limit_is_stricter_than_none():
    """Most sources say nothing."""
    assert Notice().stricter_than(Limit(1, 1)) == []


@requires_recorded
def test_crossrefs_recorded_headers():
    """It names its limit twice, in two spellings, with every answer."""
    told = [one.headers for one in recordings("crossref_rcrossref") if "x-rate-limit-limit" in one.headers]
    assert len(told) > 100
    assert {read(CaseInsensitiveDict(headers), NOW) for headers in told} == {
        Notice(frozenset([Limit(50, 1)]))
    }


@requires_recorded
def test_zenodos_recorded_headers():
    """`Reset` as an epoch: with the time of the recording it lies within its minute; taken as seconds, 54 years off."""
    told = [one.headers for one in recordings("scythe_zenodo_oai", "zenodo_rest_zenodomap")]
    told = [headers for headers in told if "x-ratelimit-reset" in headers]
    assert len(told) > 80
    used_up = [read(CaseInsensitiveDict({**headers, "x-ratelimit-remaining": "0"}), NOW) for headers in told]
    assert all(0 < notice.pause <= 61 for notice in used_up)
    assert {read(CaseInsensitiveDict(headers), NOW) for headers in told} == {Notice()}
