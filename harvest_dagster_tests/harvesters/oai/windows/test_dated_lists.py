"""Windows and granularities: requested dates and kept records. Neighbouring windows share and lose no record."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.harvesters.formats.dates import lenient_instant
from harvest_dagster.harvesters.window_ends.known_ends import WindowEnds
from harvest_dagster.harvesters.window_ends.requested_dates import Granularity
from harvest_dagster.windows import Window, parse_instant
from harvest_dagster_tests.harvesters.sources import (
    DAYS,
    SECONDS,
    Item,
    Model,
    harvest,
    listed,
    oai_source,
    record,
    scripted,
)

START = datetime(2024, 2, 28, tzinfo=timezone.utc)


def window(start: str, end: str) -> Window:
    return Window(parse_instant(start), parse_instant(end))


EXACT = WindowEnds(from_is_whole=True, until_is_whole=True, one_unit=True)


def asked(start: str, end: str, granularity: Granularity, ends: WindowEnds = EXACT) -> tuple[str, ...]:
    return tuple(ends.dates(window(start, end), granularity).arguments.values())


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2024-02-28", "2024-03-01", ("2024-02-28", "2024-02-29")),
        ("2024-02-28", "2024-02-29", ("2024-02-28", "2024-02-28")),
        ("2024-02-28T06:00:00Z", "2024-02-28T07:00:00Z", ("2024-02-28", "2024-02-28")),
        ("2024-02-28T23:00:00Z", "2024-02-29T00:00:00.000001Z", ("2024-02-28", "2024-02-29")),
        ("2024-02-29T01:00:00+02:00", "2024-03-01T01:00:00+02:00", ("2024-02-28", "2024-02-29")),
    ],
)
def test_a_source_with_day_granularity_is_asked_for_the_days_that_the_window_touches(
    start, end, expected
) -> None:
    """`until` is inclusive, so the window's end as `until` would share a day with the next window.

    See docs/failures.md#inclusive-until.
    """
    assert asked(start, end, Granularity.DAY) == expected


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        (WindowEnds(), ("2024-02-27", "2024-02-29")),
        (WindowEnds(from_is_whole=True), ("2024-02-28", "2024-02-29")),
        (WindowEnds(until_is_whole=True), ("2024-02-27", "2024-02-28")),
        (WindowEnds(from_is_whole=True, until_is_whole=True), ("2024-02-28", "2024-02-29")),
        (EXACT, ("2024-02-28", "2024-02-28")),
    ],
)
def test_a_day_more_is_requested_where_the_source_may_leave_out_a_part_of_its_day(ends, expected) -> None:
    """Otherwise a source that reads `until` as a midnight gives an empty list for each day.

    See docs/failures.md#until-as-midnight.
    """
    assert asked("2024-02-28", "2024-02-29", Granularity.DAY, ends) == expected


def test_a_longer_window_of_a_source_that_only_refuses_single_days_is_requested_exactly() -> None:
    """Otherwise such a source pays for something that it never needs."""
    ends = WindowEnds(from_is_whole=True, until_is_whole=True)
    assert asked("2024-02-28", "2024-03-01", Granularity.DAY, ends) == ("2024-02-28", "2024-02-29")


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2024-02-28", "2024-03-01", ("2024-02-27T23:59:59Z", "2024-03-01T00:00:00Z")),
        ("2024-02-28T06:00:00Z", "2024-02-28T06:00:01Z", ("2024-02-28T05:59:59Z", "2024-02-28T06:00:01Z")),
        (
            "2024-02-28T06:00:00.500Z",
            "2024-02-28T06:00:02.500Z",
            ("2024-02-28T05:59:59Z", "2024-02-28T06:00:03Z"),
        ),
        (
            "2024-02-28T06:00:00.200Z",
            "2024-02-28T06:00:00.800Z",
            ("2024-02-28T05:59:59Z", "2024-02-28T06:00:01Z"),
        ),
        (
            "2024-02-29T01:00:00+02:00",
            "2024-02-29T02:00:00+02:00",
            ("2024-02-28T22:59:59Z", "2024-02-29T00:00:00Z"),
        ),
    ],
)
def test_a_source_with_second_granularity_is_asked_for_one_second_more_at_each_end(
    start, end, expected
) -> None:
    """Otherwise `until=...:59Z` leaves out a record of ...:59.506, and an exclusive `from` the first second.

    See docs/failures.md#milliseconds-omitted.
    """
    assert asked(start, end, Granularity.SECOND, WindowEnds()) == expected


def test_a_source_whose_datestamps_are_all_midnights_is_not_asked_for_the_next_midnight() -> None:
    """Otherwise each window of a day gets the records of two days."""
    dates = asked("2024-02-28", "2024-02-29", Granularity.SECOND, WindowEnds(until_is_whole=True))
    assert dates == ("2024-02-27T23:59:59Z", "2024-02-28T23:59:59Z")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("YYYY-MM-DD", Granularity.DAY),
        ("YYYY-MM-DDThh:mm:ssZ", Granularity.SECOND),
        (" YYYY-MM-DDTHH:MM:SSZ\n", Granularity.SECOND),
        ("seconds", Granularity.DAY),
        ("", Granularity.DAY),
        (None, Granularity.DAY),
    ],
)
def test_the_granularity_is_that_of_identify_or_days_if_it_is_unknown(text, expected) -> None:
    """Every repository must support days (section 3.3.1), and with days no record is lost."""
    assert Granularity.of(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-02-28", START),
        ("2024-02-28T00:00:00Z", START),
        (" 2024-02-28T00:00:00.000Z\n", START),
        ("2024-02-28T00:00:00", START),
        ("2024-02-28T02:00:00+02:00", START),
        ("0000-00-00", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("2024-02-28 00:00:00", START),
        ("2024-02-28T05:30:00+05:30", START),
        ("2024-02-30", None),
        ("0000-00-00T00:00:00Z", None),
        ("9999-12-31T23:59:59-05:00", None),
        ("10000-01-01", None),
        ("28.02.2024", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_datestamps_are_parsed_leniently(text, expected) -> None:
    """An invalid datestamp must not end a harvest. See docs/failures.md#one-invalid-record."""
    assert lenient_instant(text) == expected


