"""What a schedule asks for, and which days of what waits are transformed together: arithmetic of days."""

from __future__ import annotations

import itertools
from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.catalog.cron import last_due
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.pipeline import calendar
from harvest_dagster.pipeline.batches import batches
from harvest_dagster.pipeline.calendar import Days
from harvest_dagster.pipeline.due import HORIZON, LONGEST_HORIZON, Due, due
from harvest_dagster.storage.overview import WaitingDay
from harvest_dagster.windows import DAY, Window, whole_day

NOW = datetime(2024, 5, 15, 3, tzinfo=timezone.utc)
YESTERDAY = date(2024, 5, 14)


def config(**changes: object) -> IngestConfig:
    given = {"label": "x", "harvester": "oai", "earliest_date": "2024-01-01", "schedule": "0 3 * * *"}
    return IngestConfig.model_validate({**given, **changes})


def may(first: int, last: int | None = None) -> Days:
    return Days(date(2024, 5, first), date(2024, 5, last or first))


def covered(*stretches: Days) -> list[Window]:
    return [Days(date(2024, 1, 1), date(2024, 4, 30)).window, *(days.window for days in stretches)]


def test_days_that_follow_each_other_are_one_run() -> None:
    """What was missed while nothing ran is made up for, and not in a process for each day."""
    assert due(config(), covered(may(1, 10)), NOW) == [Due(may(11, 14))]


def test_lesson_4_what_failed_behind_a_newer_success_is_due_too() -> None:
    """Lesson 4: the watermark hid the gap."""
    assert due(config(), covered(may(1, 5), may(7, 13)), NOW) == [Due(may(6)), Due(may(14))]


def test_nothing_is_due_where_all_is_done() -> None:
    """A second tick, or a second switch, asks for nothing."""
    assert due(config(), covered(may(1, 14)), NOW) == []


def test_a_day_of_which_an_hour_is_missing_is_due() -> None:
    """An ad hoc harvest of some hours does not make the day done."""
    hours = Window(may(14).window.start, NOW - timedelta(hours=4))
    assert due(config(), [*covered(may(1, 13)), hours], NOW) == [Due(may(14))]


def test_a_new_source_begins_with_its_last_days_and_not_with_its_history() -> None:
    """Ten years of a source are a backfill, which somebody asks for."""
    ((days, again),) = [(one.days, one.again) for one in due(config(), [], NOW)]
    assert (days, again) == (Days(YESTERDAY - HORIZON + DAY, YESTERDAY), False)


def test_a_source_younger_than_that_begins_with_its_first_day() -> None:
    """There is no partition before."""
    assert due(config(earliest_date="2024-05-12"), [], NOW) == [Due(may(12, 14))]
    assert due(config(earliest_date="2024-05-15"), [], NOW) == []


def test_a_day_is_due_once_it_has_settled() -> None:
    """A harvest before that would not count, and be done again the next time."""
    assert due(config(settle="3h"), covered(may(1, 12)), NOW) == [Due(may(13, 14))]
    assert due(config(settle="181m"), covered(may(1, 12)), NOW) == [Due(may(13))]


def test_lesson_7_lookback_harvests_the_days_before_again() -> None:
    """Lesson 7: what is published late under an old date falls behind every cursor."""
    assert due(config(lookback="2d"), covered(may(1, 13)), NOW) == [Due(may(12, 14), again=True)]
    assert due(config(lookback="2d"), covered(may(1, 14)), NOW) == [Due(may(12, 14), again=True)]
    assert due(config(lookback="1h"), covered(may(1, 13)), NOW) == [Due(may(13, 14), again=True)]


def test_lookback_leaves_other_days_that_are_missing_alone() -> None:
    """What is done of them is not fetched again."""
    assert due(config(lookback="1d"), covered(may(1, 5), may(7, 13)), NOW) == [
        Due(may(6)),
        Due(may(13, 14), again=True),
    ]


def test_lookback_of_what_was_never_harvested_is_no_second_harvest() -> None:
    """On a source's first day nothing is there to be done again."""
    assert due(config(lookback="2d", earliest_date="2024-05-13"), [], NOW) == [Due(may(13, 14))]


days_of_may = st.tuples(st.integers(1, 14), st.integers(1, 14)).map(lambda ends: may(*sorted(ends)))


