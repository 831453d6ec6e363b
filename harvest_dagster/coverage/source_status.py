"""The gaps of a source, and which of them the sensor `repair_gaps` harvests without a request.

A gap is a day that was requested and is not harvested. It lies between the first and the last harvested day, in a
window that failed, or after the last harvest where the schedule promises it. The history before the first harvest is
no gap. It is reported, and a person may request a backfill of it. docs/decisions/0018 explains this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from harvest_dagster.catalog.cron import last_scheduled_time
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage import day_range
from harvest_dagster.coverage.day_range import DayRange
from harvest_dagster.storage.harvest_log.overview import FailedWindow
from harvest_dagster.storage.harvest_log.source_coverage import SourceCoverage
from harvest_dagster.windows import DAY, Window

# A longer gap between two harvests hardly means that all days between them were requested: a person tried one day of
# long ago, and the repair would be an unexpected backfill. A window that failed was requested, at any length.
LONGEST_REPAIRED_GAP = timedelta(days=366)


@dataclass(frozen=True)
class SourceStatus:
    """How complete a source is.

    Attributes:
        first: the first covered instant; None if nothing is covered.
        complete_until: the instant up to which nothing is missing since `first`.
        harvested_until: the last covered instant.
        last_began: when the last harvest began that covers anything.
        missing: the days that were requested and are not harvested.
        repairable: those of them that are harvested without a request; one range for a source that cannot be asked by
            date.
        before_first_harvest: the history before the first harvest; None if there is none.
        is_late: whether a scheduled time, and the time that a harvest may take, have passed without the promised day.
        new_version: the harvester's version if only other versions have harvested; their windows no longer count.
    """

    first: datetime | None
    complete_until: datetime | None
    harvested_until: datetime | None
    last_began: datetime | None
    missing: tuple[DayRange, ...]
    repairable: tuple[DayRange, ...]
    before_first_harvest: DayRange | None
    is_late: bool
    new_version: int | None = None

    @property
    def is_complete(self) -> bool:
        """Whether something is harvested and nothing that was requested is missing."""
        return self.first is not None and not self.missing and not self.is_late

    @property
    def missing_days(self) -> int:
        """The number of missing days."""
        return sum(len(days) for days in self.missing)


def find_source_status(
    config: IngestConfig,
    coverage: SourceCoverage | None,
    failed_windows: Sequence[FailedWindow],
    now: datetime,
) -> SourceStatus:
    """Return how complete a source is.

    Args:
        config: the source.
        coverage: what is covered; None if nothing is.
        failed_windows: its windows that failed or were cancelled, and are not covered.
        now: the time.
    """
    covered = coverage.windows if coverage else ()
    promised = _promised_day(config, now)
    failed = _failed_days(config, covered, failed_windows, now)
    gaps = _gaps(config, covered, promised, day_range.newest_settled_day(now, config.settle))
    short_gaps = [gap for gap in gaps if len(gap) * DAY <= LONGEST_REPAIRED_GAP]
    repairable = day_range.merge([*failed, *short_gaps])
    if repairable and not config.selective:
        repairable = [DayRange(repairable[0].first, repairable[-1].last)]  # one snapshot serves all of them
    first = covered[0].start if covered else None
    return SourceStatus(
        first=first,
        complete_until=covered[0].end if covered else None,
        harvested_until=covered[-1].end if covered else None,
        last_began=coverage.last_began if coverage else None,
        missing=tuple(day_range.merge([*failed, *gaps])),
        repairable=tuple(repairable),
        before_first_harvest=_days_before(config, first, now),
        is_late=promised is not None and (not covered or promised > day_range.days_of(covered[-1]).last),
    )


def _promised_day(config: IngestConfig, now: datetime) -> date | None:
    """Return the newest day that the schedule should have harvested by now.

    The harvest may take `timeout.harvest` within the `hours` of the source.
    """
    if config.schedule is None or config.disabled:
        return None
    harvest = config.timeout.harvest
    latest = now - harvest if config.hours is None else config.hours.start_of_work(now, harvest)
    scheduled = last_scheduled_time(config.schedule, latest)
    day = day_range.newest_settled_day(scheduled, config.settle)
    return day if day >= config.earliest_date else None


def _failed_days(
    config: IngestConfig, covered: Sequence[Window], failed_windows: Sequence[FailedWindow], now: datetime
) -> list[DayRange]:
    """Return the days of failed windows that no other harvest covers."""
    newest = day_range.newest_settled_day(now, config.settle)
    return day_range.merge(
        missing
        for failed in failed_windows
        if (days := day_range.days_of(failed.window).clip(config.earliest_date, newest))
        for missing in day_range.missing_days(days, covered)
    )


def _gaps(
    config: IngestConfig, covered: Sequence[Window], promised: date | None, newest: date
) -> list[DayRange]:
    """Return the uncovered days between the first and the last harvest, and after it up to the promised day."""
    if not covered:
        return []
    first = max(day_range.days_of(covered[0]).first, config.earliest_date)
    last = min(max(day_range.days_of(covered[-1]).last, promised or first), newest)
    return day_range.missing_days(DayRange(first, last), covered) if first <= last else []


def _days_before(config: IngestConfig, first: datetime | None, now: datetime) -> DayRange | None:
    """Return the days before the first harvest; all days if there was none."""
    last = first.date() - DAY if first else day_range.newest_settled_day(now, config.settle)
    return DayRange(config.earliest_date, last) if config.earliest_date <= last else None
