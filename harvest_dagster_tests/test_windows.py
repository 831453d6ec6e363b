"""Half-open windows: whatever is cut, subtracted or written down, nothing of a range is lost or doubled."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.windows import DAY, Window, format_instant, parse_instant, subtract, whole_day

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
NAIVE = START.replace(tzinfo=None)
SUMMER = timezone(timedelta(hours=2))

# A small scale, so that edges meet often.
hours = st.integers(0, 200).map(lambda hour: START + timedelta(hours=hour))
windows = st.lists(hours, min_size=2, max_size=2, unique=True).map(sorted).map(lambda pair: Window(*pair))
lengths = st.integers(1, 100).map(lambda hour: timedelta(hours=hour))
instants = st.datetimes(
    min_value=NAIVE,
    max_value=NAIVE.replace(year=2199),
    timezones=st.sampled_from([timezone.utc, SUMMER]),
)


def tile(pieces: list[Window], whole: Window) -> bool:
    """Whether the pieces, in their order, are the whole: no gap, no overlap, no rest."""
    edges = [whole.start, *(piece.end for piece in pieces)]
    return edges == [*(piece.start for piece in pieces), whole.end]


@given(window=windows, longest=lengths)
def test_the_pieces_of_a_window_are_the_whole_window(window: Window, longest: timedelta) -> None:
    """Lesson 5: the tail of a range shorter than the interval was dropped, 10 days asked and 7 done."""
    pieces = list(window.split(longest))
    assert tile(pieces, window)
    assert all(piece.length <= longest for piece in pieces)


@given(window=windows, longest=lengths)
def test_pieces_are_cut_at_midnight(window: Window, longest: timedelta) -> None:
    """A piece that shares two days with its neighbours keeps both partitions open until all three are done."""
    *pieces, _rest = window.split(longest)
    for piece in pieces:
        inner = {piece.start, piece.end} - {window.start}
        days = list(piece.days)
        assert len(days) == 1 or all(edge == whole_day(edge.date()).start for edge in inner)
    if window.start == whole_day(window.start.date()).start and longest % DAY == timedelta():
        assert all(piece.length == longest for piece in pieces)


@given(window=windows, covered=st.lists(windows, max_size=8))
def test_what_is_left_and_what_is_covered_are_the_whole_window(window: Window, covered: list[Window]) -> None:
    """Lesson 4: coverage is intervals; a gap that subtraction forgets is never harvested."""
    left = list(subtract(window, covered))
    shared = [piece for other in covered if (piece := window.intersection(other))]
    assert all(gap.intersection(other) is None for gap in left for other in covered)
    assert tile(sorted([*left, *merged(shared)]), window)


def merged(pieces: list[Window]) -> list[Window]:
    """The same stretches of time without overlaps."""
    result: list[Window] = []
    for piece in sorted(pieces):
        if result and piece.start < result[-1].end:
            result[-1] = Window(result[-1].start, max(result[-1].end, piece.end))
        else:
            result.append(piece)
    return result


@given(window=windows, other=windows, instant=hours)
def test_an_instant_is_in_an_intersection_if_it_is_in_both(
    window: Window, other: Window, instant: datetime
) -> None:
    """Half-open on both sides: an edge that belongs to two windows is a record stored for two partitions."""
    shared = window.intersection(other)
    assert (shared is not None and instant in shared) == (instant in window and instant in other)
    assert window.encloses(other) == (shared == other)


@given(window=windows)
def test_the_days_of_a_window_are_those_that_share_an_instant_with_it(window: Window) -> None:
    """A window's partitions are its days: one too few is never materialized, one too many is a false success."""
    days = [START.date() + timedelta(days=number) for number in range(-1, 12)]
    assert list(window.days) == [day for day in days if whole_day(day).intersection(window)]


@given(instant=instants)
def test_an_instant_comes_back_from_its_text(instant: datetime) -> None:
    """Run configs and the windows that travel between ops are text: a shifted edge is a gap."""
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
    """Lesson 25: local time in a cursor."""
    assert parse_instant(text) == instant


@pytest.mark.parametrize("text", ["", "yesterday", "31.01.2024", "2024-13-01", "0001-01-01T00:00:00+01:00"])
def test_any_other_text_is_refused_with_what_is_allowed(text: str) -> None:
    """A run config with such a text would end in a traceback that names no remedy."""
    with pytest.raises(ValueError, match="such as 2024-01-31 or"):
        parse_instant(text)


def test_whole_days_are_written_as_dates() -> None:
    """People read windows of days as days."""
    assert str(whole_day(date(2024, 1, 31))) == "[2024-01-31, 2024-02-01)"
    assert format_instant(START + timedelta(hours=1)) == "2024-01-01T01:00:00Z"


def test_a_window_is_in_utc_whatever_zone_it_was_made_in() -> None:
    """Lesson 25: its days and the name of its spool would be those of the zone."""
    made = Window(datetime(2024, 1, 1, 1, tzinfo=SUMMER), datetime(2024, 1, 1, 3, tzinfo=SUMMER))
    assert list(made.days) == [date(2023, 12, 31), date(2024, 1, 1)]
    assert made.start.tzinfo is timezone.utc


@pytest.mark.parametrize(
    ("start", "end", "why"),
    [
        (NAIVE, START + DAY, "aware"),
        (START, NAIVE + DAY, "aware"),
        (START, START, "end after"),
        (START + DAY, START, "end after"),
    ],
)
def test_naive_empty_and_backward_windows_cannot_be_made(start: datetime, end: datetime, why: str) -> None:
    """An empty window would count as covered, a naive one as whatever the server's zone is."""
    with pytest.raises(ValueError, match=why):
        Window(start, end)
