"""Arithmetic on ranges of days."""

from __future__ import annotations

import itertools
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.coverage import day_range
from harvest_dagster.coverage.day_range import DayRange
from harvest_dagster.windows import DAY


def may(first: int, last: int | None = None) -> DayRange:
    """Return days of May 2024."""
    return DayRange(date(2024, 5, first), date(2024, 5, last or first))


days_of_may = st.tuples(st.integers(1, 14), st.integers(1, 14)).map(lambda ends: may(*sorted(ends)))


@given(st.lists(days_of_may, max_size=6))
def test_merged_ranges_have_the_same_days_and_are_not_adjacent(ranges: list[DayRange]) -> None:
    """Two runs of the same day would wait for each other."""
    merged = day_range.merge(ranges)
    days = [day for one in merged for day in one.window.days]
    assert days == sorted({day for one in ranges for day in one.window.days})
    assert all(one.last + DAY < other.first for one, other in itertools.pairwise(merged))


def test_a_range_that_ends_before_it_starts_is_refused() -> None:
    """Otherwise a window with a negative length is created."""
    with pytest.raises(ValueError, match="is before"):
        DayRange(date(2024, 5, 2), date(2024, 5, 1))
