"""How late records come: which records count, and what follows from the histogram."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.due_days import due_days
from harvest_dagster.coverage.lag import (
    BOUNDS,
    DEFAULT_LOOKBACK,
    LONGEST_LEARNED,
    NO_LAGS,
    EarlierList,
    LagHistogram,
    LagRule,
    bound_of,
    habit_change,
    lookback_days,
    lookback_warning,
)
from harvest_dagster.windows import DAY, Window

HOUR = timedelta(hours=1)
MONDAY = datetime(2024, 5, 13, tzinfo=timezone.utc)
SETTLE = timedelta(hours=6)


def rule(
    first: int, last: int, *covered: Window, began: datetime = MONDAY + 7 * HOUR, days_before: float = 1
) -> LagRule:
    """Return the rule of a list of the days from `first` to `last`, counted from the Monday on which it began.

    Args:
        first: the first day.
        last: the last day.
        covered: the windows of earlier lists.
        began: when the list began.
        days_before: how many days before the earlier lists began.
    """
    earlier = [EarlierList(window, began - days_before * DAY) for window in covered]
    return LagRule(days(first, last), began, SETTLE, earlier)


def days(first: int, last: int) -> Window:
    return Window(MONDAY + first * DAY, MONDAY + (last + 1) * DAY)


def source(lookback: object, **keys: object) -> IngestConfig:
    return IngestConfig.model_validate({"label": "x", "harvester": "oai", "lookback": lookback, **keys})


def test_a_backfill_does_not_count() -> None:
    """A record of ten years ago is not ten years late: nobody has asked for it before."""
    backfill = rule(-3650, -4)
    assert not backfill.can_count
    assert backfill.count([MONDAY - 100 * DAY]) == {}
    assert rule(-30, -1).count([MONDAY - 20 * DAY, MONDAY - 3 * DAY, MONDAY - 2 * DAY, MONDAY - HOUR]) == {
        0: 1,
        1: 1,
    }


def test_a_record_that_an_earlier_list_should_have_contained_is_late() -> None:
    """The number is the `lookback` that finds it: four days before the newest one."""
    late = rule(-30, -1, days(-30, -2))
    assert late.lag_of(MONDAY - 4.5 * DAY) == 4
    assert late.count([MONDAY - 4.5 * DAY, MONDAY - 25 * DAY]) == {5: 1, 34: 1}


def test_only_the_covered_part_of_a_window_makes_a_record_late() -> None:
    """A gap that is harvested weeks later is our own delay."""
    gap = rule(-30, -1, days(-30, -21), days(-10, -2))
    assert [gap.lag_of(MONDAY - days_ago * DAY) for days_ago in (25, 20.5, 15, 10, 3)] == [24, 20, None, 9, 2]


def test_a_record_that_a_sweep_finds_has_the_shortest_possible_lag() -> None:
    """Nobody knows when it came. With the time of the sweep, a longer lookback would find lost records and grow on."""
    lookback = rule(-60, -1, days(-60, -31), days_before=27)
    assert lookback.lag_of(MONDAY - 31 * DAY) == 4
    twice = [EarlierList(days(-9, -1), MONDAY - 6 * DAY), EarlierList(days(-5, -1), MONDAY - 3 * DAY)]
    of_two = LagRule(days(-9, -1), MONDAY + 7 * HOUR, SETTLE, twice)
    assert [of_two.lag_of(MONDAY - days_ago * DAY) for days_ago in (9, 6, 5)] == [2, 0, 1]


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20), st.integers(0, 5)), max_size=8),
    st.integers(0, 40),
)
def test_the_last_list_that_should_have_had_a_record_counts(
    lists: list[tuple[int, int, int]], hour: int
) -> None:
    """Lookbacks overlap: each day has many lists, and only the last one says that the record was not there yet."""
    earlier = [
        EarlierList(
            Window(MONDAY + start * HOUR, MONDAY + (start + length) * HOUR), MONDAY + (2 + began) * DAY
        )
        for start, length, began in lists
    ]
    stamp, now = MONDAY + hour * HOUR, MONDAY + 30 * DAY
    found = LagRule(days(0, 1), now, timedelta(), earlier).lag_of(stamp)
    began = [one.began for one in earlier if stamp in one.window]
    assert found == ((max(began) - MONDAY).days - stamp.day + MONDAY.day if began else None)


def test_settle_does_not_make_a_record_late() -> None:
    """Before `settle` is over, the newest day that can be harvested is the day before yesterday."""
    early = rule(-5, -1, days(-5, -3), began=MONDAY + 3 * HOUR)
    assert [early.lag_of(MONDAY - days_ago * DAY) for days_ago in (0.5, 2, 3)] == [0, 0, 1]


def test_records_outside_of_the_window_or_without_datestamp_do_not_count() -> None:
    """What is known about earlier lists concerns the window only."""
    assert rule(-3, -1, days(-3, -1)).count([None, MONDAY, MONDAY - 10 * DAY]) == {}


@given(st.integers(0, 40), st.integers(0, 86_399), st.integers(0, 86_399), st.integers(0, 30))
def test_a_lookback_of_the_lag_requests_the_day_of_the_record(
    ago: int, second: int, began: int, settle: int
) -> None:
    """The histogram would otherwise name a `lookback` that loses the record."""
    now, config = MONDAY + timedelta(seconds=began), source("0s", settle=f"{settle}h", schedule="0 * * * *")
    stamp = MONDAY - (ago + 2) * DAY + timedelta(seconds=second)
    everything = Window(MONDAY - 60 * DAY, MONDAY + DAY)
    lag = LagRule(everything, now, config.settle, [EarlierList(everything, now)]).lag_of(stamp)
    assert lag is not None

    def requests(lookback: int) -> bool:
        due = due_days(source(f"{lookback}d", settle=f"{settle}h", schedule="0 * * * *"), [everything], now)
        return any(stamp.date() in one.days for one in due)

    if lag:
        assert requests(lag)
        assert lag == 1 or not requests(lag - 1)


def test_each_lag_has_the_smallest_bound_that_is_not_below_it() -> None:
    """A bound that is too low would lead to a lookback that is too short."""
    assert [bound_of(lag) for lag in (0, 1, 4, 5, 6, 56, 999, 5000)] == [0, 1, 5, 5, 8, 89, 999, 999]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, DEFAULT_LOOKBACK),
        ({21: 999}, DEFAULT_LOOKBACK),
        ({0: 100_000}, 1),
        ({0: 999, 1: 1}, 1),
        ({0: 998, 1: 2}, 2),
        ({0: 9990, 13: 10}, 1),
        ({0: 9989, 13: 11}, 21),
        ({0: 1000, 55: 10}, LONGEST_LEARNED),
        ({0: 1000, 999: 10}, LONGEST_LEARNED),
    ],
)
def test_the_learned_lookback_covers_almost_all_records(counts: dict[int, int], expected: int) -> None:
    """It is limited on both sides, and does not follow a handful of records."""
    lags = LagHistogram(recent=counts)
    assert (lags.learned_lookback, lookback_days(source("auto"), lags)) == (expected, expected)
    assert lookback_days(source("36h"), lags) == 2


def test_a_schedule_with_a_learned_lookback_repeats_the_days_that_it_covers() -> None:
    """`lookback: auto` would otherwise only be displayed."""
    config = source("auto", schedule="0 7 * * *", earliest_date="2024-01-01")
    covered, now = [Window(MONDAY - 100 * DAY, MONDAY)], MONDAY + 7 * HOUR
    (learned,) = due_days(config, covered, now, LagHistogram(before={0: 900, 8: 100}))
    (default,) = due_days(config, covered, now)
    assert (len(learned.days), len(default.days)) == (14, DEFAULT_LOOKBACK + 1)


def test_a_change_of_habit_needs_two_buckets_and_fifty_records() -> None:
    """A report on each month would hide the one that matters."""
    usual = {0: 5000, 1: 4900, 2: 100}
    assert habit_change(LagHistogram({0: 400, 2: 60}, usual)) is None
    assert habit_change(LagHistogram({0: 400, 8: 49}, usual)) is None
    found = habit_change(LagHistogram({0: 400, 8: 50}, usual))
    assert found is not None
    assert (found.before, found.recent, found.records) == (1, 8, 50)
    assert "50 records later than 1 day" in str(found)


def test_a_source_that_became_faster_has_changed_its_habit_too() -> None:
    """Its lookback requests days for nothing."""
    found = habit_change(LagHistogram({0: 4000}, {0: 5000, 13: 100}))
    assert found is not None
    assert (found.before, found.recent) == (13, 0)
    assert habit_change(NO_LAGS) is None


def test_a_fixed_lookback_that_is_too_short_is_reported_with_the_value_to_write() -> None:
    """Only sweeps find what it misses, so nobody else would say it."""
    lags = LagHistogram({0: 2000, 21: 60}, {0: 1000})
    found = lookback_warning(source("3d"), lags)
    assert found is not None
    assert "60 of 3060 records" in found
    assert "`lookback: 21d`" in found
    assert "`lookback: auto`" in found
    assert lookback_warning(source("auto"), lags) is None
    assert lookback_warning(source("21d"), lags) is None
    assert lookback_warning(source("3d", selective=False), lags) is None
    assert lookback_warning(source("14d"), lags) is None, "some of the bucket up to 21 days may be covered"
    assert lookback_warning(source("3d"), LagHistogram({0: 100_000, 21: 60})) is None
    beyond = lookback_warning(source("3d"), LagHistogram({0: 100, 365: 60}))
    assert beyond is not None
    assert "`reconcile`" in beyond


@given(st.dictionaries(st.sampled_from(BOUNDS), st.integers(1, 5000), min_size=1), st.floats(0.01, 1))
def test_a_bound_covers_its_share_and_the_next_lower_one_does_not(
    counts: dict[int, int], share: float
) -> None:
    """A quantile that is one bucket off loses records, or requests days for nothing."""
    lags = LagHistogram(counts)
    bound = lags.bound(share)
    assert bound in counts
    up_to = sum(number for other, number in counts.items() if other <= bound)
    assert up_to >= share * lags.records > up_to - counts[bound]
