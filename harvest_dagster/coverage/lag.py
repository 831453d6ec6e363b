"""How late the records of a source come, and which `lookback` finds them.

The lag of a record counts days of the schedule: 0 if the record came with the newest day that could be harvested then,
3 if it came when that day was three days after the day of its datestamp. So `lookback: 3d` finds all lags up to 3.

Only the lag of the source counts, not ours. A backfill requests old days for the first time, so its records say nothing
about the source. A sweep finds records that came at any time since the day was listed before; they count with the
shortest lag that is possible, one day more than that of the earlier list. With a list on each day, this is the time
from the datestamp to the first harvest. `LagRule` decides which records count; `LagHistogram` is what was counted.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.day_range import newest_settled_day
from harvest_dagster.windows import DAY, Window, merged, subtract

# The upper bounds of the histogram, in days. The last one stands for all longer lags, too.
BOUNDS = (0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 365, 999)

# A day that is requested for the first time says how late its records come only if it is requested at once: if it is
# the newest day, or the day before it.
_ON_TIME = 1

# `lookback: auto` covers this share of the records.
LEARNED_SHARE = 0.999
SHOWN_SHARES = (0.5, 0.99, 0.999)
# With fewer records than this, the share above is less than one record.
FEWEST_RECORDS = 1000
DEFAULT_LOOKBACK = 3  # days, as long as too few records are counted; the default of `lookback`
# The longest lookback that is learned. Each scheduled time requests all its days again: sixty days are two windows of
# the default `max_window`. What comes later is the task of `reconcile`, which asks only for identifiers.
LONGEST_LEARNED = 60

# A fixed `lookback` that covers less than this share of the records is reported.
EXPECTED_SHARE = 0.99
# A change of the habit is reported if the bound of this share moved by so many buckets.
_HABIT_SHARE = 0.99
_MOVED_BUCKETS = 2
# Fewer records may be one accident at the source.
_FEWEST_LATE = 50


@dataclass(frozen=True)
class EarlierList:
    """A list that has covered a window.

    Attributes:
        window: the window.
        began: when the list began.
    """

    window: Window
    began: datetime


@dataclass(frozen=True)
class LagRule:
    """Decides which new or newly dated records of one list count, and with which lag.

    Attributes:
        window: the window of the list.
        began: when the list began.
        settle: the `settle` of the source.
        earlier: the lists that have covered parts of the window before; in any order, and they may overlap.
    """

    window: Window
    began: datetime
    settle: timedelta
    earlier: Sequence[EarlierList] = ()

    @cached_property
    def _newest(self) -> date:
        return newest_settled_day(self.began, self.settle)

    @cached_property
    def _latest(self) -> list[EarlierList]:
        return _latest_lists(self.earlier)

    @cached_property
    def _starts(self) -> list[datetime]:
        return [one.window.start for one in self._latest]

    @property
    def can_count(self) -> bool:
        """Whether any record of the list can count. A backfill of old days counts nothing."""
        last = (self.window.end - datetime.resolution).date()
        return bool(self.earlier) or (self._newest - last).days <= _ON_TIME

    def lag_of(self, datestamp: datetime | None) -> int | None:
        """Return the lag of a record in days; None if the record does not count.

        A record counts if an earlier list covered its datestamp and therefore should have contained it, or if its day
        is requested for the first time and at once. In the second case the record is on time.
        """
        if datestamp is None or datestamp not in self.window:
            return None
        days = (self._newest - datestamp.date()).days
        listed = self._last_listed(datestamp)
        if listed is None:
            return max(0, days) if days <= _ON_TIME else None
        days_before = (newest_settled_day(listed, self.settle) - datestamp.date()).days
        return max(0, min(days, days_before + 1))

    def count(self, datestamps: Iterable[datetime | None]) -> Counter[int]:
        """Return the number of records that count, by the bound of their lag."""
        lags = map(self.lag_of, datestamps) if self.can_count else ()
        return Counter(bound_of(lag) for lag in lags if lag is not None)

    def _last_listed(self, datestamp: datetime) -> datetime | None:
        """Return when the last earlier list began that should have contained a datestamp; None if none should."""
        index = bisect_right(self._starts, datestamp) - 1
        return self._latest[index].began if index >= 0 and datestamp in self._latest[index].window else None


def _latest_lists(earlier: Iterable[EarlierList]) -> list[EarlierList]:
    """Return parts of the lists that do not overlap, in order: for each instant the list that began last."""
    found: list[EarlierList] = []
    covered: list[Window] = []
    for one in sorted(earlier, key=lambda one: one.began, reverse=True):
        parts = list(subtract(one.window, covered))
        if parts:
            found += [EarlierList(part, one.began) for part in parts]
            covered = list(merged([*covered, *parts]))
    return sorted(found, key=lambda one: one.window)


def bound_of(lag: int) -> int:
    """Return the upper bound of the bucket of a lag."""
    return BOUNDS[min(bisect_left(BOUNDS, lag), len(BOUNDS) - 1)]


@dataclass(frozen=True)
class LagHistogram:
    """How late the records of a source came in the last twelve months.

    Attributes:
        recent: the number of records by the bound of their lag, in this month and the month before.
        before: the same for the ten months before.
    """

    recent: Mapping[int, int] = field(default_factory=dict)
    before: Mapping[int, int] = field(default_factory=dict)

    @cached_property
    def counts(self) -> Counter[int]:
        """The number of records of all twelve months, by bound."""
        return Counter(self.recent) + Counter(self.before)

    @property
    def records(self) -> int:
        """The number of records that are counted."""
        return self.counts.total()

    def bound(self, share: float) -> int | None:
        """Return the lag in days that covers this share of the records; None if none is counted."""
        return _bound(self.counts, share)

    def late_records(self, lookback: int) -> int:
        """Return the number of records that came later than a `lookback` of so many days.

        Records of a bucket that the lookback covers only in part are not late: where they are in it is not known.
        """
        return sum(number for bound, number in self.counts.items() if _lowest(bound) > lookback)

    @property
    def learned_lookback(self) -> int:
        """The days of `lookback: auto`: one bound more than what covers almost all records.

        A lookback finds no later record than its own days. Without the additional bound, it would never notice that
        the source has become slower.
        """
        bound = self.bound(LEARNED_SHARE)
        if bound is None or self.records < FEWEST_RECORDS:
            return DEFAULT_LOOKBACK
        longer = BOUNDS[min(BOUNDS.index(bound) + 1, len(BOUNDS) - 1)]
        return min(longer, LONGEST_LEARNED)


NO_LAGS = LagHistogram()


@dataclass(frozen=True)
class HabitChange:
    """A source publishes later, or earlier, than it used to.

    Attributes:
        before: the lag in days that covered 99 % of the records of the ten months before.
        recent: the same for this month and the month before.
        records: the number of records outside of the smaller of the two.
    """

    before: int
    recent: int
    records: int

    def __str__(self) -> str:
        return (
            f"99 % of the records come within {_days(self.recent)} since last month, and came within "
            f"{_days(self.before)} in the ten months before ({self.records} records later than "
            f"{_days(min(self.before, self.recent))})"
        )


def habit_change(lags: LagHistogram) -> HabitChange | None:
    """Return how the habit of a source has changed; None if it has not, or if too few records show it."""
    before, recent = _bound(lags.before, _HABIT_SHARE), _bound(lags.recent, _HABIT_SHARE)
    if before is None or recent is None:
        return None
    if abs(BOUNDS.index(before) - BOUNDS.index(recent)) < _MOVED_BUCKETS:
        return None
    later = lags.recent if recent > before else lags.before
    records = sum(number for bound, number in later.items() if bound > min(before, recent))
    return HabitChange(before, recent, records) if records >= _FEWEST_LATE else None


def lookback_days(config: IngestConfig, lags: LagHistogram) -> int:
    """Return how many days before the newest one a schedule harvests again. A part of a day counts as a day."""
    return lags.learned_lookback if config.lookback == "auto" else -(-config.lookback // DAY)


def describe_lag(config: IngestConfig, lags: LagHistogram) -> str | None:
    """Return how late the records of a source come, and its `lookback`, in one line; None if none is counted."""
    shares = [(share, bound) for share in SHOWN_SHARES if (bound := lags.bound(share)) is not None]
    if not shares:
        return None
    (half, bound), *others = shares
    within = "".join(f", {100 * share:.4g} % within {_days(days)}" for share, days in others)
    line = f"{half:.0%} of the records come within {_days(bound)}{within} ({lags.records} records in twelve months)"
    if not config.selective:
        return line
    days, learned = lookback_days(config, lags), ", learned" if config.lookback == "auto" else ""
    return f"{line}; {lags.late_records(days)} came later than the lookback of {_days(days)}{learned}"


def lookback_warning(config: IngestConfig, lags: LagHistogram) -> str | None:
    """Return why a fixed `lookback` is too short, and what to write instead; None if it suffices."""
    if config.lookback == "auto" or not config.selective:
        return None  # each harvest of a source that is not selective finds all late records
    days = lookback_days(config, lags)
    late, bound = lags.late_records(days), lags.bound(LEARNED_SHARE)
    if bound is None or late < _FEWEST_LATE or late <= lags.records * (1 - EXPECTED_SHARE):
        return None
    learned = "`lookback: auto` learns what is needed"
    if bound > LONGEST_LEARNED:
        learned = (
            f"but `lookback: auto` repeats at most {LONGEST_LEARNED} days; `reconcile` finds what comes later"
        )
    return (
        f"{late} of {lags.records} records came later than the {_days(days)} of `lookback` in the last twelve months. "
        f"`lookback: {bound}d` covers {LEARNED_SHARE:.1%} of them; {learned}."
    )


def _bound(counts: Mapping[int, int], share: float) -> int | None:
    """Return the lowest bound up to which this share of the records lies."""
    needed, found = share * sum(counts.values()), 0
    for bound in sorted(counts):
        found += counts[bound]
        if counts[bound] and found >= needed:
            return bound
    return None


def _lowest(bound: int) -> int:
    """Return the shortest lag in the bucket of a bound."""
    index = BOUNDS.index(bound)
    return BOUNDS[index - 1] + 1 if index else 0


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number} days"
