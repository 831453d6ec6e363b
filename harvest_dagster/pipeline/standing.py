"""standing: how complete a source is, from what its logs cover; and which gaps are repaired without being asked.

A gap is a day that was asked for and is not done: between the first and the last day that were harvested, in a
window that failed, or since the last harvest where a schedule promises it. The history before the first harvest
is no gap: it is told, and left to a backfill that somebody asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from harvest_dagster.catalog.cron import last_due
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.pipeline import calendar
from harvest_dagster.pipeline.calendar import Days
from harvest_dagster.storage.overview import Broken, Coverage
from harvest_dagster.windows import DAY, Window

# A hole that is longer was hardly ever harvested day by day: somebody tried a day of long ago. Harvesting all
# between would be a backfill by surprise. A window that failed was asked for, at any length.
LONGEST_HOLE = timedelta(days=366)


@dataclass(frozen=True)
class Standing:
    """How complete a source is.

    Attributes:
        first: the first instant that was harvested; None where nothing was.
        until: the instant up to which nothing is missing since then.
        newest: the last instant that was harvested.
        asked: when the last harvest began that counts.
        missing: the days that were asked for and are not done.
        repairable: those of them that are harvested without being asked.
        before: the history before the first harvest, if there is one.
        late: whether the schedule's last time, and the time a harvest may take, have passed without the day.
        raised_to: the harvester's version, where only other ones have harvested: their windows count no longer.
    """

    first: datetime | None
    until: datetime | None
    newest: datetime | None
    asked: datetime | None
    missing: tuple[Days, ...]
    repairable: tuple[Days, ...]
    before: Days | None
    late: bool
    raised_to: int | None = None

    @property
    def is_complete(self) -> bool:
        """Whether something was harvested, and nothing that was asked for is missing."""
        return self.first is not None and not self.missing and not self.late

    @property
    def missing_days(self) -> int:
        """How many."""
        return sum(len(days) for days in self.missing)


def standing(
    config: IngestConfig, coverage: Coverage | None, broken: Sequence[Broken], now: datetime
) -> Standing:
    """How complete a source is.

    Args:
        config: the source.
        coverage: what is done of it; None where nothing is.
        broken: its windows that broke off.
        now: the time.
    """
    covered = coverage.windows if coverage else ()
    promised = _promised(config, now)
    failed = _failed(config, covered, broken, now)
    holes = _holes(config, covered, promised, calendar.newest_day(now, config.settle))
    few = [hole for hole in holes if len(hole) * DAY <= LONGEST_HOLE]
    missing = calendar.merged([*failed, *holes])
    first = covered[0].start if covered else None
    return Standing(
        first=first,
        until=covered[0].end if covered else None,
        newest=covered[-1].end if covered else None,
        asked=coverage.asked if coverage else None,
        missing=tuple(missing),
        repairable=tuple(calendar.merged([*failed, *few])),
        before=_before(config, first, now),
        late=promised is not None and (not covered or promised > calendar.touched(covered[-1]).last),
    )


def _promised(config: IngestConfig, now: datetime) -> date | None:
    """The newest day that the schedule should have brought by now, given the time that one harvest may take."""
    if config.schedule is None or config.disabled:
        return None
    due = last_due(config.schedule, now - config.timeout.harvest)
    day = calendar.newest_day(due, config.settle)
    return day if day >= config.earliest_date else None


def _failed(
    config: IngestConfig, covered: Sequence[Window], broken: Sequence[Broken], now: datetime
) -> list[Days]:
    """The days of windows that broke off, where no other harvest has done them."""
    newest = calendar.newest_day(now, config.settle)
    return calendar.merged(
        days
        for one in broken
        if (inside := calendar.touched(one.window).within(config.earliest_date, newest))
        for days in calendar.missing(inside, covered)
    )


def _holes(
    config: IngestConfig, covered: Sequence[Window], promised: date | None, newest: date
) -> list[Days]:
    """The days between the first and the last harvest, and since then as far as the schedule promises them."""
    if not covered:
        return []
    first = max(calendar.touched(covered[0]).first, config.earliest_date)
    last = min(max(calendar.touched(covered[-1]).last, promised or first), newest)
    return calendar.missing(Days(first, last), covered) if first <= last else []


def _before(config: IngestConfig, first: datetime | None, now: datetime) -> Days | None:
    """What lies before the first harvest; of a source that never was harvested, everything."""
    last = first.date() - DAY if first else calendar.newest_day(now, config.settle)
    return Days(config.earliest_date, last) if config.earliest_date <= last else None