def kept(source, page_window: Window) -> list[str]:
    return [found.identifier for found in harvest(source, page_window)]


SIX_HOURS = window("2024-01-01T06:00:00Z", "2024-01-01T12:00:00Z")


def test_of_a_widened_window_only_the_records_of_the_original_window_are_kept() -> None:
    """A window is shorter than a day, and the source knows only days. Neighbouring windows keep the other records."""
    stamps = ["2024-01-01", "2024-01-01T05:59:59Z", "2024-01-01T06:00:00Z", "2024-01-01T12:00:00Z"]
    page = listed(*(record(stamp, stamp) for stamp in stamps))
    assert kept(scripted(page, granularity=DAYS), SIX_HOURS) == ["2024-01-01T06:00:00Z"]


@pytest.mark.parametrize("stamp", ["2024-01-02", "2024-01-02T00:00:00", "2024-01-02T00:00Z"])
def test_a_record_of_the_additional_second_is_kept_if_its_datestamp_is_not_precise(stamp: str) -> None:
    """It may be of 23:30 in UTC. Then the list of the next day does not contain it."""
    page = listed(record("a", stamp))
    day = window("2024-01-01", "2024-01-02")
    assert kept(scripted(page, granularity=SECONDS), day) == ["a"]


def test_a_date_without_time_is_midnight() -> None:
    first = window("2024-01-01", "2024-01-01T06:00:00Z")
    page = listed(record("a", "2024-01-01"))
    assert kept(scripted(page, granularity=DAYS), first) == ["a"]
    assert kept(scripted(page, granularity=DAYS), SIX_HOURS) == []


@pytest.mark.parametrize("stamp", [None, "", "never", "2023-12-30", "2024-01-03", "2019-01-01T08:00:00Z"])
@pytest.mark.parametrize("granularity", [DAYS, SECONDS])
def test_a_record_without_datestamp_or_outside_the_requested_dates_is_kept(stamp, granularity) -> None:
    """No other window would deliver it. SHARE's harvest failed on it; other harvesters drop it silently.

    See docs/failures.md#one-invalid-record.
    """
    assert kept(scripted(listed(record("a", stamp)), granularity=granularity), SIX_HOURS) == ["a"]


