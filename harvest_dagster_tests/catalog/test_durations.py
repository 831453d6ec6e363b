"""Durations as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.catalog.durations import LONGEST, format_duration, parse_duration, parse_duration_or_zero

DURATIONS = st.timedeltas(min_value=timedelta(microseconds=1), max_value=LONGEST)


@given(DURATIONS)
def test_formatting_and_parsing_give_the_same_duration(duration: timedelta) -> None:
    """Otherwise the copy of a config in the database would have another value than the config."""
    assert parse_duration(format_duration(duration)) == duration


@given(st.integers(1, 5000), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_whole_numbers_of_a_unit_are_parsed_exactly(number: int, unit: str) -> None:
    """With a rounded duration, windows would overlap by a microsecond."""
    names = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    assert parse_duration(f"{number}{unit}") == timedelta(**{names[unit]: number})


@pytest.mark.parametrize(
    ("written", "expected"),
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
def test_the_documented_forms_are_parsed(written: object, expected: timedelta) -> None:
    """A number without a unit is a number of seconds, as everywhere in the YAML."""
    assert parse_duration(written) == expected


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
def test_the_largest_unit_that_divides_the_duration_is_used(duration: timedelta, text: str) -> None:
    """People compare the text in the UI with the YAML."""
    assert format_duration(duration) == text


@pytest.mark.parametrize(
    "written",
    ["", "d", "30", "30 d", "30D", "1h30m", "-3s", "+3s", "3 days", "1e3s", "٣s", "3s\n", None, [], True],
)
def test_other_text_is_refused_and_the_error_names_the_units(written: object) -> None:
    """A guess could take `3M` for minutes where the author meant months."""
    with pytest.raises(ValueError, match="500ms, 10s, 15m, 3h, 30d or 2w"):
        parse_duration(written)


@pytest.mark.parametrize("written", [0, 0.0, -1, "0d", "0.0000001s", timedelta(), timedelta(days=-1)])
def test_zero_and_negative_durations_are_refused(written: object) -> None:
    """A timeout of zero makes a socket non-blocking, and a window of zero never ends."""
    with pytest.raises(ValueError, match="longer than zero"):
        parse_duration(written)


@pytest.mark.parametrize("written", [0, 0.0, "0s", "0d", timedelta()])
def test_zero_is_accepted_where_it_has_a_meaning(written: object) -> None:
    """`lookback` and `settle` may be zero. It must survive a round trip through the database."""
    assert parse_duration_or_zero(written) == timedelta()
    assert format_duration(timedelta()) == "0s"


@pytest.mark.parametrize("written", [-1, timedelta(days=-1)])
def test_a_negative_duration_is_refused_even_where_zero_is_accepted(written: object) -> None:
    """A lookback of minus one day would leave out the newest day."""
    with pytest.raises(ValueError, match="cannot be negative"):
        parse_duration_or_zero(written)


@pytest.mark.parametrize(
    "written", ["36526d", "99999999999999999999w", 1e300, float("inf"), float("nan"), 10**400]
)
def test_more_than_a_century_is_refused(written: object) -> None:
    """It would overflow a socket timeout or a datetime during a harvest."""
    with pytest.raises(ValueError, match="36525d"):
        parse_duration(written)
