"""How complete a source is, and which gaps the sensor repairs."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.day_range import DayRange
from harvest_dagster.coverage.source_status import LONGEST_REPAIRED_GAP, SourceStatus, find_source_status
from harvest_dagster.storage.harvest_log.overview import FailedWindow
from harvest_dagster.storage.harvest_log.source_coverage import SourceCoverage
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.coverage.test_day_range import may

NOW = datetime(2024, 5, 15, 12, tzinfo=timezone.utc)
LAST_BEGAN = datetime(2024, 5, 15, 3, tzinfo=timezone.utc)


def config(**changes: object) -> IngestConfig:
    given = {"label": "x", "harvester": "oai", "earliest_date": "2024-01-01", "settle": "0s"}
    return IngestConfig.model_validate({**given, **changes})


def status(
    *covered: DayRange, failed: Window | None = None, schedule: str | None = None, **changes: object
) -> SourceStatus:
    coverage = SourceCoverage(tuple(days.window for days in covered), LAST_BEGAN) if covered else None
    failed_windows = [FailedWindow(failed, 1, LAST_BEGAN)] if failed else []
    return find_source_status(config(schedule=schedule, **changes), coverage, failed_windows, NOW)


def test_a_source_that_was_never_harvested_has_no_gap() -> None:
    """Its history is reported. It does not start an unexpected harvest of ten years."""
    found = status()
    assert (found.first, found.complete_until, found.missing, found.repairable) == (None, None, (), ())
    assert found.before_first_harvest == DayRange(date(2024, 1, 1), date(2024, 5, 14))
    assert not found.is_complete


def test_without_a_schedule_nothing_is_due_after_the_last_harvest() -> None:
    """A user who harvests by hand has requested nothing else."""
    found = status(may(1, 5))
    assert found.is_complete
    assert found.complete_until == found.harvested_until == datetime(2024, 5, 6, tzinfo=timezone.utc)
    assert (found.last_began, found.before_first_harvest) == (
        LAST_BEGAN,
        DayRange(date(2024, 1, 1), date(2024, 4, 30)),
    )


def test_with_a_schedule_the_days_after_the_last_harvest_are_missing_and_late() -> None:
    """Nobody noticed dead sources for months (docs/failures.md#report-without-numbers)."""
    found = status(may(1, 5), schedule="0 3 * * *")
    assert (found.missing, found.repairable, found.is_late) == ((may(6, 14),), (may(6, 14),), True)
    assert found.missing_days == 9
    assert not found.is_complete


def test_a_day_is_late_only_after_the_time_that_a_harvest_may_take() -> None:
    """Otherwise each source would be late every morning."""
    assert status(may(1, 13), schedule="0 11 * * *").is_complete
    assert not status(may(1, 13), schedule="0 11 * * *", timeout={"harvest": "30m"}).is_complete


def test_a_disabled_source_is_never_late() -> None:
    """A person has disabled it on purpose."""
    assert status(may(1, 5), schedule="0 3 * * *", disabled=True).is_complete


def test_a_gap_between_harvested_days_is_missing_and_repaired() -> None:
    """Coverage is a set of intervals, not a watermark (docs/failures.md#watermark-hides-gap)."""
    found = status(may(1, 3), may(7, 9))
    assert (found.missing, found.repairable) == ((may(4, 6),), (may(4, 6),))
    assert (found.complete_until, found.harvested_until) == (may(1, 3).window.end, may(7, 9).window.end)


def test_a_gap_of_more_than_a_year_is_reported_but_not_repaired() -> None:
    """A user who tried a day of 1995 has not requested all days since."""
    long_ago = DayRange(date(1995, 6, 1), date(1995, 6, 1))
    found = status(long_ago, may(1, 14), earliest_date="1995-01-01")
    assert found.missing_days * DAY > LONGEST_REPAIRED_GAP
    assert found.repairable == ()
    assert not found.is_complete


def test_a_window_that_failed_is_missing_at_any_time() -> None:
    """It was requested, so it counts before the first success, too. A day that has not ended does not count."""
    window = Window(datetime(2024, 1, 30, tzinfo=timezone.utc), NOW)
    found = status(may(1, 14), failed=window)
    assert found.missing == found.repairable == (DayRange(date(2024, 1, 30), date(2024, 4, 30)),)
    assert status(failed=Window(NOW - timedelta(hours=1), NOW)).missing == ()


def test_the_part_of_a_failed_window_that_another_harvest_covers_is_not_missing() -> None:
    """A superfluous harvest that failed takes no coverage away."""
    assert status(may(1, 14), failed=may(2, 3).window).is_complete


def test_a_day_that_has_not_ended_is_not_missing() -> None:
    """After an ad hoc harvest up to noon, the rest of the day is due tomorrow."""
    today = Window(may(14).window.start, NOW)
    found = find_source_status(config(), SourceCoverage((today,), LAST_BEGAN), [], NOW)
    assert found.is_complete


def test_a_day_is_late_only_after_the_hours_that_a_harvest_may_take() -> None:
    """A source that is asked at night would be reported as late each day."""
    day, limit = may(1, 13), {"schedule": "0 3 * * *"}
    assert status(day, **limit).is_late
    assert not status(day, hours="13:00-21:00", **limit).is_late  # the harvest begins an hour from now
    assert not status(day, hours="10:00-13:00", **limit).is_late  # it began two hours ago
    assert status(day, hours="08:00-13:00", **limit).is_late
