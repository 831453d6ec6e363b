"""Durations as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.catalog.durations import LONGEST, format_duration, parse_duration, parse_duration_or_none

DURATIONS = st.timedeltas(min_value=timedelta(microseconds=1), max_value=LONGEST)


@given(DURATIONS)
def test_every_duration_comes_back_from_its_text(duration: timedelta) -> None:
    """The mirror of a config in the database would otherwise hold another value than the config."""
    assert parse_duration(format_duration(duration)) == duration


@given(st.integers(1, 5000), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_whole_numbers_of_a_unit_are_read_exactly(number: int, unit: str) -> None:
    """A rounded duration would give windows that overlap by a microsecond."""
    names = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    assert parse_duration(f"{number}{unit}") == timedelta(**{names[unit]: number})


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("30d", timedelta(days=30)),
        ("10s", timedelta(seconds=10)),
        ("3h", timedelta(hours=3)),
        ("500ms", timedelta(milliseconds=500)),
        ("2w", timedelta(weeks=2)),
        ("15m", timedelta(minutes=15)),
        ("0.1s", timedelta(milliseconds=100)),
        ("1.5h", timedelta(minutes=90)),
        (60, timedelta(minutes=1)),
        (0.25, timedelta(milliseconds=250)),
        (1e-3, timedelta(milliseconds=1)),
        (timedelta(days=1), timedelta(days=1)),
    ],
)
def test_what_the_manual_shows_is_read(written: object, meant: timedelta) -> None:
    """Without a unit seconds are meant, as everywhere in the YAML."""
    assert parse_duration(written) == meant


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(days=30), "30d"),
        (timedelta(weeks=2), "2w"),
        (timedelta(minutes=90), "90m"),
        (timedelta(milliseconds=1500), "1500ms"),
        (timedelta(microseconds=1), "0.000001s"),
    ],
)
def test_the_largest_unit_that_divides_it_is_shown(duration: timedelta, text: str) -> None:
    """People compare what the UI shows with what they wrote."""
    assert format_duration(duration) == text


@pytest.mark.parametrize(
    "written",
    ["", "d", "30", "30 d", "30D", "1h30m", "-3s", "+3s", "3 days", "1e3s", "٣s", "3s\n", None, [], True],
)
def test_anything_else_is_refused_and_the_units_are_named(written: object) -> None:
    """Guessing what `3M` means would harvest in minutes what was meant in months."""
    with pytest.raises(ValueError, match="500ms, 10s, 15m, 3h, 30d or 2w"):
        parse_duration(written)


@pytest.mark.parametrize("written", [0, 0.0, -1, "0d", "0.0000001s", timedelta(), timedelta(days=-1)])
def test_nothing_and_less_are_refused(written: object) -> None:
    """A timeout of zero makes a socket non-blocking, and a window of zero never ends."""
    with pytest.raises(ValueError, match="longer than nothing"):
        parse_duration(written)


@pytest.mark.parametrize("written", [0, 0.0, "0s", "0d", timedelta()])
def test_no_time_at_all_is_read_where_it_means_something(written: object) -> None:
    """A lookback or settling time of none is the default, and must come back from the database."""
    assert parse_duration_or_none(written) == timedelta()
    assert format_duration(timedelta()) == "0s"


@pytest.mark.parametrize("written", [-1, timedelta(days=-1)])
def test_less_than_nothing_is_refused_there_too(written: object) -> None:
    """A lookback of minus a day would leave the newest day out."""
    with pytest.raises(ValueError, match="less than nothing"):
        parse_duration_or_none(written)


@pytest.mark.parametrize(
    "written", ["36526d", "99999999999999999999w", 1e300, float("inf"), float("nan"), 10**400]
)
def test_more_than_a_century_is_refused(written: object) -> None:
    """It would overflow sockets and datetimes, while a harvest runs."""
    with pytest.raises(ValueError, match="36525d"):
        parse_duration(written)
