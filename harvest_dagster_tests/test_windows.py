"""Half-open windows: splitting, subtracting and writing them neither loses nor duplicates time."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.windows import DAY, Window, format_instant, parse_instant, subtract, whole_day

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
NAIVE = START.replace(tzinfo=None)
SUMMER = timezone(timedelta(hours=2))

# A small scale, so that edges often coincide.
hours = st.integers(0, 200).map(lambda hour: START + timedelta(hours=hour))
windows = st.lists(hours, min_size=2, max_size=2, unique=True).map(sorted).map(lambda pair: Window(*pair))
lengths = st.integers(1, 100).map(lambda hour: timedelta(hours=hour))
instants = st.datetimes(
    min_value=NAIVE,
    max_value=NAIVE.replace(year=2199),
    timezones=st.sampled_from([timezone.utc, SUMMER]),
)


def are_exactly(parts: list[Window], window: Window) -> bool:
    """Return whether the parts, in their order, are the whole window: no gap, no overlap, no rest."""
    edges = [window.start, *(part.end for part in parts)]
    return edges == [*(part.start for part in parts), window.end]


@given(window=windows, longest=lengths)
def test_a_split_window_has_neither_gaps_nor_overlaps(window: Window, longest: timedelta) -> None:
    """Another harvester dropped the short tail of a range (docs/failures.md#short-tail-dropped)."""
    parts = list(window.split(longest))
    assert are_exactly(parts, window)
    assert all(part.length <= longest for part in parts)


@given(window=windows, longest=lengths)
def test_a_window_is_split_at_midnight(window: Window, longest: timedelta) -> None:
    """A part that shares two days with its neighbours keeps both partitions incomplete until all three are done."""
    *parts, _last = window.split(longest)
    for part in parts:
        inner = {part.start, part.end} - {window.start}
        days = list(part.days)
        assert len(days) == 1 or all(edge == whole_day(edge.date()).start for edge in inner)
    if window.start == whole_day(window.start.date()).start and longest % DAY == timedelta():
        assert all(part.length == longest for part in parts)


@given(window=windows, covered=st.lists(windows, max_size=8))
def test_the_gaps_and_the_covered_parts_are_the_whole_window(window: Window, covered: list[Window]) -> None:
    """A gap that subtraction loses is never harvested (docs/failures.md#watermark-hides-gap)."""
    gaps = list(subtract(window, covered))
    shared = [part for other in covered if (part := window.intersection(other))]
    assert all(gap.intersection(other) is None for gap in gaps for other in covered)
    assert are_exactly(sorted([*gaps, *merged(shared)]), window)


def merged(windows: list[Window]) -> list[Window]:
    """Return the same time without overlaps."""
    result: list[Window] = []
    for part in sorted(windows):
        if result and part.start < result[-1].end:
            result[-1] = Window(result[-1].start, max(result[-1].end, part.end))
        else:
            result.append(part)
    return result


@given(window=windows, other=windows, instant=hours)
def test_an_instant_is_in_an_intersection_if_it_is_in_both(
    window: Window, other: Window, instant: datetime
) -> None:
    """If an edge belonged to two windows, its records would be stored for two partitions."""
    shared = window.intersection(other)
    assert (shared is not None and instant in shared) == (instant in window and instant in other)
    assert window.encloses(other) == (shared == other)


@given(window=windows)
def test_the_days_of_a_window_are_those_that_overlap_with_it(window: Window) -> None:
    """The days are partitions: a missing day is never materialized, an extra day is a false success."""
    days = [START.date() + timedelta(days=number) for number in range(-1, 12)]
    assert list(window.days) == [day for day in days if whole_day(day).intersection(window)]


@given(instant=instants)
def test_parsing_reverses_formatting(instant: datetime) -> None:
    """Run configs and windows between ops are text. A shifted edge would be a gap."""
    text = format_instant(instant)
    assert parse_instant(text) == instant
    assert parse_instant(text).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-01-31", datetime(2024, 1, 31, tzinfo=timezone.utc)),
        (" 2024-01-31T12:00:00 ", datetime(2024, 1, 31, 12, tzinfo=timezone.utc)),
        ("2024-01-31T12:00:00z", datetime(2024, 1, 31, 12, tzinfo=timezone.utc)),
        ("2024-01-31T12:00:00+02:00", datetime(2024, 1, 31, 10, tzinfo=timezone.utc)),
    ],
)
def test_a_text_without_a_zone_is_utc(text: str, instant: datetime) -> None:
    """Another harvester had local times in its cursors (docs/failures.md#clock-differs)."""
    assert parse_instant(text) == instant


@pytest.mark.parametrize("text", ["", "yesterday", "31.01.2024", "2024-13-01", "0001-01-01T00:00:00+01:00"])
def test_the_error_for_any_other_text_names_what_is_allowed(text: str) -> None:
    """Otherwise such a run config would end in a traceback without a remedy."""
    with pytest.raises(ValueError, match="such as 2024-01-31 or"):
        parse_instant(text)


def test_midnights_are_written_as_dates() -> None:
    """This is easier to read, because most windows are days."""
    assert str(whole_day(date(2024, 1, 31))) == "[2024-01-31, 2024-02-01)"
    assert format_instant(START + timedelta(hours=1)) == "2024-01-01T01:00:00Z"


def test_a_window_is_converted_to_utc() -> None:
    """Otherwise its days and the name of its spool would be local (docs/failures.md#clock-differs)."""
    window = Window(datetime(2024, 1, 1, 1, tzinfo=SUMMER), datetime(2024, 1, 1, 3, tzinfo=SUMMER))
    assert list(window.days) == [date(2023, 12, 31), date(2024, 1, 1)]
    assert window.start.tzinfo is timezone.utc


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        (NAIVE, START + DAY, "aware"),
        (START, NAIVE + DAY, "aware"),
        (START, START, "end after"),
        (START + DAY, START, "end after"),
    ],
)
def test_naive_empty_and_reversed_windows_are_rejected(start: datetime, end: datetime, reason: str) -> None:
    """An empty window would count as covered, a naive one would depend on the server's time zone."""
    with pytest.raises(ValueError, match=reason):
        Window(start, end)