@given(st.lists(days_of_may, max_size=5), st.integers(0, 9))
def test_what_is_due_and_what_is_done_tile_the_month(done: list[Days], lookback: int) -> None:
    """A day left out is never harvested; one in two runs is harvested twice."""
    asked = due(config(lookback=f"{lookback}d", earliest_date="2024-05-01"), covered(*done), NOW)
    days = [day for one in asked for day in one.days.window.days]
    assert len(days) == len(set(days))
    harvested = {day for one in done for day in one.window.days}
    looked_back = {YESTERDAY - number * DAY for number in range(lookback + 1)} if lookback else set()
    everything = set(may(1, 14).window.days)
    assert set(days) >= everything - harvested
    assert set(days) - (everything - harvested) <= looked_back
    assert set(days) >= (harvested & looked_back & everything)


CRONS = ("0 3 * * *", "0 3 * * 1", "0 3 1,15 * *", "0 3 1 * *", "30 2 31 * *", "0 3 1 */3 *", "0 3 1 1 *")


@given(st.sampled_from(CRONS), st.integers(0, 5), st.integers(0, 40))
def test_lesson_4_the_times_of_any_schedule_up_to_a_yearly_one_tile_the_years(
    schedule: str, settle: int, late: int
) -> None:
    """Lesson 4: of a monthly one the first day of each long month was never harvested, of a quarterly two thirds."""
    source = config(schedule=schedule, settle=f"{settle}d", earliest_date="2022-12-01")
    now, end = datetime(2023, 1, 20, tzinfo=timezone.utc), datetime(2026, 2, 1, tzinfo=timezone.utc)
    first = date(2022, 12, 31)
    done, served = [Days(date(2022, 12, 1), first).window], last_due(schedule, now)
    while now < end:
        now += DAY
        if (time := last_due(schedule, now)) > served:
            served = time
            done += [one.days.window for one in due(source, done, now + late * DAY)]
    assert all(one.end <= other.start for one, other in itertools.pairwise(done))
    assert calendar.missing(Days(first, date(2025, 12, 20)), done) == []


def test_what_passed_since_the_last_harvest_is_due_for_a_year_and_no_more() -> None:
    """The daemon was off for months; and a source that was harvested once, ten years ago, has a history."""
    assert due(config(), [Days(date(2024, 1, 1), date(2024, 2, 3)).window], NOW) == [
        Due(Days(date(2024, 2, 4), YESTERDAY))
    ]
    old = [whole_day(date(2014, 1, 1))]
    assert due(config(earliest_date="2014-01-01"), old, NOW) == [
        Due(Days(YESTERDAY - LONGEST_HORIZON + DAY, YESTERDAY))
    ]
    assert due(config(schedule="0 3 29 2 *", earliest_date="2014-01-01"), [], NOW) == [
        Due(Days(date(2023, 2, 28), YESTERDAY))
    ]


def test_without_a_schedule_nothing_is_due() -> None:
    """Who harvests by hand has not asked."""
    assert due(config(schedule=None), [], NOW) == []


@given(st.lists(days_of_may, max_size=6))
def test_merged_stretches_have_the_same_days_and_do_not_touch(stretches: list[Days]) -> None:
    """Two runs of one day would wait for each other."""
    together = calendar.merged(stretches)
    assert [d for s in together for d in s.window.days] == sorted(
        {d for s in stretches for d in s.window.days}
    )
    assert all(one.last + DAY < other.first for one, other in itertools.pairwise(together))


def test_a_stretch_that_ends_before_it_begins_is_refused() -> None:
    """It would be a window of negative length."""
    with pytest.raises(ValueError, match="is before"):
        Days(date(2024, 5, 2), date(2024, 5, 1))


def waiting(*days: int, since: datetime = NOW) -> list[WaitingDay]:
    return [WaitingDay(1, 1, date(2024, 5, day), since, since) for day in days]


def test_days_with_nothing_but_done_days_between_are_transformed_together() -> None:
    """A weekly source would cost a process for each week of its history."""
    found = batches(waiting(1, 2, 9, 20), [may(1, 14).window])
    assert [batch.days for batch in found] == [may(1, 9), may(20)]


def test_without_coverage_only_neighbours_go_together() -> None:
    """A partition that was never harvested must not be shown as transformed."""
    assert [batch.days for batch in batches(waiting(1, 2, 4, 5), [])] == [may(1, 2), may(4, 5)]


def test_a_batch_waits_since_its_first_datum_and_until_its_last() -> None:
    """By the first a failed run is recognized, by the last a new one."""
    later = NOW + DAY
    (batch,) = batches([*waiting(1), *waiting(1, since=later)], [whole_day(date(2024, 5, 1))])
    assert (batch.since, batch.newest) == (NOW, later)