def test_records_outside_the_window_are_kept_from_a_source_with_second_granularity() -> None:
    """If it filters by another date than the one it shows, no other window delivers these records."""
    page = listed(record("a", "2024-01-01T05:00:00Z"), record("b", "2024-01-01T12:00:01Z"))
    assert kept(scripted(page, granularity=SECONDS), SIX_HOURS) == ["a", "b"]


def test_a_record_of_the_additional_second_belongs_to_the_neighbouring_window() -> None:
    """Otherwise two windows store it."""
    page = listed(record("a", "2024-01-01T05:59:59Z"), record("b", "2024-01-01T12:00:00Z"))
    assert kept(scripted(page, granularity=SECONDS), SIX_HOURS) == []


def test_datestamps_may_be_more_precise_than_the_granularity() -> None:
    """Otherwise two windows that share a second both store its records, or neither does."""
    page = listed(record("a", "2024-01-01T12:00:00.700Z"), record("b", "2024-01-01T12:00:00.300Z"))
    before = window("2024-01-01T06:00:00.500Z", "2024-01-01T12:00:00.500Z")
    after = window("2024-01-01T12:00:00.500Z", "2024-01-01T18:00:00Z")
    assert kept(scripted(page, granularity=SECONDS), before) == ["b"]
    assert kept(scripted(page, granularity=SECONDS), after) == ["a"]


def test_every_page_contains_the_widened_window() -> None:
    """Another process parses the pages, and a request with a token contains no dates."""
    pages = [listed(record("a", "2024-01-01"), token="t"), listed(record("b", "2024-01-01T07:00:00Z"))]
    source = scripted(*pages, granularity=DAYS)
    fetched = list(source.pages(SIX_HOURS))
    assert [page.requested_window for page in fetched] == [window("2024-01-01", "2024-01-02")] * 2
    assert [page.overlap for page in fetched] == [window("2023-12-31", "2024-01-03")] * 2
    assert [page.neighbours for page in fetched] == [1, 0]
    assert [[found.identifier for found in source.records(page, SIX_HOURS)] for page in fetched] == [
        [],
        ["b"],
    ]


def test_a_window_of_whole_days_is_not_widened_by_its_granularity() -> None:
    """Otherwise the days that a window waits for before it is covered would include the next one."""
    source = scripted(listed(record("a")), granularity=DAYS)
    (page,) = source.pages(window("2024-01-01", "2024-01-02"))
    assert page.requested_window is None
    assert page.overlap == window("2023-12-31", "2024-01-03")


instants = st.integers(0, 4 * 86_400 * 4).map(lambda quarters: START + timedelta(seconds=quarters / 4))
whole_seconds = st.integers(0, 4 * 86_400).map(lambda seconds: START + timedelta(seconds=seconds))


def aligned(instant: datetime) -> datetime:
    return instant.replace(hour=0, minute=0, second=0)


@given(
    changes=st.lists(st.one_of(whole_seconds, whole_seconds.map(aligned)), max_size=12),
    edges=st.lists(st.one_of(instants, whole_seconds.map(aligned)), max_size=6, unique=True),
    granularity=st.sampled_from([DAYS, SECONDS]),
)
def test_neighbouring_windows_neither_share_nor_lose_a_record(changes, edges, granularity) -> None:
    """This holds for both granularities and for any windows. See docs/failures.md#inclusive-until."""
    model = Model([Item(f"r{number}", changed) for number, changed in enumerate(changes)], granularity)
    end = START + timedelta(days=4, seconds=1)
    instants_in_order = sorted({START, end, *edges})
    found = Counter()
    for sub_window in map(Window, instants_in_order, instants_in_order[1:]):
        found.update(record.identifier for record in harvest(oai_source(model.session), sub_window))
    assert found == Counter(item.identifier for item in model.items)
