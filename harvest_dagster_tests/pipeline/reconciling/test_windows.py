"""The windows of a sweep: by the number of stored records, oldest first, and without a gap."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.pipeline.reconciling.windows import sweep_windows
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.raw_data.datestamps import count_by_day
from harvest_dagster.storage.tables import source_unique_identifier
from harvest_dagster.windows import DAY, Window, whole_day
from harvest_dagster_tests.storage.configs import new_config

NOW = datetime(2024, 5, 1, 12, tzinfo=timezone.utc)
TOMORROW = whole_day(NOW.date()).end
EARLIEST = date(2020, 1, 1)


def day(number: int) -> date:
    """Return a day after the first one."""
    return EARLIEST + timedelta(days=number)


def test_a_source_without_records_has_one_window_up_to_the_end_of_today() -> None:
    """A record that changes during the sweep has a datestamp of today."""
    assert sweep_windows({}, EARLIEST, NOW) == [Window(whole_day(EARLIEST).start, TOMORROW)]


def test_a_window_ends_before_the_day_that_follows_enough_records() -> None:
    """Otherwise one list has millions of identifiers, or thousands of lists have none."""
    counts = {day(0): 30, day(10): 30, day(11): 500, day(40): 10, day(50): 10}
    starts = [window.start.date() for window in sweep_windows(counts, EARLIEST, NOW, most=50)]
    assert starts == [day(0), day(11), day(40)]


def test_records_before_the_first_partition_are_listed() -> None:
    """Otherwise they would seem to be gone."""
    windows = sweep_windows({date(1999, 5, 5): 1}, EARLIEST, NOW)
    assert windows[0].start == whole_day(date(1999, 5, 5)).start


def test_a_source_that_begins_today_has_a_window_of_a_day() -> None:
    """A window must not be empty."""
    assert sweep_windows({}, date(2030, 1, 1), NOW) == [Window(TOMORROW - DAY, TOMORROW)]


@given(st.dictionaries(st.integers(-500, 2000).map(day), st.integers(1, 100)), st.integers(1, 300))
def test_the_windows_contain_all_time_once(counts: dict[date, int], most: int) -> None:
    """A gap would make records seem to be gone, and an overlap would list them twice."""
    windows = sweep_windows(counts, EARLIEST, NOW, most=most)
    assert [window.end for window in windows[:-1]] == [window.start for window in windows[1:]]
    assert windows[-1].end == TOMORROW
    assert windows[0].start <= whole_day(EARLIEST).start
    past = {one: count for one, count in counts.items() if whole_day(one).start < TOMORROW}
    sizes = [sum(n for one, n in past.items() if whole_day(one).start in window) for window in windows]
    assert sum(sizes) == sum(past.values())
    assert all(size >= most for size in sizes[:-1])


def test_records_are_counted_by_the_day_of_their_newest_datestamp(database: Database) -> None:
    """Otherwise the windows do not follow from the records."""
    key, other = new_config(database), new_config(database)
    midnight = whole_day(day(3)).start
    stamps = [midnight, midnight + DAY - timedelta(microseconds=1), midnight + DAY, None]
    rows = [
        {"ingest_config_id": config, "identifier": f"x{number}", "current_datestamp": stamp}
        for number, stamp in enumerate(stamps)
        for config in (key, other)
    ]
    with database.begin() as connection:
        connection.execute(source_unique_identifier.insert(), rows)
    with database.read() as connection:
        assert count_by_day(connection, key) == {day(3): 2, day(4): 1}
