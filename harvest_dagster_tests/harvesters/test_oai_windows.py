"""Windows and granularities: what is asked, what is kept; neighbours neither share nor lose a record."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.harvesters.oai_time import Granularity, asked_for, from_until
from harvest_dagster.harvesters.source_dates import lenient_instant
from harvest_dagster.windows import Window, parse_instant
from harvest_dagster_tests.harvesters.sources import (
    DAYS,
    SECONDS,
    Item,
    Model,
    harvest,
    harvester,
    listed,
    record,
    requests,
    scripted,
)

START = datetime(2024, 2, 28, tzinfo=timezone.utc)


def window(start: str, end: str) -> Window:
    return Window(parse_instant(start), parse_instant(end))


def asked(start: str, end: str, granularity: Granularity) -> tuple[str, str] | None:
    found = asked_for(window(start, end), granularity)
    return None if found is None else tuple(from_until(found, granularity).values())


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
def test_a_source_of_days_is_asked_for_the_days_that_the_window_touches(start, end, expected) -> None:
    """Lesson 24: until is inclusive; asking until the window's end shares a day with the next one."""
    assert asked(start, end, Granularity.DAY) == expected


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2024-02-28", "2024-03-01", ("2024-02-28T00:00:00Z", "2024-02-29T23:59:59Z")),
        ("2024-02-28T06:00:00Z", "2024-02-28T06:00:01Z", ("2024-02-28T06:00:00Z", "2024-02-28T06:00:00Z")),
        (
            "2024-02-28T06:00:00.500Z",
            "2024-02-28T06:00:02.500Z",
            ("2024-02-28T06:00:01Z", "2024-02-28T06:00:02Z"),
        ),
        (
            "2024-02-28T06:00:00Z",
            "2024-02-28T06:00:00.500Z",
            ("2024-02-28T06:00:00Z", "2024-02-28T06:00:00Z"),
        ),
        ("2024-02-28T06:00:00.200Z", "2024-02-28T06:00:00.800Z", None),
        ("2024-02-28T06:00:00.200Z", "2024-02-28T06:00:01Z", None),
        (
            "2024-02-29T01:00:00+02:00",
            "2024-02-29T02:00:00+02:00",
            ("2024-02-28T23:00:00Z", "2024-02-28T23:59:59Z"),
        ),
    ],
)
def test_a_source_of_seconds_is_asked_for_the_whole_seconds_in_the_window(start, end, expected) -> None:
    """Any other rounding gives a second to two windows, or to none."""
    assert asked(start, end, Granularity.SECOND) == expected


def test_a_window_without_a_whole_second_asks_nothing() -> None:
    """from later than until would be a badArgument, and the window FAILED for no reason."""
    source = scripted()
    assert not list(source.pages(window("2024-02-28T06:00:00.200Z", "2024-02-28T06:00:00.800Z")))
    assert not requests(source)


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
def test_the_granularity_is_what_identify_says_and_days_where_it_says_nothing_known(text, expected) -> None:
    """Every repository must understand days (section 3.3.1), and days lose nothing."""
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
def test_datestamps_are_read_as_sources_write_them(text, expected) -> None:
    """Lesson 10: a bad datestamp must not end a harvest."""
    assert lenient_instant(text) == expected


def kept(source, page_window: Window) -> list[str]:
    return [found.identifier for found in harvest(source, page_window)]


SIX_HOURS = window("2024-01-01T06:00:00Z", "2024-01-01T12:00:00Z")


def test_of_a_widened_day_only_what_is_inside_the_window_is_kept() -> None:
    """Sub-day windows on a source of days: the neighbours have the rest."""
    stamps = ["2024-01-01", "2024-01-01T05:59:59Z", "2024-01-01T06:00:00Z", "2024-01-01T12:00:00Z"]
    page = listed(*(record(stamp, stamp) for stamp in stamps))
    assert kept(scripted(page, granularity=DAYS), SIX_HOURS) == ["2024-01-01T06:00:00Z"]


def test_a_date_alone_is_its_midnight() -> None:
    first = window("2024-01-01", "2024-01-01T06:00:00Z")
    page = listed(record("a", "2024-01-01"))
    assert kept(scripted(page, granularity=DAYS), first) == ["a"]
    assert kept(scripted(page, granularity=DAYS), SIX_HOURS) == []


@pytest.mark.parametrize("stamp", [None, "", "never", "2023-12-31", "2024-01-02", "2019-01-01T08:00:00Z"])
@pytest.mark.parametrize("granularity", [DAYS, SECONDS])
def test_a_record_without_datestamp_or_outside_of_what_was_asked_is_kept(stamp, granularity) -> None:
    """Lesson 10: no other window would bring it. SHARE's harvest broke; others drop it without a trace."""
    assert kept(scripted(listed(record("a", stamp)), granularity=granularity), SIX_HOURS) == ["a"]


def test_a_source_of_seconds_that_answers_beside_the_window_loses_nothing() -> None:
    """It filters by another clock than the one it prints: what it gives here it gives nowhere else."""
    page = listed(record("a", "2024-01-01T05:00:00Z"), record("b", "2024-01-01T12:00:00Z"))
    assert kept(scripted(page, granularity=SECONDS), SIX_HOURS) == ["a", "b"]


def test_a_source_of_seconds_may_date_more_finely_than_it_is_asked() -> None:
    """Its 12:00:00.7 counts as 12:00:00, which only the window that ends at 12:00:00.5 asks for."""
    piece = window("2024-01-01T06:00:00.500Z", "2024-01-01T12:00:00.500Z")
    assert kept(scripted(listed(record("a", "2024-01-01T12:00:00.700Z")), granularity=SECONDS), piece) == [
        "a"
    ]


def test_records_of_a_later_page_know_what_was_asked() -> None:
    """They are read in another process, and a request with a token names no dates."""
    pages = [listed(record("a", "2024-01-01"), token="t"), listed(record("b", "2024-01-01T07:00:00Z"))]
    source = scripted(*pages, granularity=DAYS)
    fetched = list(source.pages(SIX_HOURS))
    assert [page.asked for page in fetched] == [window("2024-01-01", "2024-01-02")] * 2
    assert [[found.identifier for found in source.records(page, SIX_HOURS)] for page in fetched] == [
        [],
        ["b"],
    ]


def test_a_window_of_whole_days_is_not_widened() -> None:
    source = scripted(listed(record("a")), granularity=DAYS)
    (page,) = source.pages(window("2024-01-01", "2024-01-02"))
    assert page.asked is None


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
    """Lesson 24, at either granularity, however the range is cut."""
    model = Model([Item(f"r{number}", changed) for number, changed in enumerate(changes)], granularity)
    end = START + timedelta(days=4, seconds=1)
    cuts = sorted({START, end, *edges})
    found = Counter()
    for piece in map(Window, cuts, cuts[1:]):
        found.update(record.identifier for record in harvest(harvester(model.session), piece))
    assert found == Counter(item.identifier for item in model.items)
