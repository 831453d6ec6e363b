"""Which days a source's schedule requests now.

It requests the days that are not covered, not only those after the newest covered day: a watermark would hide the gaps
behind it (docs/failures.md#watermark-hides-gap). It also repeats the days of `lookback`, for sources that publish
records late under an old date (docs/failures.md#late-records).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from harvest_dagster.catalog.cron import last_scheduled_time
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage import day_range
from harvest_dagster.coverage.day_range import DayRange
from harvest_dagster.coverage.lag import NO_LAGS, LagHistogram, lookback_days
from harvest_dagster.windows import DAY, Window

# Each scheduled time makes up for gaps of this length, however often the schedule runs. A new source starts with this
# many days. Its older history is a backfill, which a person requests.
HORIZON = timedelta(days=30)
# The longest range that a schedule requests, counted back from its last time: a yearly schedule needs a leap year.
LONGEST_HORIZON = timedelta(days=366)


@dataclass(frozen=True)
class DueDays:
    """Days for one run.

    Attributes:
        days: the days.
        superfluous: whether to harvest covered days again.
    """

    days: DayRange
    superfluous: bool = False


def due_days(
    config: IngestConfig, covered: Sequence[Window], now: datetime, lags: LagHistogram = NO_LAGS
) -> list[DueDays]:
    """Return the days that the schedule of a source requests now; none without a schedule.

    Consecutive days share one run.

    Args:
        config: the source.
        covered: the covered windows, in order.
        now: the time.
        lags: how late the records of the source come, for `lookback: auto`.
    """
    if config.schedule is None:
        return []
    oldest = _oldest_day(config.schedule, config.settle, covered, now)
    return _days_since(config, oldest, covered, now, lookback_days(config, lags))


def days_on_request(
    config: IngestConfig, covered: Sequence[Window], now: datetime, lags: LagHistogram = NO_LAGS
) -> list[DueDays]:
    """Return the days that a harvest without a range requests: as `due_days`, also for a source without a schedule.

    Without a schedule, these are the incomplete days of the last 30 days, or back to the last harvest if that is longer
    ago (at most one year).

    Args: see `due_days`.
    """
    if config.schedule is not None:
        return due_days(config, covered, now, lags)
    newest = day_range.newest_settled_day(now, config.settle)
    oldest = min([newest - HORIZON + DAY, *(window.end.date() for window in covered[-1:])])
    oldest = max(oldest, newest - LONGEST_HORIZON + DAY)
    return _days_since(config, oldest, covered, now, lookback_days(config, lags))


def _days_since(
    config: IngestConfig, oldest: date, covered: Sequence[Window], now: datetime, lookback: int
) -> list[DueDays]:
    """Return the incomplete days from `oldest` on, and `lookback` days before the newest one.

    For a source that cannot be asked by date, return one range, at least the newest day.
    """
    newest = day_range.newest_settled_day(now, config.settle)
    if newest < config.earliest_date:
        return []
    missing = day_range.missing_days(DayRange(max(config.earliest_date, oldest), newest), covered)
    if not config.selective:
        # One snapshot serves all days. If none is missing, the run takes another one, for what has changed since.
        return [DueDays(DayRange(missing[0].first if missing else newest, newest), superfluous=not missing)]
    # The newest day has just ended. `lookback` counts the days before it.
    looked_back = DayRange(max(config.earliest_date, newest - lookback * DAY), newest)
    repeated = looked_back.subtract(missing) if lookback else []
    return [
        DueDays(days, superfluous=any(days.overlaps(other) for other in repeated))
        for days in day_range.merge([*missing, *repeated])
    ]


def _oldest_day(schedule: str, settle: timedelta, covered: Sequence[Window], now: datetime) -> date:
    """Return the first day to consider: 30 days ago, the time before the last, or the last harvest, whichever is first.

    The range is at most LONGEST_HORIZON. With 30 days alone, a quarterly schedule would lose two months of three, and a
    monthly one would lose the time in which no daemon ran.
    """
    last = last_scheduled_time(schedule, now)
    time_before = last_scheduled_time(schedule, last - datetime.resolution)
    candidates = [
        day_range.newest_settled_day(now, settle) - HORIZON + DAY,
        day_range.newest_settled_day(time_before, settle) + DAY,
        *(window.end.date() for window in covered[-1:]),
    ]
    return max(min(candidates), day_range.newest_settled_day(last, settle) - LONGEST_HORIZON + DAY)
