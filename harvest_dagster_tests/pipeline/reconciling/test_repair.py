"""The windows in which a sweep harvests days again."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.pipeline.reconciling.repair import repair_windows
from harvest_dagster.windows import DAY, Window, whole_day

NOW = datetime(2024, 5, 10, 12, 0, 0, 5, tzinfo=timezone.utc)


def windows(*days: int, one_list: bool = False, **changes: Any) -> list[Window]:
    """Return the windows for some days of May 2024."""
    config = IngestConfig.model_validate(
        {"label": "fake", "harvester": "fake", "max_window": "3d", **changes}
    )
    return repair_windows(config, [date(2024, 5, day) for day in days], NOW, one_list=one_list)


def days(first: int, last: int) -> Window:
    """Return the window from one day of May 2024 to the end of another."""
    return Window(whole_day(date(2024, 5, first)).start, whole_day(date(2024, 5, last)).end)


def test_days_in_a_row_share_a_window_up_to_max_window() -> None:
    """Otherwise a month of late records is 30 lists, or one list that the source cuts."""
    assert windows(7, 1, 2, 3, 4) == [days(1, 3), days(4, 4), days(7, 7)]


def test_a_window_does_not_reach_into_the_future() -> None:
    """Some repositories refuse an `until` after the present."""
    today = whole_day(NOW.date()).start
    assert windows(10, 11) == [Window(today, NOW.replace(microsecond=0))]
    assert windows(11) == []


def test_a_list_that_reaches_to_the_present_is_requested_once() -> None:
    """A list for each day would repeat the lists of all later days."""
    assert windows(1, 5, one_list=True) == [Window(days(1, 1).start, days(5, 5).end)]


def test_one_snapshot_repairs_all_days() -> None:
    """The source cannot be asked for a day."""
    (window,) = windows(1, 5, selective=False, earliest_date="2024-01-01")
    assert window == Window(whole_day(date(2024, 1, 1)).start, whole_day(NOW.date()).start)
    assert window.length > timedelta(days=100) > DAY


def test_nothing_to_repair_needs_no_window() -> None:
    """An empty range is no window."""
    assert windows() == []
