"""Which days a schedule requests."""

from __future__ import annotations

import itertools
from datetime import date, datetime, timedelta, timezone

from hypothesis import given, settings
from hypothesis import strategies as st

from harvest_dagster.catalog.cron import last_scheduled_time
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage import day_range
from harvest_dagster.coverage.day_range import DayRange
from harvest_dagster.coverage.due_days import (
    HORIZON,
    LONGEST_HORIZON,
    DueDays,
    days_on_request,
    due_days,
)
from harvest_dagster.windows import DAY, Window, parse_instant, whole_day
from harvest_dagster_tests.coverage.test_day_range import days_of_may, may

NOW = datetime(2024, 5, 15, 3, tzinfo=timezone.utc)
YESTERDAY = date(2024, 5, 14)


def config(**changes: object) -> IngestConfig:
    given = {"label": "x", "harvester": "oai", "earliest_date": "2024-01-01", "schedule": "0 3 * * *"}
    given |= {"settle": "0s", "lookback": "0s"}
    return IngestConfig.model_validate({**given, **changes})


def covered(*ranges: DayRange) -> list[Window]:
    """Return the windows up to the end of April, and of these days."""
    return [DayRange(date(2024, 1, 1), date(2024, 4, 30)).window, *(days.window for days in ranges)]


def test_consecutive_days_share_one_run() -> None:
    """Days that were missed while nothing ran are harvested, but not in one process for each day."""
    assert due_days(config(), covered(may(1, 10)), NOW) == [DueDays(may(11, 14))]


def test_a_gap_before_a_newer_success_is_due() -> None:
    """A watermark would hide the gap (docs/failures.md#watermark-hides-gap)."""
    assert due_days(config(), covered(may(1, 5), may(7, 13)), NOW) == [DueDays(may(6)), DueDays(may(14))]


def test_nothing_is_due_if_everything_is_covered() -> None:
    """A second tick, or switching the sensor off and on, requests nothing."""
    assert due_days(config(), covered(may(1, 14)), NOW) == []


def test_a_day_with_a_missing_hour_is_due() -> None:
    """An ad hoc harvest of some hours does not cover the day."""
    hours = Window(may(14).window.start, NOW - timedelta(hours=4))
    assert due_days(config(), [*covered(may(1, 13)), hours], NOW) == [DueDays(may(14))]


def test_a_new_source_starts_with_its_last_days_and_not_with_its_history() -> None:
    """Ten years of a source are a backfill, which a person requests."""
    ((days, again),) = [(one.days, one.superfluous) for one in due_days(config(), [], NOW)]
    assert (days, again) == (DayRange(YESTERDAY - HORIZON + DAY, YESTERDAY), False)


def test_a_young_source_starts_with_its_first_day() -> None:
    """There is no partition before it."""
    assert due_days(config(earliest_date="2024-05-12"), [], NOW) == [DueDays(may(12, 14))]
    assert due_days(config(earliest_date="2024-05-15"), [], NOW) == []


def test_a_day_is_due_after_it_has_settled() -> None:
    """An earlier harvest would not cover the day and would be repeated at the next time."""
    assert due_days(config(settle="3h"), covered(may(1, 12)), NOW) == [DueDays(may(13, 14))]
    assert due_days(config(settle="181m"), covered(may(1, 12)), NOW) == [DueDays(may(13))]


def test_lookback_repeats_the_days_before_the_newest() -> None:
    """A record that is published late under an old date is behind every cursor (docs/failures.md#late-records)."""
    assert due_days(config(lookback="2d"), covered(may(1, 13)), NOW) == [
        DueDays(may(12, 14), superfluous=True)
    ]
    assert due_days(config(lookback="2d"), covered(may(1, 14)), NOW) == [
        DueDays(may(12, 14), superfluous=True)
    ]
    assert due_days(config(lookback="1h"), covered(may(1, 13)), NOW) == [
        DueDays(may(13, 14), superfluous=True)
    ]


def test_lookback_does_not_repeat_covered_hours_of_other_missing_days() -> None:
    """Their covered parts are not fetched again."""
    assert due_days(config(lookback="1d"), covered(may(1, 5), may(7, 13)), NOW) == [
        DueDays(may(6)),
        DueDays(may(13, 14), superfluous=True),
    ]


def test_by_default_yesterday_is_not_done_just_after_midnight() -> None:
    """A harvest half a minute after midnight marked yesterday as done: the source had not published all of it yet."""
    source = IngestConfig(label="x", harvester="oai", schedule="* * * * *", earliest_date=date(2024, 5, 13))
    midnight = datetime(2024, 5, 15, tzinfo=timezone.utc)
    assert due_days(source, [], midnight + timedelta(seconds=30)) == [DueDays(may(13))]
    assert due_days(source, [], midnight + timedelta(hours=6)) == [DueDays(may(13, 14))]


def test_by_default_the_last_days_are_harvested_again() -> None:
    """Records that are published late under an old date were never seen (docs/failures.md#late-records)."""
    source = IngestConfig(label="x", harvester="oai", schedule="0 9 * * *", earliest_date=date(2024, 1, 1))
    now = datetime(2024, 5, 15, 9, tzinfo=timezone.utc)
    assert due_days(source, covered(may(1, 14)), now) == [DueDays(may(11, 14), superfluous=True)]


