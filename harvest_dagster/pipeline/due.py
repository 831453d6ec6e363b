"""due: what a source's schedule asks for, at the times it names.

The days that are not covered, rather than those after the newest that is: a watermark hides what failed behind
it (Lesson 4). And those of `lookback` again, for sources that publish late under an older date (Lesson 7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from harvest_dagster.catalog.cron import last_due
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.pipeline import calendar
from harvest_dagster.pipeline.calendar import Days
from harvest_dagster.windows import DAY, Window

# How far back a schedule makes up for what it missed, however often it comes. A new source begins with so many days;
# its history is a backfill, which somebody asks for.
HORIZON = timedelta(days=30)
# As far before its last time as any schedule reaches: a yearly one asks for all days since the year before.
LONGEST_HORIZON = timedelta(days=366)


@dataclass(frozen=True)
class Due:
    """Days for one run.

    Attributes:
        days: which.
        again: whether those that are covered are harvested again.
    """

    days: Days
    again: bool = False


def due(config: IngestConfig, covered: Sequence[Window], now: datetime) -> list[Due]:
    """What the schedule of a source asks for now; days that follow each other are one run. Nothing without one.

    Args:
        config: the source.
        covered: what is done, in order.
        now: the time.
    """
    newest = calendar.newest_day(now, config.settle)
    if config.schedule is None or newest < config.earliest_date:
        return []
    oldest = _oldest(config.schedule, config.settle, covered, now)
    missing = calendar.missing(Days(max(config.earliest_date, oldest), newest), covered)
    # The newest day has just ended; `lookback` are those before.
    back = Days(max(config.earliest_date, newest + DAY * (-config.lookback // DAY)), newest)
    again = back.without(missing) if config.lookback else []
    return [
        Due(days, again=any(days.overlaps(other) for other in again))
        for days in calendar.merged([*missing, *again])
    ]


def _oldest(schedule: str, settle: timedelta, covered: Sequence[Window], now: datetime) -> date:
    """The first day of the last 30, of those since the time before, and of those since the last harvest.

    A schedule that comes once a quarter would lose two months of three otherwise; and one that comes once a month,
    what passed while no daemon ran.
    """
    last = last_due(schedule, now)
    before = calendar.newest_day(last_due(schedule, last - datetime.resolution), settle) + DAY
    newest = calendar.newest_day(now, settle)
    wanted = [newest - HORIZON + DAY, before, *(window.end.date() for window in covered[-1:])]
    return max(min(wanted), calendar.newest_day(last, settle) - LONGEST_HORIZON + DAY)
