"""How complete a source is, and which gaps are repaired by themselves."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.pipeline.calendar import Days
from harvest_dagster.pipeline.standing import LONGEST_HOLE, Standing, standing
from harvest_dagster.storage.overview import Broken, Coverage
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.test_due import may

NOW = datetime(2024, 5, 15, 12, tzinfo=timezone.utc)
ASKED = datetime(2024, 5, 15, 3, tzinfo=timezone.utc)


def config(**changes: object) -> IngestConfig:
    given = {"label": "x", "harvester": "oai", "earliest_date": "2024-01-01"}
    return IngestConfig.model_validate({**given, **changes})


def stands(
    *done: Days, broken: Window | None = None, schedule: str | None = None, **changes: object
) -> Standing:
    coverage = Coverage(tuple(days.window for days in done), ASKED) if done else None
    failed = [Broken(broken, 1, ASKED)] if broken else []
    return standing(config(schedule=schedule, **changes), coverage, failed, NOW)


def test_a_source_that_was_never_harvested_misses_nothing_that_was_asked_for() -> None:
    """Its history is told, and starts no harvest of ten years by surprise."""
    found = stands()
    assert (found.first, found.until, found.missing, found.repairable) == (None, None, (), ())
    assert found.before == Days(date(2024, 1, 1), date(2024, 5, 14))
    assert not found.is_complete


def test_without_a_schedule_nothing_is_due_after_the_last_harvest() -> None:
    """Who harvests by hand has asked for no more."""
    found = stands(may(1, 5))
    assert found.is_complete
    assert found.until == found.newest == datetime(2024, 5, 6, tzinfo=timezone.utc)
    assert (found.asked, found.before) == (ASKED, Days(date(2024, 1, 1), date(2024, 4, 30)))


def test_with_one_the_days_since_then_are_missing_and_late() -> None:
    """Lesson 31: dead sources went unnoticed for months."""
    found = stands(may(1, 5), schedule="0 3 * * *")
    assert (found.missing, found.repairable, found.late) == ((may(6, 14),), (may(6, 14),), True)
    assert found.missing_days == 9
    assert not found.is_complete


def test_a_harvest_has_its_time_before_a_day_is_late() -> None:
    """Each source would be late every morning otherwise."""
    assert stands(may(1, 13), schedule="0 11 * * *").is_complete
    assert not stands(may(1, 13), schedule="0 11 * * *", timeout={"harvest": "30m"}).is_complete


def test_a_disabled_source_is_never_late() -> None:
    """Somebody has switched it off."""
    assert stands(may(1, 5), schedule="0 3 * * *", disabled=True).is_complete


def test_a_hole_between_harvested_days_is_missing_and_repaired() -> None:
    """Lesson 4: coverage is intervals, not a watermark."""
    found = stands(may(1, 3), may(7, 9))
    assert (found.missing, found.repairable) == ((may(4, 6),), (may(4, 6),))
    assert (found.until, found.newest) == (may(1, 3).window.end, may(7, 9).window.end)


def test_a_hole_of_more_than_a_year_is_told_but_left_to_a_backfill() -> None:
    """Who tried a day of 1995 has not asked for all days since."""
    long_ago = Days(date(1995, 6, 1), date(1995, 6, 1))
    found = stands(long_ago, may(1, 14), earliest_date="1995-01-01")
    assert found.missing_days * DAY > LONGEST_HOLE
    assert found.repairable == ()
    assert not found.is_complete


def test_a_window_that_failed_is_missing_wherever_it_lies() -> None:
    """Before the first success, too; it was asked for. But no day that had not ended."""
    window = Window(datetime(2024, 1, 30, tzinfo=timezone.utc), NOW)
    found = stands(may(1, 14), broken=window)
    assert found.missing == found.repairable == (Days(date(2024, 1, 30), date(2024, 4, 30)),)
    assert stands(broken=Window(NOW - timedelta(hours=1), NOW)).missing == ()


def test_what_another_harvest_has_done_of_a_failed_window_is_not_missing() -> None:
    """A superfluous harvest that failed takes nothing back."""
    assert stands(may(1, 14), broken=may(2, 3).window).is_complete


def test_a_day_that_has_not_ended_is_not_missing() -> None:
    """An ad hoc harvest up to this noon leaves the rest of the day to tomorrow."""
    today = Window(may(14).window.start, NOW)
    found = standing(config(), Coverage((today,), ASKED), [], NOW)
    assert found.is_complete