def test_lookback_repeats_nothing_that_was_never_harvested() -> None:
    """On the first day of a source there is nothing to repeat."""
    assert due_days(config(lookback="2d", earliest_date="2024-05-13"), [], NOW) == [DueDays(may(13, 14))]


@given(st.lists(days_of_may, max_size=5), st.integers(0, 9))
def test_due_days_and_covered_days_make_up_the_month(done: list[DayRange], lookback: int) -> None:
    """A day that is left out is never harvested; a day in two runs is harvested twice."""
    due = due_days(config(lookback=f"{lookback}d", earliest_date="2024-05-01"), covered(*done), NOW)
    days = [day for one in due for day in one.days.window.days]
    assert len(days) == len(set(days))
    harvested = {day for one in done for day in one.window.days}
    looked_back = {YESTERDAY - number * DAY for number in range(lookback + 1)} if lookback else set()
    everything = set(may(1, 14).window.days)
    assert set(days) >= everything - harvested
    assert set(days) - (everything - harvested) <= looked_back
    assert set(days) >= (harvested & looked_back & everything)


CRONS = ("0 3 * * *", "0 3 * * 1", "0 3 1,15 * *", "0 3 1 * *", "30 2 31 * *", "0 3 1 */3 *", "0 3 1 1 *")


@settings(max_examples=40)
@given(st.sampled_from(CRONS), st.integers(0, 5), st.integers(0, 40))
def test_the_times_of_any_schedule_up_to_a_yearly_one_cover_each_day_once(
    schedule: str, settle: int, delay: int
) -> None:
    """A monthly schedule lost the first day of each long month, and a quarterly one two thirds of the days."""
    source = config(schedule=schedule, settle=f"{settle}d", earliest_date="2022-12-01")
    now, end = datetime(2023, 1, 20, tzinfo=timezone.utc), datetime(2026, 2, 1, tzinfo=timezone.utc)
    first = date(2022, 12, 31)
    done, last = [DayRange(date(2022, 12, 1), first).window], last_scheduled_time(schedule, now)
    while now < end:
        now += DAY
        if (time := last_scheduled_time(schedule, now)) > last:
            last = time
            done += [one.days.window for one in due_days(source, done, now + delay * DAY)]
    assert all(one.end <= other.start for one, other in itertools.pairwise(done))
    assert day_range.missing_days(DayRange(first, date(2025, 12, 20)), done) == []


def test_the_days_since_the_last_harvest_are_due_for_at_most_a_year() -> None:
    """The daemon may be off for months. But a source that was harvested once, ten years ago, needs a backfill."""
    assert due_days(config(), [DayRange(date(2024, 1, 1), date(2024, 2, 3)).window], NOW) == [
        DueDays(DayRange(date(2024, 2, 4), YESTERDAY))
    ]
    old = [whole_day(date(2014, 1, 1))]
    assert due_days(config(earliest_date="2014-01-01"), old, NOW) == [
        DueDays(DayRange(YESTERDAY - LONGEST_HORIZON + DAY, YESTERDAY))
    ]
    assert due_days(config(schedule="0 3 29 2 *", earliest_date="2014-01-01"), [], NOW) == [
        DueDays(DayRange(date(2023, 2, 28), YESTERDAY))
    ]


def test_without_a_schedule_nothing_is_due() -> None:
    """A user who harvests by hand has requested nothing else."""
    assert due_days(config(schedule=None), [], NOW) == []


def test_a_request_without_a_range_goes_back_30_days_or_to_the_last_harvest():
    """A person who names no range wants what is missing, also for a source without a schedule."""
    source = IngestConfig(label="x", harvester="oai", settle="0s", lookback="0s")
    now = parse_instant("2024-06-30T12:00")

    def requested(*covered):
        return [str(due.days) for due in days_on_request(source, covered, now)]

    assert requested() == ["2024-05-31...2024-06-29"]
    assert requested(Window(parse_instant("2024-06-01"), parse_instant("2024-06-28"))) == [
        "2024-05-31",
        "2024-06-28...2024-06-29",
    ]
    assert requested(Window(parse_instant("2024-01-01"), parse_instant("2024-03-01"))) == [
        "2024-03-01...2024-06-29"
    ]
    assert requested(Window(parse_instant("2020-01-01"), parse_instant("2020-03-01"))) == [
        "2023-06-30...2024-06-29"
    ]


def test_a_source_that_cannot_be_asked_by_date_has_one_range_at_each_time() -> None:
    """One snapshot for each gap, or for each day of `lookback`, would download everything as often."""
    snapshots = config(selective=False, lookback="5d")
    gaps = covered(may(1, 3), may(6, 8), may(11, 12))
    assert due_days(snapshots, gaps, NOW) == [DueDays(may(4, 14))]
    assert due_days(snapshots, covered(may(1, 14)), NOW) == [DueDays(may(14, 14), superfluous=True)]
    on_request = config(selective=False, schedule=None)
    assert days_on_request(on_request, gaps, NOW) == [DueDays(may(4, 14))]
    assert days_on_request(on_request, covered(may(1, 14)), NOW) == [DueDays(may(14, 14), superfluous=True)]
